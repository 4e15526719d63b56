"""Names from files: their order, and which can become part of a file's name here."""

from __future__ import annotations

MOST_BYTES = 120
"""The longest bare name in UTF-8: files named by it get an ending, and file systems take 255."""


def fault_of_name(name: str) -> str | None:
    """Why a text can't be a bare name, one that leads nowhere and is seen as it is; none if it can.

    >>> fault_of_name("sam_vit_b"), fault_of_name("../a"), fault_of_name("..")
    (None, "holds '/'", 'is a folder')
    >>> fault_of_name("a" * 300)
    'is 300 bytes long, beyond 120'
    """
    if not name.strip():
        return "is empty"
    if name in (".", ".."):
        return "is a folder"
    for character in name:
        if character in "/\\" or not character.isprintable():
            return f"holds {character!r}"
    if (size := len(name.encode())) > MOST_BYTES:
        return f"is {size} bytes long, beyond {MOST_BYTES}"
    return None


def id_order(image_id: str) -> tuple[int, int, str]:
    """The sort key of ids: numbers first and by value, all others by their characters.

    >>> sorted(["b", "10", "9", "a2", "a10", "09"], key=id_order)
    ['09', '9', '10', 'a10', 'a2', 'b']
    """
    if image_id.isascii() and image_id.isdigit():
        return 0, int(image_id), image_id
    return 1, 0, image_id
