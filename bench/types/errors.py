"""The one error of the bench."""


class BenchError(Exception):
    """A user's mistake or a broken input: shown as one clear line, exit code 2."""
