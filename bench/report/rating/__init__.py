"""Masks rated by people: what is rated, the pages where they rate, and what came of it."""
