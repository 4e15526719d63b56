"""The parts of ``benchmarks/faults.py``: each ruins runs in one way and counts what is lost."""
