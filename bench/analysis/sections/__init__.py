"""Further tables of a report, each a function that gives a ``Section``, and what they share."""
