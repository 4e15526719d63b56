"""LoRA adapters as peft writes them, merged into the weights of the model they were trained on."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any

from bench.files.hashing import sha256_of
from bench.files.there import kind_of
from bench.types import BenchError

FILES = ("adapter_config.json", "adapter_model.safetensors")


def adapter_sha256(folder: Path) -> str:
    """One hash of the adapter's configuration and weights.

    Raises ``BenchError`` where one of them isn't there.
    """
    digest = hashlib.sha256()
    for name in FILES:
        path = folder / name
        if not path.is_file():
            raise BenchError(
                f"no adapter in {folder}: {name} is needed ({kind_of(path)}); name a folder as "
                "peft's save_pretrained writes it"
            )
        digest.update(f"{name} {sha256_of(path)}\n".encode())
    return digest.hexdigest()


def merge_adapter(model: Any, folder: Path) -> Any:
    """The model with the adapter's weights merged into its own, of the class that it was.

    Raises ``BenchError`` where peft is not installed, or the adapter is of another model.
    """
    try:
        from peft import PeftModel
    except ImportError as error:
        raise BenchError("LoRA adapters are merged by peft: pip install peft") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of one library about the other
            warnings.filterwarnings("error", message=r"Found \w+ adapter keys")
            wrapped = PeftModel.from_pretrained(model, str(folder), is_trainable=False)
            return wrapped.merge_and_unload(safe_merge=True)
    except (UserWarning, ValueError, RuntimeError, KeyError, TypeError, OSError) as error:
        said = " ".join(str(error).split())[:200]
        raise BenchError(f"{folder} is no adapter of this model: {said}") from error
