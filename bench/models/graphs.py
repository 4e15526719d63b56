"""Exported graphs, whatever wrote them: TorchScript, torch.export and ONNX, called in one way."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from bench.types import BenchError

Named = TypeVar("Named")

Call = Callable[[Sequence[Tensor]], Sequence[Tensor]]


def named(names: type[Named], said: Mapping[str, Any]) -> Named:
    """The names of a graph's inputs and outputs, those of a YAML and the others' defaults.

    ``names`` is a dataclass. Raises ``BenchError`` for a key that it hasn't.
    """
    known = [each.name for each in fields(names)]  # type: ignore[arg-type]
    if unknown := [key for key in said if key not in known]:
        raise BenchError(f"model.args.names has no {unknown[0]!r}; there are {', '.join(known)}")
    return names(**said)


@dataclass(frozen=True, slots=True)
class Input:
    """An input of a graph: its name, its shape (none for a length that is free), its dtype.

    What the file does not say is none.
    """

    name: str
    shape: tuple[int | None, ...] | None
    dtype: torch.dtype | None

    @property
    def words(self) -> str:
        """For people: ``image 1×3×256×256``."""
        if self.shape is None:
            return self.name
        return f"{self.name} {_lengths(self.shape)}"


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph of a ``file``, its ``inputs``, and the names of its ``outputs``, if it has any.

    ``parameters`` is the number of its weights; none for ONNX, which tells them from no constant.
    """

    file: Path
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...] | None
    call: Call
    parameters: int | None = None

    def check(self, wanted: Mapping[str, tuple[int | None, ...]], outputs: Sequence[str]) -> None:
        """Whether the graph takes what it will be given, and gives what will be asked for.

        ``wanted`` are shapes by name, none for a length that changes. Raises ``BenchError`` that
        says which inputs or outputs were found.
        """
        found = {each.name: each for each in self.inputs}
        said = ", ".join(each.words for each in self.inputs)
        if lacking := [name for name in wanted if name not in found]:
            raise BenchError(
                f"{self.file.name} has no input {lacking[0]!r}; found {said}; set model.args.names"
            )
        if left := [name for name in found if name not in wanted]:
            raise BenchError(
                f"{self.file.name} wants an input {left[0]!r} that is not described; found {said}; "
                "set model.args.names"
            )
        for name, shape in wanted.items():
            if not _agree(found[name].shape, shape):
                raise BenchError(
                    f"{self.file.name}: the input {name} would be given {_lengths(shape)}, found "
                    f"{said}"
                )
        if self.outputs is not None and (no := [o for o in outputs if o not in self.outputs]):
            raise BenchError(
                f"{self.file.name} has no output {no[0]!r}; found {', '.join(self.outputs)}; set "
                "model.args.names"
            )

    def answer(self, given: Mapping[str, Tensor], outputs: Sequence[str]) -> list[Tensor]:
        """The ``outputs``; of a graph that does not name its own, as many as there are, in order.

        Raises ``BenchError`` where the graph fails, or gives another number of them.
        """
        values = [given[each.name].to(each.dtype or given[each.name].dtype) for each in self.inputs]
        try:
            found = self.call(values)
        except Exception as error:  # an exported graph may raise anything
            shapes = ", ".join(f"{name} {_lengths(tuple(t.shape))}" for name, t in given.items())
            said = " ".join(str(error).split())[:200]
            raise BenchError(f"{self.file.name} fails on {shapes}: {said}") from error
        if self.outputs is not None:
            by_name = dict(zip(self.outputs, found, strict=True))
            return [by_name[name] for name in outputs]
        if len(found) < len(outputs):
            raise BenchError(
                f"{self.file.name} gives {len(found)} outputs, expected {', '.join(outputs)} in "
                "this order"
            )
        return list(found[: len(outputs)])


