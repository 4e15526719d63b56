"""Masks as pictures: outlines, galleries, the viewer."""
