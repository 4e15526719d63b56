"""Which choices of an evaluation stand behind a number: explained, tried out, ablated."""
