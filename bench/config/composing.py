"""What to run: the configuration, composed by Hydra into dataclasses.

Only this room and ``bench.cli`` know Hydra. What stands under ``runtime`` may never change a
number; everything else may, and is hashed into ``bench.config.run_key``.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from bench.config.about import fault_of_about
from bench.config.complaints import in_own_words, unknown_key
from bench.config.component import Component, check_modules
from bench.config.folders import (
    check_folder,
    component_file,
    conf_dir,
    group_folders,
    group_names,
    groups,
)
from bench.config.labels import shown_label
from bench.config.settings import ENVIRONMENT, reaching, usual
from bench.config.settings import RaySettings as RaySettings
from bench.config.settings import Runtime as Runtime
from bench.config.suites import with_suite
from bench.config.words import as_meant, quoted
from bench.files.text import lines_of
from bench.files.yaml_files import check_yaml, check_yamls, refuse_calls
from bench.types import BenchError


@dataclass
class RunConfig:
    """One task: one model on one dataset under one protocol, with one or several prompts.

    ``metrics`` are computed of every mask beside its IoU, a column each: names of the shelf
    ``bench.scoring.metrics``, or a user's own. They change no other number and no run key.
    ``sweep`` maps overrides to the values that they take in turn (``model: [demo, grabcut]``).
    ``figure`` names the paper's figure that a report of these runs draws; it changes no number.
    """

    task: Component = field(default_factory=Component)
    seed: int = 0
    model: Component = field(default_factory=Component)
    dataset: Component = field(default_factory=Component)
    prompts: dict[str, Component] = field(default_factory=dict)
    protocol: Component = field(default_factory=Component)
    metrics: list[str] = field(default_factory=lambda: ["boundary_iou"])
    runtime: Runtime = field(default_factory=Runtime)
    sweep: dict[str, Any] = field(default_factory=dict)
    figure: str | None = None


_ARGUMENT = re.compile(r"(task|model|dataset|protocol|prompts\.\w+)\.args\.")
"""Where an override begins that gives a component an argument."""


_SEVERAL = ("prompt", "experiment")
"""The groups of which a run may have several."""


def load_configs(overrides: Sequence[str], extra_dir: Path | None = None) -> list[RunConfig]:
    """Every run that the overrides ask for: several where one of them sweeps (``model=a,b``).

    What the command line gives, one value or several, takes the place of an experiment's sweep of
    the same name. ``extra_dir`` is a user's own folder of YAMLs, laid out as ``conf/``.
    What the overrides say is the user's; YAMLs may come from anyone, and neither call resolvers
    nor allow modules. ``suite=NAME`` stands for a suite's datasets, prompts and protocol. Raises
    ``BenchError`` with one line for anything that doesn't compose.
    """
    if extra_dir is not None:
        check_folder(extra_dir)
        if "${" in str(extra_dir.resolve()):
            raise BenchError(f"{extra_dir}: holds '${{', which is filled in in YAMLs; rename it")
        check_yamls(extra_dir)
    overrides = with_suite(overrides, extra_dir)
    with _hydra_errors(extra_dir):
        fixed, swept = _split_sweeps(_meant(overrides, extra_dir))
        own = {word.partition("=")[0].lstrip("+") for word in fixed} | set(swept)
        first = {name: values[0] for name, values in swept.items()}
        base = _compose(fixed, extra_dir, first, own)
        theirs = {_sweepable(k): _as_list(k, v) for k, v in base.sweep.items() if k not in own}
        swept = {**theirs, **swept}
        if not swept:
            return [base]
        return [
            _compose(fixed, extra_dir, dict(zip(swept, values, strict=True)), own)
            for values in itertools.product(*swept.values())
        ]


def load_component(group: str, name: str, extra_dir: Path | None = None) -> Component:
    """A component as its YAML says it, what is not set (``???``) as it stands there.

    Raises ``BenchError`` for a name without a YAML and a YAML that is no component's.
    """
    path = component_file(group, name, extra_dir)
    check_yaml(path)
    with _hydra_errors():
        node = OmegaConf.create({group: OmegaConf.load(path)})
        loaded = OmegaConf.to_container(node, resolve=True)
    written = loaded.get(group) if isinstance(loaded, dict) else None
    try:
        said = {str(key): value for key, value in dict(written or {}).items()}
        if fault := fault_of_about(said.get("about", {})):
            raise BenchError(fault)
        if not isinstance(args := said.get("args", {}), dict):
            raise BenchError(f"args must be a mapping, found {repr(args)[:60]}")
        found = Component(**said)
    except BenchError as error:
        raise BenchError(f"{path}: {error}") from None
    except (TypeError, ValueError) as error:
        raise BenchError(f"{path}: not the YAML of a {group} ({error})") from None
    return found


def component_about(group: str, name: str, extra_dir: Path | None = None) -> str:
    """What a component's YAML says of itself in one line, such as that of ``model``, ``demo``."""
    about = load_component(group, name, extra_dir).about
    return ": ".join(str(about[key]) for key in ("title", "what") if about.get(key))


