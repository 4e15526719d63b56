"""What ``benchmarks/mutations.py`` is made of."""
