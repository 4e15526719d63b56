"""Reads a whole dataset and says what is in it, beside what should be: ``sam-bench check``."""
