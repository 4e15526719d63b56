"""Readers: one module per on-disk format; each gives ``Sample`` values and nothing else.

A reader is any class with ``ids()``, ``read()`` and ``fingerprint()`` (``bench.types.Reader``),
named by ``target:`` in a YAML of ``conf/dataset/``.
"""

FORMERLY = "bench.readers"
"""Where this room was: what earlier runs' headers and users' YAMLs name."""