def head_sentence(group: str, name: str, extra_dir: Path | None = None) -> str:
    """What the comment in a YAML's head says first, of an experiment or a runtime: no components.

    Raises ``BenchError`` for a name without a YAML and a YAML that isn't one.
    """
    path = component_file(group, name, extra_dir)
    check_yaml(path)
    return first_sentence(path.read_text(encoding="utf-8"))


def first_sentence(yaml_text: str) -> str:
    r"""The first sentence of the comment in a YAML's head; a command in it ends it too.

    >>> first_sentence("# @package _global_\n# Figure 9 (Fig. 9a): sam-bench run model=demo\n")
    'Figure 9 (Fig. 9a).'
    """
    lines = [line[1:].strip() for line in lines_of(yaml_text) if line.startswith("# ")]
    lines = [line for line in lines if not line.startswith("@package")]
    words = " ".join(lines).partition("sam-bench run")[0]
    first = re.split(r"(?<!Fig)\. ", f"{words} ")[0]
    return f"{first.rstrip('.: ')}."


def _compose(
    fixed: Sequence[str], extra_dir: Path | None, swept: Mapping[str, str], own: Set[str]
) -> RunConfig:
    """One run; ``own`` are the keys that the user's words set."""
    overrides = [*fixed, *(f"{name}={value}" for name, value in swept.items())]
    if extra_dir is not None:
        overrides.append(f"hydra.searchpath=[{quoted(f'file://{extra_dir.resolve()}')}]")
    # Arguments need not stand in the YAML of their component: its class says what there is.
    overrides = [f"++{word}" if _ARGUMENT.match(word) else word for word in overrides]
    _store_schema(tuple(map(usual, ENVIRONMENT)))
    GlobalHydra.instance().clear()
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_dir())):
        composed = compose("run", overrides=overrides)
    refuse_calls(OmegaConf.to_container(composed, resolve=False), overrides)
    if missing := sorted(OmegaConf.missing_keys(composed)):
        group = missing[0].partition(".")[0]
        named = OmegaConf.select(composed, f"{group}.name", default=None)
        whose = f" ({group} {named})" if isinstance(named, str) else ""
        raise BenchError(f"{missing[0]} is not set{whose}: give {missing[0]}=… on the command line")
    _refuse_reaching(composed, own)  # before anything is opened
    config = OmegaConf.to_object(composed)
    assert isinstance(config, RunConfig)
    _refuse_additions(config)
    if nested := [each for each in config.metrics if not isinstance(each, str)]:
        raise BenchError(
            "configuration: metrics must be a list of names, such as metrics=[one,another]; "
            f"found {nested[0]} in it"
        )
    check_modules(config.runtime.allow_modules, "runtime.allow_modules")
    _check_components(config)
    for group in ("model", "dataset"):
        component = getattr(config, group)
        if component.about.get("title"):
            component.about["title"] = shown_label(
                component.name, component.about, group_folders(group, extra_dir)
            )
    return config


def _refuse_reaching(composed: DictConfig, own: Set[str]) -> None:
    """Refuses a YAML's setting that leads out of this machine or loads code."""
    runtime = OmegaConf.to_container(composed.runtime, resolve=True)
    assert isinstance(runtime, dict)
    for key, value in reaching({str(name): each for name, each in runtime.items()}).items():
        if key not in own:
            raise BenchError(f"a YAML sets {key}={value}; only you may, on the command line")


@lru_cache(maxsize=1)  # stored again whenever the folders change
def _store_schema(folders: tuple[str, ...]) -> None:
    """Tells Hydra what ``run.yaml`` is held against; each time takes a tenth of composing it.

    ``folders`` are those of the environment, which are among the defaults.
    """
    ConfigStore.instance().store(name="run_schema", node=RunConfig)


