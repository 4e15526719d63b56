"""Simulated users: one file per kind of prompt."""
