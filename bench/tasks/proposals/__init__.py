"""Proposals of all objects of a picture, asked by a grid of points: the average recall."""
