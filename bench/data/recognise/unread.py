"""Files of a folder that are pictures or masks in kinds that no reader reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.data.recognise import Listing, Recognised
from bench.files.signatures import signature_of_file

_LOOKED_AT = 50


def find(listing: Listing) -> Sequence[Recognised]:
    """No way: what these files are is said, no more."""
    return ()


def misses(listing: Listing) -> Iterator[str]:
    """What the first of them is, and what to do; texts are told by whoever reads them."""
    pictures = set(listing.pictures)
    for name in [name for name in listing.files if name not in pictures][:_LOOKED_AT]:
        found = signature_of_file(listing.folder / name)
        if found is not None and not name.lower().endswith((".json", ".txt", ".xml")):
            yield f"{name} is {found.words}"
            return
