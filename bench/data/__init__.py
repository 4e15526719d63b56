"""Data → samples: readers of formats, and what opens, chooses, fetches and recognises datasets."""
