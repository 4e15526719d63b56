"""Ways to run: one file per way, each with a class that fulfils ``bench.run.findings.Runtime``.

A worker (``bench.run.worker.Worker``) is plain Python; what is here decides how many there are,
where they live, which images they get, and what happens when one dies. None of it can change a row.
"""

FORMERLY = "bench.runtime"
"""Where this room was: what users' YAMLs and the paces of earlier runs name."""
