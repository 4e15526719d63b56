"""The mutations that a file allows: small faults of meaning, made with Cosmic Ray's operators."""

from __future__ import annotations

import ast
import copy
import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.provider import OperatorProvider

KINDS: Mapping[str, Sequence[str]] = {
    "comparison": tuple(
        f"ReplaceComparisonOperator_{change}"
        for change in (
            "Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE", "GtE_Gt", "GtE_Lt",
            "Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is",
        )
    ),
    "arithmetic": (
        *(
            f"ReplaceBinaryOperator_{change}"
            for change in (
                "Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Mul", "Mod_Mul", "Pow_Mul",
                "LShift_RShift", "RShift_LShift", "BitOr_BitAnd", "BitAnd_BitOr", "BitXor_BitAnd",
            )
        ),
        "ReplaceUnaryOperator_USub_UAdd",
        "ReplaceUnaryOperator_Delete_Invert",
    ),
    "constant": ("NumberReplacer",),
    "condition": (
        "AddNot", "ReplaceAndWithOr", "ReplaceOrWithAnd", "ReplaceUnaryOperator_Delete_Not",
    ),
}  # fmt: skip
"""The operators of Cosmic Ray that are asked, by the kind of fault they make."""

_NODES: Mapping[str, Sequence[str]] = {
    "comparison": ("comparison",),
    "arithmetic": ("operator", "factor"),
    "constant": ("number",),
    "condition": ("keyword", "not_test", "if_stmt", "while_stmt", "assert_stmt", "test"),
}
"""The nodes that these operators look for, as Parso calls them: to ask of all takes much longer."""
_LOOKS = {
    "alpha", "dpi", "figsize", "fontsize", "labelsize", "linestyle", "linewidth", "markersize",
    "pad", "zorder",
}  # fmt: skip
"""Keywords of drawing: how a figure looks, not what it says."""
_LOGGERS = ("log", "logger", "logging", "warnings")
_TYPES = re.compile(r"(?:\w+\.)*(?:[A-Z]\w*|int|str|float|bool|bytes|None|type|list|tuple|dict)\b")
_PATHS = re.compile(r"folder|path|root|parent|directory", re.IGNORECASE)


def name_of(*words: str) -> str:
    """Twelve hexadecimal digits that stand for some words."""
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Mutation:
    """One fault in one place.

    ``file`` is relative to the root; ``line`` counts from 1; ``place`` is the function or class
    that holds it, empty at the top; ``before`` and ``after`` are the changed lines without their
    indent. ``again`` tells apart what is equal in all of these.
    """

    file: str
    place: str
    before: str
    after: str
    again: int
    line: int
    kind: str
    operator: str
    occurrence: int

    @property
    def key(self) -> str:
        """Its name, which stays while the function and the line do: 12 hexadecimal digits."""
        return name_of(self.file, self.place, self.before, self.after, str(self.again))

    def apply(self, text: str) -> str:
        """The file's text with the fault in it."""
        changed = mutate_code(text, OperatorProvider()[self.operator](), self.occurrence)
        if changed is None:
            raise ValueError(f"{self.file}:{self.line} has no {self.operator} {self.occurrence}")
        return str(changed)


def mutations_of(root: Path, file: str) -> list[Mutation]:
    """Every mutation of a file that may change what it computes, in the order of its lines.

    Left out: annotations, unions of types, log text, ``if TYPE_CHECKING``, ``__slots__``,
    ``__all__``, asserts, sizes of type and lines in figures, and operators on paths and texts,
    which can only fail.
    """
    text = (root / file).read_text()
    meaning, nodes = _Meaning(text), list(ast_nodes(get_ast(text)))
    starts = [0, *itertools.accumulate(len(line) for line in text.splitlines(keepends=True))]
    found = []
    for kind, names in KINDS.items():
        own = [node for node in nodes if node.type in _NODES[kind]]
        for name in names:
            operator, occurrence = OperatorProvider()[name](), -1
            for node in own:
                for index, (start, _) in enumerate(operator.mutation_positions(node)):
                    occurrence += 1
                    if meaning.holds(start, name):
                        lines = _changed_lines(text, starts, node, operator, index)
                        found.append((start, *lines, kind, name, occurrence))
    seen: Counter[tuple[str, ...]] = Counter()
    made = []
    for (line, _), before, after, kind, name, occurrence in sorted(found):
        same = (meaning.place(line), before, after)
        made.append(Mutation(file, *same, seen[same], line, kind, name, occurrence))
        seen[same] += 1
    return made


