"""A batch of answers away from a CPU: counted, and written as run lengths, where it lies."""
