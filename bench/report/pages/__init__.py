"""Pages and the folders that they stand in."""
