"""The one error of the bench, and how errors of other people's code are told."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

_BENCH = str(Path(__file__).parents[1])


class BenchError(Exception):
    """A user's mistake or a broken input: shown as one clear line, exit code 2."""


class UnfitImageError(BenchError):
    """An image that a model can't take, however right the model is: in a run it fails alone."""


def did_you_mean(name: str, there: Iterable[str], also: Iterable[str] = ()) -> str:
    """What to say of a name that nothing has: the nearest ones, or else all that there are.

    ``also`` may be meant, too, but isn't listed.

    >>> did_you_mean("modle", ["model", "dataset"]), did_you_mean("x", ["b", "a"])
    ('did you mean model?', 'there are a, b')
    """
    known = sorted(set(map(str, there)))
    low = {each.lower(): each for each in (*also, *known)}
    near = [low[each] for each in get_close_matches(str(name).lower(), low, n=2)]
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"there are {', '.join(known)}" if known else "there is none"


def told(error: BaseException, file: str | None = None) -> str:
    """What went wrong in somebody's own code, in one line: the kind, the words, file and line.

    The place is where it went wrong, or of ``file``, where it passed through that, the last line;
    none where it went wrong here, as with a function that takes other arguments than it is given.
    """
    words = ": ".join(filter(None, (type(error).__name__, " ".join(str(error).split()))))
    every = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in every if frame.filename == file] or every
    # The words of a syntax error name its place.
    if isinstance(error, SyntaxError) or not frames or frames[-1].filename.startswith(_BENCH):
        return words
    return f"{words} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})"


def disk_fault(error: OSError) -> str:
    """Why the system refused a file or folder, in words and without its path.

    >>> disk_fault(OSError(errno.ENAMETOOLONG, "File name too long", "a" * 300))
    'a name in it is longer than the file system takes; choose a shorter one'
    """
    return _OF_DISK.get(error.errno or 0) or (error.strerror or str(error) or "refused").lower()


def disk_complaint(error: OSError) -> str:
    """The same with its path, cut in the middle where it is long; the error's own words without."""
    if error.filename is None:
        return disk_fault(error) if error.errno else f"{type(error).__name__}: {error}"
    path = os.fsdecode(error.filename) if not isinstance(error.filename, int) else "a file"
    if len(path) > 2 * _SHOWN:
        path = f"{path[:_SHOWN]}…{path[-_SHOWN:]}"
    return f"{path}: {disk_fault(error)}"


_SHOWN = 100
"""Characters that are shown of the beginning and of the end of a long path."""

_OF_DISK: Mapping[int, str] = {
    errno.ENAMETOOLONG: "a name in it is longer than the file system takes; choose a shorter one",
    errno.EEXIST: "a file lies there already, where a folder is needed; name another place",
    errno.ENOTDIR: "a file lies in the place of one of its folders; name another place",
    errno.EISDIR: "it is a folder, where a file is needed; name a file",
    errno.ENOENT: "there is no such file or folder",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "the file system can only be read; name another place",
    errno.ENOSPC: "no space is left on the disk",
}


def fault_of_theirs(error: BaseException) -> str | None:
    """What went wrong in code that is neither the bench's nor a library's, as ``told`` has it.

    The place is the last line of that code that was passed through; none where there was none.
    """
    ours = (_BENCH, sys.prefix, sys.base_prefix, "<")
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    theirs = [file for file in files if not file.startswith(ours)]
    return told(error, theirs[-1]) if theirs else None