def _split_sweeps(overrides: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Plain overrides, and for each swept one the values it takes."""
    fixed: list[str] = []
    swept: dict[str, list[str]] = {}
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        if override.is_sweep_override():
            values: Iterator[str] = override.sweep_string_iterator()
            swept[override.get_key_element()] = list(values)
        else:
            fixed.append(str(override.input_line))
    return fixed, swept


def _meant(overrides: Sequence[str], extra_dir: Path | None) -> list[str]:
    """The words in Hydra's grammar; raises ``BenchError`` for what no group can be set to."""
    words = []
    for word in _of_one_prompt(as_meant(overrides)):
        key, _, value = word.partition("=")
        group = key.lstrip("+~")
        if re.split(r"[./@]", group)[0] == "hydra":
            raise BenchError(_unknown_key(group))
        if group not in groups():
            words.append(word)
            continue
        if re.match(r"\{|null$|$" if group in _SEVERAL else r"[\[{]|null$|$", value.strip(), re.I):
            names = ", ".join(group_names(group, extra_dir))
            turns = f"{group}=ONE,ANOTHER for both in turn"
            raise BenchError(f"{word}: expected {group}=NAME, or {turns}; there are {names}")
        plain = re.fullmatch(r"[-+.\d]+|true|false", value.strip(), re.IGNORECASE)
        words.append(f"{key}={quoted(value)}" if plain else word)
    return words


def _of_one_prompt(words: Sequence[str]) -> list[str]:
    """``prompt.args.NAME=…`` as an argument of the one prompt that is chosen.

    Raises ``BenchError`` where the words choose none, or several.
    """
    short = "prompt.args."
    if not any(word.startswith(short) for word in words):
        return list(words)
    chosen = [value for key, _, value in (word.partition("=") for word in words) if key == "prompt"]
    found = re.fullmatch(r"\[?\s*(\w+)\s*\]?", chosen[-1]) if chosen else None
    if found is None:
        raise BenchError(
            f"{short}NAME=… is an argument of the one prompt that prompt=NAME chooses; of several "
            "name which: prompts.point_3.args.clicks=7"
        )
    name = f"prompts.{found[1]}.args."
    return [name + word.removeprefix(short) if word.startswith(short) else word for word in words]


def _sweepable(name: object) -> str:
    """The key of a YAML's sweep; raises ``BenchError`` for one that isn't a run's own."""
    known = {each.name for each in fields(RunConfig)} | {path.name for path in conf_dir().iterdir()}
    top = str(name).partition(".")[0]
    allows = str(name) == "runtime.allow_modules"
    if allows or not re.fullmatch(r"\w+(\.\w+)*", str(name)) or top not in known:
        raise BenchError(f"configuration: sweep: {_unknown_key(str(name))}")
    return str(name)


def _as_list(name: str, values: Any) -> list[str]:
    """What a YAML's sweep gives a key in turn, in the grammar of the command line."""
    listed = values if isinstance(values, list) else [values]
    return [word.partition("=")[2] for word in as_meant([f"{name}={each}" for each in listed])]


@contextmanager
def _hydra_errors(extra_dir: Path | None = None) -> Iterator[None]:
    """Hydra's many-line complaints as one line that says what to do."""
    try:
        yield
    except RecursionError as error:
        raise BenchError("configuration: it is nested too deeply, or names itself") from error
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError, OSError) as error:
        said = in_own_words(error, RunConfig, lambda g: group_names(g, extra_dir), groups())
        raise BenchError(f"configuration: {said}") from error


def _unknown_key(key: str) -> str:
    return unknown_key(key, RunConfig, groups())


def _check_components(config: RunConfig) -> None:
    """Refuses arguments with NaN or infinity, which no header holds."""
    groups = {group: getattr(config, group) for group in ("task", "model", "dataset", "protocol")}
    groups |= {f"prompts.{name}": prompt for name, prompt in config.prompts.items()}
    for group, component in groups.items():
        for name, value in component.args.items():
            if not _finite(value):
                raise BenchError(f"{group}.args.{name}: expected finite numbers, found {value!r}")


def _finite(value: object) -> bool:
    if isinstance(value, dict | list | tuple):
        return all(map(_finite, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, float) or math.isfinite(value)


def _refuse_additions(node: object, path: str = "") -> None:
    """Refuses keys that ``+key=value`` added to the dataclasses; raises ``BenchError``."""
    known = {each.name for each in fields(node)}  # type: ignore[arg-type]
    for name, value in vars(node).items():
        if name not in known:
            raise BenchError(f"configuration: {_unknown_key(path + name)}")
        children = value.values() if isinstance(value, dict) else [value]
        for child in children:
            if is_dataclass(child):
                _refuse_additions(child, f"{path}{name}.")
