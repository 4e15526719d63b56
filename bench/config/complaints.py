"""What Hydra and OmegaConf complain of, in the bench's own words: one line that says what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from hydra.errors import MissingConfigException
from omegaconf import errors as omegaconf

from bench.types.errors import did_you_mean

_KINDS: Mapping[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
}

_UNKNOWN = (omegaconf.ConfigKeyError, omegaconf.ConfigAttributeError)

_WORDS: Sequence[tuple[str, str]] = (
    (
        r"(?:Multiple values for )?(\S+?)(?:\. To override| appears more than once in the final).*",
        r"\1 is chosen twice: a YAML chooses another with `override /\1: NAME` in its defaults, "
        r"the command line with \1=NAME",
    ),
    (r"force-add of config groups is not supported: '\+*(.*)'", r"write \1, without a +"),
    (
        r"Could not delete from config\. '(.*?)' does not exist",
        r"~\1: there is nothing of that name to leave out",
    ),
    (
        r"Could not override '(.*?)'\. No match in the defaults list",
        r"its defaults override '\1', which is no group that is chosen before",
    ),
    (r"Invalid defaults list in '(.*?)'.*", r"\1.yaml: its defaults must be a list of names"),
    (r"Too many keys in default item (.*)", r"an item of its defaults is one name, found \1"),
    (r"Duplicate _self_ defined in (\S+)", r"\1.yaml: its defaults hold _self_ twice"),
    (r"Overriding hydra\.searchpath .*", "only you name a folder of YAMLs, with --config-dir"),
    (r"Invalid loaded object type: (\w+)", r"a YAML holds one value (\1), expected KEY: VALUE"),
    (r"Can only enumerate CHOICE.*", "an interval has no end of values: name each, as in KEY=1,2"),
    (r"ConfigLoader is not set", "glob(…) isn't understood: name each, as in prompt=[box,point_1]"),
)
"""What is said of whole configurations, as patterns, and what is said instead."""


def in_own_words(
    error: Exception, root: type[Any], names: Callable[[str], Sequence[str]], groups: Sequence[str]
) -> str:
    """One line for an error of composing.

    ``root`` is the dataclass that is composed, ``names`` gives those of a group's YAMLs, ``groups``
    are the groups' names.
    """
    text = str(error)
    found = re.match(r"In '?([^'\s:]+)'?: ", text)
    where = f"{found[1]}.yaml: " if found and found[1] != "run" else ""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = str(error.missing_cfg_file).partition("/")
        return f"{where}no {group} is called {name!r}; {did_you_mean(name, names(group))}"
    if unknown := re.match(r"Could not override '([^']+)'", text):
        cause = next(_omegaconfs(error), None)
        if cause is None or isinstance(cause, _UNKNOWN):
            return where + unknown_key(str((cause and cause.full_key) or unknown[1]), root, groups)
    for refused in _omegaconfs(error):
        return where + _refused(refused, text, root, groups)
    line = _one_line(text)
    for pattern, words in _WORDS:
        if meant := re.search(pattern, line):
            said = meant.expand(words)
            return said if said.startswith(where) else where + said
    return line


def unknown_key(key: str, root: type[Any], groups: Sequence[str]) -> str:
    """What to say of a key that names nothing: with the nearest keys there are."""
    if prompt := re.match(r"prompts\.([^.]+)\.args\b", key):  # a chosen one takes any argument
        return (
            f"no prompt {prompt[1]!r} is chosen, so {key} says nothing; choose it with "
            f"prompt=[{prompt[1]}], if `sam-bench ls prompts` lists it"
        )
    above, _, _ = key.rpartition(".")
    while above and not is_dataclass(_kind_at(above, root)):
        above = above.rpartition(".")[0]
    known = [f"{above}.{name}" for name in _names(_kind_at(above, root))] if above else []
    if not known:
        known = sorted({*_names(root), *groups})
        settings = [f"runtime.{name}" for name in _names(_kind_at("runtime", root))]
        hint = did_you_mean(key, known, also=settings)
    else:
        hint = did_you_mean(key, known)
    return f"nothing is called {key!r}; {hint}"


def _refused(
    refused: omegaconf.OmegaConfBaseException, text: str, root: type[Any], groups: Sequence[str]
) -> str:
    key, found = str(refused.full_key or ""), refused.value
    if isinstance(refused, _UNKNOWN):
        return unknown_key(key, root, groups)
    if isinstance(refused, omegaconf.KeyValidationError):
        return "a key of a YAML is neither a text nor a number"
    filled = (
        omegaconf.InterpolationResolutionError,
        omegaconf.UnsupportedInterpolationType,
        omegaconf.GrammarParseError,
    )
    if isinstance(refused, filled):
        return f"{key}: {_not_filled(refused)}; a text with ${{ in it is written \\${{"
    if merged := re.search(r"(?:Error merging override|config use) \+*([^=]+)=(.*)", text):
        if key and not key.startswith(merged[1]):  # of a prompt that isn't chosen
            return unknown_key(merged[1], root, groups)
        key, found = merged[1], merged[2]
    if not key:
        named = re.search(r"is not a subclass of (\w+)\. value: (.*)", str(refused))
        keys = [] if named is None else _keys_of_kind(named[1], root)
        if named is None or len(keys) != 1:
            said = "a list" if named is None else named[2]
            return f"keys with values are expected, as in KEY: VALUE, found {said}"
        key, found = keys[0], named[2]
    kind = _kind_at(key, root)
    if "not Optional" in str(refused) or "'None'" in str(refused):
        return f"{key} must not be null: leave it out, or give it {_said(kind)}"
    if get_origin(kind) is list:
        return f"{key} must be a list of names, such as {key}=[one,another]; found {found}"
    return f"{key} must be {_said(kind)}, found {_one_line(str(found))[:60]}"


def _not_filled(refused: omegaconf.OmegaConfBaseException) -> str:
    """Why an interpolation can't be filled in."""
    said = _one_line(str(refused))
    if unknown := re.search(r"Interpolation key '(.*?)' not found", said):
        return f"${{{unknown[1]}}} names nothing"
    if function := re.search(r"Unsupported interpolation type (\S+)", said):
        return f"${{{function[1]}:…}} calls nothing that there is"
    if variable := re.search(r"Environment variable '(.*?)' not found", said):
        return f"the environment has no {variable[1]}"
    return "what stands in ${…} can't be filled in"