def open_graph(file: Path, device: torch.device) -> Graph:
    """The graph of a file, by its name: ``.onnx``, ``.pt2`` of torch.export, else TorchScript.

    Raises ``BenchError`` where it can't be read, or what reads it isn't installed.
    """
    openers = {".onnx": _onnx, ".pt2": _exported_program}
    opener = openers.get(file.suffix, _torch_script)
    try:
        return opener(file, device)
    except BenchError:
        raise
    except Exception as error:  # broken bytes make the readers raise almost anything
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise BenchError(f"{file} can't be read as {_KINDS[opener]}: {said}") from error


def _onnx(file: Path, device: torch.device) -> Graph:
    """One thread, so that the number of cores moves no last bit; a run has images side by side."""
    try:
        import onnxruntime
    except ImportError as error:
        raise BenchError(f"{file.name} needs onnxruntime: pip install 'sam-bench[onnx]'") from error
    provider = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}.get(device.type)
    if provider not in (there := onnxruntime.get_available_providers()):
        raise BenchError(
            f"onnxruntime can't compute on {device}: it has {', '.join(there)}; for CUDA, pip "
            "install onnxruntime-gpu in the place of onnxruntime"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options, providers=[provider])
    inputs = tuple(
        Input(
            each.name,
            tuple(length if isinstance(length, int) else None for length in each.shape),
            _ONNX_DTYPES.get(each.type),
        )
        for each in session.get_inputs()
    )
    outputs = tuple(each.name for each in session.get_outputs())

    def call(values: Sequence[Tensor]) -> list[Tensor]:
        given = {
            each.name: np.ascontiguousarray(value.cpu().numpy())
            for each, value in zip(inputs, values, strict=True)
        }
        return [torch.from_numpy(found).to(device) for found in session.run(None, given)]

    return Graph(file, inputs, outputs, call)


def _exported_program(file: Path, device: torch.device) -> Graph:
    program = torch.export.load(file)
    names = program.graph_signature.user_inputs
    values = {node.name: node.meta["val"] for node in program.graph.nodes if "val" in node.meta}
    inputs = []
    for name in map(str, names):
        shape = tuple(int(n) if str(n).isdigit() else None for n in values[name].shape)
        inputs.append(Input(name, shape, values[name].dtype))
    module = program.module().to(device)
    count = sum(program.state_dict[name].numel() for name in program.graph_signature.parameters)
    return Graph(file, tuple(inputs), None, lambda given: _as_list(module(*given)), count)


def _torch_script(file: Path, device: torch.device) -> Graph:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # it is deprecated, and people have it
        load: Any = torch.jit.load
        module = load(str(file), map_location=device)
    names = [value.debugName() for value in module.graph.inputs()][1:]
    inputs = tuple(Input(re.sub(r"\.\d+$", "", name), None, None) for name in names)
    count = sum(parameter.numel() for parameter in module.parameters())
    return Graph(file, inputs, None, lambda given: _as_list(module(*given)), count)


_KINDS: Mapping[Callable[[Path, torch.device], Graph], str] = {
    _onnx: "ONNX",
    _exported_program: "a program of torch.export",
    _torch_script: "TorchScript",
}

_ONNX_DTYPES: Mapping[str, torch.dtype] = {
    "tensor(float)": torch.float32,
    "tensor(float16)": torch.float16,
    "tensor(double)": torch.float64,
    "tensor(int32)": torch.int32,
    "tensor(int64)": torch.int64,
    "tensor(bool)": torch.bool,
}


def _agree(found: tuple[int | None, ...] | None, given: tuple[int | None, ...]) -> bool:
    """Whether a tensor of that shape can be given where the graph says what it takes.

    >>> _agree((1, None, 2), (1, None, 2)), _agree((1, 3, 2), (1, None, 2))
    (True, False)
    """
    if found is None:
        return True
    return len(found) == len(given) and all(
        there is None or there == length for there, length in zip(found, given, strict=True)
    )


def _lengths(shape: Sequence[int | None]) -> str:
    return "×".join("?" if length is None else str(length) for length in shape) or "a number"


def _as_list(found: Any) -> list[Tensor]:
    return [found] if isinstance(found, Tensor) else list(found)