def _changed_lines(
    text: str, starts: Sequence[int], node: Any, operator: Any, index: int
) -> tuple[str, str]:
    """The lines that a change of one node changes, before and after, without their indent.

    ``starts`` are the places in the text where its lines begin.
    """
    parent, node.parent = node.parent, None
    try:
        twin = copy.deepcopy(node)
    finally:
        node.parent = parent
    twin.parent = parent
    first = node.get_first_leaf()
    start = starts[first.start_pos[0] - 1] + first.start_pos[1] - len(first.prefix)
    end = start + len(node.get_code())
    top, bottom = text.rfind("\n", 0, start) + 1, text.find("\n", end) % (len(text) + 1)
    changed = text[top:start] + operator.mutate(twin, index).get_code() + text[end:bottom]
    old, new = text[top:bottom].splitlines(), changed.splitlines()
    above = _alike(old, new)
    below = _alike(old[above:][::-1], new[above:][::-1])
    before, after = (
        "\n".join(line.strip() for line in lines[above : len(lines) - below])
        for lines in (old, new)
    )
    return before, re.sub(r"(?<=[\[(]) +", "", re.sub(r"(?<=\S) {2,}(?=[^ #])", " ", after))


def _alike(first: Sequence[str], second: Sequence[str]) -> int:
    """How many lines two texts begin with in common."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(first), len(second)))


class _Meaning:
    """Where in a file an operator changes what is computed."""

    def __init__(self, text: str) -> None:
        tree = ast.parse(text)
        self._lines = text.splitlines()
        self._dead = [span for node in ast.walk(tree) for span in _dead(node)]
        self._binary = [node for node in ast.walk(tree) if isinstance(node, ast.BinOp)]
        self._named = list(_named(tree, ""))

    def holds(self, start: tuple[int, int], operator: str) -> bool:
        """Whether the operator at this line and column means anything."""
        line, column = start  # of characters, where ast counts bytes
        start = (line, len(self._lines[line - 1][:column].encode()))
        if any(first <= start < last for first, last in self._dead):
            return False
        if not operator.startswith("ReplaceBinaryOperator"):
            return True
        gaps = (n for n in self._binary if _end(n.left) <= start < _start(n.right))
        if (node := next(gaps, None)) is None:
            return False
        if isinstance(node.op, ast.BitOr):
            return not all(_TYPES.match(ast.unparse(side)) for side in (node.left, node.right))
        if isinstance(node.op, ast.Add | ast.Mult | ast.Div | ast.Mod):
            return not _is_no_number(node)
        return True

    def place(self, line: int) -> str:
        """The innermost function or class that holds a line."""
        around = [name for name, node in self._named if node.lineno <= line <= node.end_lineno]
        return max(around, key=len, default="")


def _is_no_number(node: ast.AST) -> bool:
    """Whether an operand is seen to be a text, a list, a path or the like."""
    match node:
        case ast.BinOp():
            return _is_no_number(node.left) or _is_no_number(node.right)
        case ast.Constant(value=str() | bytes()):
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return _PATHS.search(name) is not None
        case ast.Call(func=ast.Attribute(attr="join" | "format")):
            return True
    return isinstance(node, ast.JoinedStr | ast.List | ast.Tuple | ast.ListComp)


def _named(node: ast.AST, outer: str) -> Iterator[tuple[str, Any]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{outer}.{child.name}".lstrip(".")
            yield name, child
            yield from _named(child, name)
        else:
            yield from _named(child, outer)


def _dead(node: ast.AST) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """What of a node cannot change a value: from its start to its end."""
    parts: list[ast.AST | None] = []
    match node:
        case ast.arg() | ast.AnnAssign():
            parts = [node.annotation]
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            parts = [node.returns]
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            parts = [node]
        case ast.If(test=ast.Compare(left=ast.Name(id="__name__"))):
            parts = [node]
        case ast.Assign(targets=[ast.Name(id="__all__" | "__slots__")]):
            parts = [node]
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name))):
            parts = [node] if name.strip("_").lower() in _LOGGERS else []
        case ast.Assert():
            parts = [node]
        case ast.keyword(arg=str(name)) if name in _LOOKS:
            parts = [node.value]
    for part in parts:
        if part is not None:
            yield _start(part), _end(part)


def _start(node: Any) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _end(node: Any) -> tuple[int, int]:
    return node.end_lineno, node.end_col_offset
