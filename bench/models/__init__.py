"""Segmentation models: one file per family, each with a class that fulfils ``Segmenter``."""
