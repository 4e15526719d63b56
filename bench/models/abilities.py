"""What a model may offer beside its contract: embeddings that can be kept on the disk.

Whoever asks looks at the class, before anything is loaded; ``runtime.embedding_cache`` is refused
for a model whose class lacks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from bench.types import BenchError

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
