"""How a mask, and a list of masks, are addressed in a page: what stands behind its ``#``.

``templates/masks_model.js`` reads the same addresses, and writes them for the masks that it opens.
"""

from __future__ import annotations

from urllib.parse import quote


def mask_address(image_id: str, mask_id: str, run: str, *others: str, step: int) -> str:
    """One mask in a run at a step, others beside it.

    The image is left out where the mask's id begins with it.

    >>> mask_address("7", "7/2", "photos-demo", step=3)
    '#mask=7/2&run=photos-demo&step=3'
    >>> mask_address("7", "left", "a", "b", step=1)
    '#mask=left&image=7&run=a&run=b&step=1'
    """
    image = [] if mask_id.startswith(f"{image_id}/") else [("image", image_id)]
    runs = [("run", each) for each in (run, *others)]
    return "#" + _query([("mask", mask_id), *image, *runs, ("step", str(step))])


def list_address(**filters: str | tuple[float, float] | None) -> str:
    """The masks that pass all filters, by the names that the page's own filters have.

    A pair is a range in points: from the first, to below the second; a name's underscore is a dash.

    >>> list_address(prompt="1 point", iou=(45, 50), beside_iou=None)
    '#masks&prompt=1%20point&iou=45..50'
    """
    said = [
        (name.replace("_", "-"), value if isinstance(value, str) else "{:g}..{:g}".format(*value))
        for name, value in filters.items()
        if value is not None
    ]
    return "#masks" + "".join(f"&{_query([each])}" for each in said)


def _query(pairs: list[tuple[str, str]]) -> str:
    return "&".join(f"{name}={quote(value, safe='/')}" for name, value in pairs)
