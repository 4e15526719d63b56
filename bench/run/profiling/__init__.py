"""Where the time of a run went, for ``runtime.profile=true``: a trace and a page of tables.

All of it hangs on the stopwatch that every phase passes; no row depends on it.
"""
