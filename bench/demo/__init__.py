"""The embedded default model: rendered scenes, a small `Sam`, and the command that trains it."""
