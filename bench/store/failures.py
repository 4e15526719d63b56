"""The images of a run that could not be read or scored: ``errors.jsonl``, a JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

from bench.files.documents import parse_json
from bench.files.places import Place, write_aside
from bench.files.text import escaped
from bench.types import BenchError


@dataclass(frozen=True, slots=True)
class ImageError:
    """An image that could not be read or scored: which one, in what file, and why."""

    image_id: str
    reason: str


def write_failures(path: Place, errors: Iterable[ImageError], guard: Callable[[], None]) -> None:
    """Replaces the file; there is none where nothing failed."""
    lines = [escaped(json.dumps(asdict(error), ensure_ascii=False)) + "\n" for error in errors]
    if lines:
        write_aside(path, "".join(lines).encode(), guard)
    else:
        path.unlink(missing_ok=True)


def read_failures(path: Place) -> list[ImageError]:
    """What ``write_failures`` wrote; raises ``BenchError`` where the file isn't that."""
    try:
        text = path.read_text(encoding="utf-8")
        # A name may hold what other rules take for the end of a line; JSON escapes this one.
        lines = filter(str.strip, text.split("\n"))
        return [ImageError(**{k: str(v) for k, v in parse_json(x).items()}) for x in lines]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise BenchError(
            f"{path}: not a list of failed images ({error}); move it away, the same `run` command "
            "makes it anew"
        ) from error
