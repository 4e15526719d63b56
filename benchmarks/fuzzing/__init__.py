"""Mutated inputs for the bench and what it must make of them; ``benchmarks/fuzz.py`` runs them."""