def _kind_at(key: str, root: type[Any]) -> Any:
    """The annotation of a key; none where there is none."""
    kind: Any = root
    for part in key.split("."):
        if is_dataclass(kind):
            kind = get_type_hints(kind).get(part)
        else:
            kind = get_args(kind)[1] if get_origin(kind) is dict else None
        if get_origin(kind) in (Union, UnionType):
            kind = next(each for each in get_args(kind) if each is not NoneType)
    return kind


def _keys_of_kind(name: str, root: type[Any]) -> list[str]:
    """The keys whose values are the dataclass of that name."""
    return [
        key for key, kind in get_type_hints(root).items() if getattr(kind, "__name__", "") == name
    ]


def _said(kind: Any) -> str:
    if get_origin(kind) is dict or is_dataclass(kind):
        return "keys with values, as in {key: value}"
    if get_origin(kind) is list:
        return "a list, as in [one,another]"
    return _KINDS.get(kind, "plain text, numbers, lists or keys with values")


def _names(kind: Any) -> list[str]:
    return [each.name for each in fields(kind)]


def _omegaconfs(error: BaseException | None) -> Iterator[omegaconf.OmegaConfBaseException]:
    """The errors of OmegaConf among an error and its causes, the last first."""
    while error is not None:
        if isinstance(error, omegaconf.OmegaConfBaseException):
            yield error
        error = error.__cause__ or error.__context__


def _one_line(text: str) -> str:
    """A text of several lines, without what only helps who knows the library."""
    text = text.partition("Config search path")[0].replace(' in "<unicode string>",', "")
    lines = [line.strip().removeprefix("In 'run': ") for line in text.splitlines()]
    names = ("full_key:", "object_type=", "reference_type=", "See https://")
    said = " ".join(dict.fromkeys(line for line in lines if line and not line.startswith(names)))
    for word, plain in (("DictConfig", "mapping"), ("ListConfig", "list"), ("Hydra", "the bench")):
        said = said.replace(word, plain)
    return said
