"""What each setting of ``runtime:`` means, for the command line and for the docs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Any

from bench.config.settings import DEFAULTS, ENVIRONMENT, RaySettings, Runtime


@dataclass(frozen=True, slots=True)
class Explained:
    """A setting as people read of it.

    ``key`` is what is typed, ``type`` its type's name, ``default`` what it is where nobody says it,
    ``variable`` that of the environment that changes the default, or empty, and ``means`` a
    sentence or more, code in single backticks.
    """

    key: str
    type: str
    default: str
    variable: str
    means: str


UNSAID: Mapping[str, str] = {
    "runtime.keep_masks": "Keeps every predicted mask in its row. `rescore`, `export --coco` and "
    "the page's pictures need them.",
    "runtime.keep_candidates": "Keeps the masks of all candidates in the row, not the chosen one's "
    "alone. The page's mask by mask draws each then. Of prompted masks, in rows still to come.",
    "runtime.download": "Lets a checkpoint that isn't here be fetched.",
    "runtime.datasets": "The folder that paths of datasets start from.",
    "runtime.checkpoints": "The folder of checkpoints.",
    "runtime.results": "The folder or URL where runs are kept.",
    "runtime.ray.cpus_per_actor": "CPUs of each worker; on CPUs also its threads.",
    "runtime.ray.gpus_per_actor": "GPUs of each worker; 0.5 puts two workers on one.",
}
"""What the docstrings of settings don't say."""


def explained() -> Iterator[Explained]:
    """Every setting of ``runtime:``, in the order of the class.

    What it means is said by the sentences of the class's docstring that name it. Raises
    ``ValueError`` for a setting that nothing is said of.
    """
    for prefix, holder in (("runtime", Runtime), ("runtime.ray", RaySettings)):
        said = _sentences(inspect.getdoc(holder) or "")
        for each in fields(holder):
            if isinstance(each.default_factory, type) and is_dataclass(each.default_factory):
                continue
            key = f"{prefix}.{each.name}"
            means = " ".join(s for s in said if f"``{each.name}``" in s) or UNSAID.get(key, "")
            if not means:
                raise ValueError(f"nothing says what {key} means")
            variable = ENVIRONMENT.get(each.name, "") if holder is Runtime else ""
            yield Explained(key, str(each.type), _default(each), variable, means.replace("``", "`"))


def _sentences(doc: str) -> list[str]:
    return re.split(r"(?<=[.])\s+(?=[A-Z`])", " ".join(doc.split()))


def _default(each: Field[Any]) -> str:
    if each.name in DEFAULTS:
        return DEFAULTS[each.name]
    if each.name == "workers":
        return "cores, at most 8"
    if each.default is not MISSING:
        return typed(each.default)
    assert each.default_factory is not MISSING
    return typed(each.default_factory())


def typed(value: Any) -> str:
    """A value as the command line takes it.

    >>> typed(None), typed(True), typed([1, 2]), typed("demo")
    ('null', 'true', '[1,2]', 'demo')
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{','.join(map(typed, value))}]"
    return str(value)


def _short(text: str, most: int = 48) -> str:
    """A value without the rest of what is long, such as a hash or an address."""
    return text if len(text) <= most else f"{text[:12]}…"
