"""What a model may offer beside its contract: kept embeddings, and files looked into beforehand.

Whoever asks looks at the class, before anything is loaded; ``runtime.embedding_cache`` is refused
for a model whose class can't keep embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from bench.types import BenchError, Site

if TYPE_CHECKING:
    import torch


@runtime_checkable
class KeepsEmbeddings(Protocol):
    """A segmenter whose embeddings can be taken apart into tensors and put together again."""

    @classmethod
    def embedding_bytes(cls, args: Mapping[str, Any]) -> int:
        """About how many bytes the tensors of one embedding take, known without the weights."""

    def embedding_identity(self) -> Mapping[str, Any]:
        """What an embedding depends on beside the pixels, down to the last bit, as JSON values.

        The weights' hash, preprocessing, precision, device and libraries. It is asked in the
        thread that embeds. The class and the arguments that ``pin`` gives need not be in it.
        Raises ``BenchError`` that says why where it isn't known.
        """

    def pack(self, embedding: Any) -> Mapping[str, torch.Tensor]:
        """The embedding as named tensors without gaps, on any device.

        Values, dtypes, shapes and strides come back as they were given.
        """

    def unpack(self, tensors: Mapping[str, torch.Tensor]) -> Any:
        """The embedding of packed tensors, which come on the CPU.

        Raises ``ValueError`` for tensors that are no embedding of this model.
        """


def check_keeps_embeddings(model: type[Any], name: str) -> None:
    """Raises ``BenchError`` where the class of the model of that name can't keep embeddings."""
    if not issubclass(model, KeepsEmbeddings):
        raise BenchError(
            f"runtime.embedding_cache: model {name} ({model.__name__}) cannot keep embeddings, "
            "since it has none that are known by the hash of a checkpoint; leave the cache off "
            "for it (runtime.embedding_cache=null)"
        )


@runtime_checkable
class ChecksFiles(Protocol):
    """A segmenter that can tell what it would refuse in its files, in seconds and without memory.

    It is asked where there is something to do, by ``--plan`` too, before a run is begun.
    """

    @classmethod
    def check_files(cls, args: Mapping[str, Any], site: Site) -> None:
        """Looks into the files that ``pin`` finds; raises ``BenchError`` as loading them would."""


def check_files(model: type[Any], args: Mapping[str, Any], site: Site) -> None:
    """Raises ``BenchError`` where the files of a model of that class aren't what it needs."""
    if issubclass(model, ChecksFiles):
        model.check_files(args, site)
