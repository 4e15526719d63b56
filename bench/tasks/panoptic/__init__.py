"""Panoptic segmentation, things and stuff, of COCO panoptic files that another tool wrote."""
