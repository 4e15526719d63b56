"""Rendered scenes: what the embedded dataset shows and the demo model is trained on."""
