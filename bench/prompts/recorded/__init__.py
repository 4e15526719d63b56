"""Prompts from a file: those of another run, of another tool, or of people."""
