"""What a run would do: found out and checked before any model is loaded."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from bench.config.component import Part, load_class
from bench.config.composing import RunConfig, run_key
from bench.data.opening import open_dataset, pin_dataset
from bench.files.places import local_side, place
from bench.models.abilities import check_keeps_embeddings
from bench.protocol import Protocol
from bench.store.lock import Fence
from bench.store.runs import RunStore, run_name
from bench.types import BenchError, PromptStrategy, Reader, Site

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PromptRun:
    """One prompt's run: its identity, its folder, and the images it still lacks.

    ``unsound`` says that parts of it are damaged or done twice, which holding the run mends.
    """

    part: Part
    strategy: PromptStrategy
    key: str
    store: RunStore
    missing: frozenset[str]
    unsound: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """One image and the prompts that lack it."""

    image_id: str
    prompts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a run needs but the model's weights.

    ``model`` is the model's part as pinned: files replaced by hashes; so is ``config.dataset``,
    where it names a manifest. ``ids`` are all images of the dataset, or of the subset that is
    asked for, ``todo`` those that some prompt still lacks, in order, up to the limit.
    """

    config: RunConfig
    site: Site
    reader: Reader
    protocol: Protocol
    model: Part
    runs: Mapping[str, PromptRun]
    ids: tuple[str, ...]
    todo: tuple[str, ...]
    fingerprint: str

    def tasks(self) -> list[Task]:
        """What is to do, in order."""
        return [
            Task(i, tuple(name for name, run in self.runs.items() if i in run.missing))
            for i in self.todo
        ]


def make_plan(config: RunConfig) -> Plan:
    """Opens the dataset, finds the checkpoint, and looks up what earlier runs have left to do.

    Raises ``BenchError`` for whatever is missing or doesn't fit, a dataset that has changed since
    the run began among it.
    """
    site, allowed = config.runtime.site(), config.runtime.allow_modules
    if config.task != "prompted_masks":
        raise BenchError(f"no task is called {config.task!r}; there is prompted_masks")
    if not config.prompts:
        raise BenchError("no prompt is chosen: give prompt=[point_1,point_3,box]")
    protocol, strategies = open_parts(config)
    manifests = local_side(place(config.runtime.results)).expanduser() / "manifests"
    reader = open_dataset(config.dataset, site, allowed, manifests=manifests)
    config = replace(config, dataset=pin_dataset(config.dataset, site))
    ids = tuple(reader.ids())
    if not ids:
        raise BenchError(f"{config.dataset.name}: the dataset holds no image")
    segmenter = load_class(config.model, allowed, "model")
    for name, strategy in strategies.items():
        feeds_back = protocol.feeds_back() and strategy.steps > 1
        needs = strategy.prompt_kinds | ({"mask_logits"} if feeds_back else set())
        if beyond := needs - segmenter.prompt_kinds:
            raise BenchError(
                f"model {config.model.name} understands "
                f"{', '.join(sorted(segmenter.prompt_kinds))}; prompt {name} under protocol "
                f"{config.protocol.name} asks for {', '.join(sorted(beyond))} too"
            )
    if config.runtime.embedding_cache is not None:
        check_keeps_embeddings(segmenter, config.model.name)
    model = replace(config.model, args=segmenter.pin(config.model.args, site))
    fingerprint = reader.fingerprint()
    runs = {
        name: _prompt_run(config, model, part, strategies[name], reader, ids)
        for name, part in config.prompts.items()
    }
    todo = _todo(config, ids, runs)
    return Plan(config, site, reader, protocol, model, runs, ids, todo, fingerprint)


def held(plan: Plan, token: str) -> Plan:
    """The plan anew once its unfinished runs are held under the token: mended, what is left to do.

    Another command may have done some of it since the plan was made. Raises ``BenchError``.
    """
    runs = dict(plan.runs)
    for name, run in plan.runs.items():
        if not finished(run):
            store = run.store.under(Fence(run.store.folder, token))
            for words in store.mend():
                log.warning("%s", words)
            missing, unsound = _missing(plan.config, store, plan.reader, plan.ids)
            runs[name] = replace(run, store=store, missing=missing, unsound=unsound)
    return replace(plan, runs=runs, todo=_todo(plan.config, plan.ids, runs))


def finished(run: PromptRun) -> bool:
    """Whether nothing is left to do or to say of a run."""
    complete = run.store.header().get("status") == "complete"
    return complete and not run.missing and not run.unsound


def open_parts(config: RunConfig) -> tuple[Protocol, dict[str, PromptStrategy]]:
    """The protocol and the strategies by name that a configuration asks for."""
    allowed = config.runtime.allow_modules
    protocol: Protocol = load_class(config.protocol, allowed, "protocol")(**config.protocol.args)
    strategies: dict[str, PromptStrategy] = {
        name: load_class(part, allowed, "prompt")(**part.args, protocol=protocol)
        for name, part in config.prompts.items()
    }
    return protocol, strategies


def _todo(
    config: RunConfig, ids: tuple[str, ...], runs: Mapping[str, PromptRun]
) -> tuple[str, ...]:
    limited = ids[: config.runtime.limit]
    return tuple(i for i in limited if any(i in run.missing for run in runs.values()))


def _prompt_run(
    config: RunConfig,
    model: Part,
    part: Part,
    strategy: PromptStrategy,
    reader: Reader,
    ids: tuple[str, ...],
) -> PromptRun:
    key = run_key(
        task=config.task,
        seed=config.seed,
        model=model,
        dataset=config.dataset,
        prompt=part,
        protocol=config.protocol,
    )
    name = run_name(config.dataset.name, model.name, part.name, key)
    store = RunStore.of(place(config.runtime.results).expanduser(), name)
    missing, unsound = _missing(config, store, reader, ids)
    return PromptRun(part, strategy, key, store, missing, unsound)


def _missing(
    config: RunConfig, store: RunStore, reader: Reader, ids: tuple[str, ...]
) -> tuple[frozenset[str], bool]:
    """The images that no sound part holds, and whether other parts than sound ones lie there."""
    known, done = set(ids), set[str]()
    survey = store.survey()
    for content in (content for part in survey.sound for content in part.contents):
        done.update(content.images)
        if not known.issuperset(content.images) or (
            reader.fingerprint(content.images) != content.fingerprint
        ):
            raise BenchError(
                f"{store.folder}: dataset {config.dataset.name} has changed since this run began; "
                "bring the old data back, or raise its version in the YAML to start a new run"
            )
    return frozenset(known - done), survey.needs_mending
