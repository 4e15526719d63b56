"""Rows → numbers: tables, statistics, comparisons, and what was published."""
