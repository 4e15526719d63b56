"""Noun phrases and all their instances, of a model or of files: what SAM 3 is measured by."""
