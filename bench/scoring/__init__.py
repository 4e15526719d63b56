"""Prediction × target → numbers, at the image's own resolution."""
