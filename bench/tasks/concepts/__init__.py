"""Noun phrases and all their instances, as SAM 3 is measured: by a model, or by files of results."""
