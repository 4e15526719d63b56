"""Names from files that become part of a file's name here."""

from __future__ import annotations


def fault_of_name(name: str) -> str | None:
    """Why a text can't be a bare name, one that leads nowhere and is seen as it is; none if it can.

    >>> fault_of_name("sam_vit_b"), fault_of_name("../a"), fault_of_name("..")
    (None, "holds '/'", 'is a folder')
    """
    if not name.strip():
        return "is empty"
    if name in (".", ".."):
        return "is a folder"
    for character in name:
        if character in "/\\" or not character.isprintable():
            return f"holds {character!r}"
    return None
