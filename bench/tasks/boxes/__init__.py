"""Masks of a detector's boxes, scored by average precision as COCO and LVIS have it."""
