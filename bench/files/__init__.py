"""Anybody's files, read with suspicion: JSON, YAML, archives, downloads; and where files lie."""
