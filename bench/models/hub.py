"""Model repositories of the Hugging Face hub, at a pinned revision, by the hub's own client."""

from __future__ import annotations

import logging
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from bench.files.hashing import sha256_of
from bench.models.weights_folder import (
    CONFIG,
    WeightsFolder,
    find_folder,
    open_folder,
    weight_files,
)
from bench.types import BenchError, Site

log = logging.getLogger(__name__)

FILES = ("*.json", "*.safetensors")
"""What is fetched of a repository: never a pickle, never code."""


@dataclass(frozen=True, slots=True)
class Repository:
    """``owner/name`` at a ``revision``, the 40 hex digits of a commit.

    A branch or a tag is no revision here: what it names may change. Raises ``BenchError``.
    """

    name: str
    revision: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", self.name):
            raise BenchError(f"a repository is owner/name, found {self.name!r}")
        if not re.fullmatch(r"[0-9a-f]{40}", self.revision):
            raise BenchError(
                f"a revision of {self.name} is the 40 hex digits of a commit, found "
                f"{self.revision!r}: what a branch or a tag names may change"
            )

    @property
    def address(self) -> str:
        """Where people find it."""
        return f"https://huggingface.co/{self.name}"

    @property
    def command(self) -> str:
        """The hub's own command that fetches what is needed."""
        patterns = " ".join(f"--include '{pattern}'" for pattern in FILES)
        return f"hf download {self.name} --revision {self.revision} {patterns}"


def fetch_repository(source: Repository, *, allowed: bool) -> WeightsFolder:
    """The repository's folder in the hub client's own cache, fetched where it isn't there whole.

    ``HF_HOME`` moves that cache, ``hf auth login`` gives access to what is gated. Raises
    ``BenchError`` where it isn't there and not ``allowed`` to be fetched, or not to be had.
    """
    download = _client()
    try:
        return open_folder(_asked(download, source, local_files_only=True))
    except BenchError as error:
        missing = error
    if not allowed:
        raise BenchError(
            f"no checkpoint {source.name}@{source.revision[:8]} in the hub's cache, and downloads "
            f"are switched off; {_by_hand(source)}"
        ) from missing
    _check_reachable(source)
    log.info("fetching %s at %s", source.name, source.revision)
    return open_folder(_asked(download, source, local_files_only=False))


def kept(source: Repository) -> Path | None:
    """The repository's folder in the client's cache, with configuration and weights; else none.

    No file of it is opened, and the network isn't asked.
    """
    try:
        folder = _asked(_client(), source, local_files_only=True)
        weight_files(folder)
    except BenchError:
        return None
    return folder if (folder / CONFIG).is_file() else None


def find_weights(args: Mapping[str, Any], site: Site) -> WeightsFolder:
    """The folder of weights that a model's arguments name, fetched where that is allowed.

    ``folder`` comes before ``repository`` at ``revision``, whose one file of weights has the hash
    ``sha256`` where that is known. Raises ``BenchError`` where neither is there.
    """
    own, repository, revision = (args.get(name) for name in ("folder", "repository", "revision"))
    if own is not None:
        return open_folder(find_folder(own, site.checkpoints))
    if repository is None:
        raise BenchError("no checkpoint is named: give model.args.folder=FOLDER")
    if revision is None:
        raise BenchError(
            f"no checkpoint of {repository} is pinned, since none is known to the bench: choose a "
            f"commit of https://huggingface.co/{repository}/commits and give "
            "model.args.revision=ITS_40_HEX_DIGITS, or give model.args.folder=FOLDER"
        )
    source = Repository(str(repository), str(revision))
    found = fetch_repository(source, allowed=site.download)
    _check_hash(found, args.get("sha256"))
    return found


def _check_hash(found: WeightsFolder, expected: str | None) -> None:
    """Raises ``BenchError`` where the repository's one file of weights is another than is known."""
    if expected is None:
        return
    hashes = [sha256_of(file) for file in found.weights]
    if hashes != [expected]:
        raise BenchError(
            f"{found.weights[0]} is not the known one: expected sha256 {expected}, found "
            f"{', '.join(hashes)}; delete it to have it fetched again"
        )


def _client() -> Callable[..., str]:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise BenchError(
            "models of the hub need its client: pip install 'sam-bench[transformers]'"
        ) from error
    found: Callable[..., str] = snapshot_download
    return found


def _check_reachable(source: Repository) -> None:
    """Raises ``BenchError`` where the hub answers nothing: its client would try for half a minute.

    Whatever it answers, the client is asked then, and what it is refused is told by ``_asked``.
    """
    from huggingface_hub import constants

    asked = Request(f"{constants.ENDPOINT}/api/models/{source.name}", method="HEAD")
    for left in reversed(range(_TRIES)):
        try:
            urlopen(asked, timeout=_PATIENCE).close()
            return
        except (HTTPError, HTTPException, ValueError):
            return  # an answer, or an address that the client has words for
        except OSError as error:
            if isinstance(getattr(error, "reason", error), ssl.SSLError):
                return  # the client has certificates of its own
            if not left:
                raise BenchError(
                    f"no checkpoint {source.name}@{source.revision[:8]}: the hub cannot be reached "
                    f"({' '.join(str(error).split())[:100]}); {_by_hand(source)}"
                ) from error
            time.sleep(_PAUSE)


_TRIES, _PAUSE, _PATIENCE = 2, 1.0, 10.0
"""How often the hub is asked whether it is there, after how many seconds again, for how long."""


def _asked(download: Callable[..., Any], source: Repository, *, local_files_only: bool) -> Path:
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    name = f"{source.name}@{source.revision[:8]}"
    wanted = {"revision": source.revision, "allow_patterns": list(FILES)}
    try:
        with _quiet():
            return Path(download(source.name, **wanted, local_files_only=local_files_only))
    except GatedRepoError as error:
        raise BenchError(
            f"no checkpoint {name}: its authors give access on request; ask for it on the "
            f"repository's page, then hf auth login, or {_by_hand(source)}"
        ) from error
    except RevisionNotFoundError as error:
        raise BenchError(f"no checkpoint {name}: the repository has no such revision") from error
    except RepositoryNotFoundError as error:
        raise BenchError(
            f"no checkpoint {name}: the hub shows no such repository; it is misspelt, or private "
            "and needs hf auth login"
        ) from error
    except LocalEntryNotFoundError as error:
        why = "it is not in the hub's cache" if local_files_only else "the hub cannot be reached"
        raise BenchError(f"no checkpoint {name}: {why}; {_by_hand(source)}") from error
    except (HfHubHTTPError, OSError) as error:
        said = " ".join(str(error).split())[:200]
        raise BenchError(f"no checkpoint {name}: {said}; {_by_hand(source)}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the client's account of each try: how it ended is told here. Its bars stay."""
    from huggingface_hub.utils import logging as told

    level = told.get_verbosity()
    told.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        told.set_verbosity(level)


def _by_hand(source: Repository) -> str:
    return (
        f"where there is a network: {source.command} --local-dir FOLDER, then "
        "model.args.folder=FOLDER"
    )
