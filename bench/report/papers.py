r"""How wide the columns of a paper are, which figures and tables are made to fit."""

from __future__ import annotations

from dataclasses import dataclass

POINTS = 72.27
"""TeX's points in an inch."""


@dataclass(frozen=True, slots=True)
class Paper:
    """How wide a column and both of them are, with what is between, in inches."""

    column: float
    whole: float


PAPERS = {"cvpr": Paper(3.25, 6.875), "ieee": Paper(3.5, 7.16)}
r"""As CVPR's template sets \columnwidth and \textwidth, and IEEEtran for journals."""

NARROWEST = PAPERS["cvpr"]
"""What a table fits, whatever the paper."""
