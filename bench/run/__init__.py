"""Plan → rows on disk: the loop, who drives it, and what watches it."""
