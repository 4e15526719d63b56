"""Numbers of bytes for people."""

from __future__ import annotations

import math


def megabytes(size: float) -> str:
    """A number of bytes for people.

    >>> megabytes(0), megabytes(3_500_000), megabytes(25 * 10**9)
    ('0 MB', '4 MB', '25.0 GB')
    """
    return f"{size / 1e9:,.1f} GB" if size >= 1e10 else f"{math.ceil(size / 1e6):,} MB"
