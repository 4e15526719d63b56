"""Masks that another tool predicted, scored as a run like any other."""
