"""Somebody's own package: one of each thing that can be added to the bench, and its YAMLs.

It names nothing of the bench but public contracts, and no file of the bench names it.
"""
