"""``sam-bench check model``: what a model promises, tried, and what its answers cost."""
