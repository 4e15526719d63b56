"""What a run would do, which images it still lacks: found out before any model is loaded."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bench.config.composing import RunConfig
from bench.config.run_key import Question, run_name
from bench.config.settings import Runtime
from bench.data.opening import open_dataset, pin_dataset
from bench.data.origins import Origins
from bench.files.places import local_side, place
from bench.files.there import check_folder
from bench.models.abilities import check_files, check_keeps_embeddings
from bench.models.loading import model_class
from bench.run.promises import check_task
from bench.scoring.metrics import Metric, chosen
from bench.store.lock import Fence
from bench.store.remedy import how_to_add
from bench.store.runs import RunStore
from bench.store.schema import schema_of, taken_columns
from bench.tasks.contract import Task, Way
from bench.tasks.opening import open_task
from bench.types import BenchError, Measure, Reader, Site

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PromptRun:
    """One prompt's run: its identity, its folder, and the images it still lacks.

    ``unsound`` says that parts of it don't count, or are not what its header says, which holding
    the run mends.
    """

    way: Way
    key: str
    store: RunStore
    missing: frozenset[str]
    unsound: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One image and the prompts that lack it."""

    image_id: str
    prompts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and how it is run: never a number depends on it.

    ``config`` is what was asked for in the user's words, files by their paths.
    """

    config: RunConfig
    site: Site

    @property
    def runtime(self) -> Runtime:
        """What ``runtime:`` says."""
        return self.config.runtime


@dataclass(frozen=True, slots=True)
class Work:
    """What is to do: the runs by their prompts' names.

    ``ids`` are all images of the dataset, or of the subset that is asked for, ``todo`` those that
    some prompt still lacks, in order, up to the limit.
    """

    runs: Mapping[str, PromptRun]
    ids: tuple[str, ...] = ()
    todo: tuple[str, ...] = ()
    fingerprint: str = ""

    def jobs(self) -> list[Job]:
        """What is to do, in order."""
        return [
            Job(i, tuple(name for name, run in self.runs.items() if i in run.missing))
            for i in self.todo
        ]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a run needs but the model's weights: what is asked, how it is run, what is to do.

    ``task``, ``reader`` and ``metrics`` are those of the question, opened; ``origins`` are what the
    reader's images come from.
    """

    question: Question
    setting: Setting
    work: Work
    task: Task
    reader: Reader
    metrics: tuple[Metric, ...]
    origins: Origins


def make_plan(config: RunConfig) -> Plan:
    """Opens the dataset, finds the checkpoint, and looks up what earlier runs have left to do.

    Where something is left, files of the model are looked into, as far as it can before it loads.
    Raises ``BenchError`` for whatever is missing or doesn't fit, a dataset that has changed since
    the run began among it.
    """
    task = open_task(config)
    ways = task.ways(config)
    runtime = config.runtime
    site = runtime.site() if task.asks_model else runtime.reading_site()
    results = place(runtime.results)
    check_folder(results, "runtime.results")
    manifests = local_side(results) / "manifests"
    reader = open_dataset(config.dataset, site, runtime.allow_modules, manifests=manifests)
    ids = tuple(reader.ids())
    if not ids:
        raise BenchError(f"{config.dataset.name}: the dataset holds no image")
    if task.asks_model and runtime.embedding_cache is not None:
        check_keeps_embeddings(model_class(config.model, runtime.allow_modules), config.model.name)
    question = replace(task.settle(config, site), dataset=pin_dataset(config.dataset, site))
    check_task(task, ways, question)
    metrics = open_metrics(config, task)
    fingerprint, origins = reader.fingerprint(), Origins(reader)
    data = _Data(reader, ids, origins)
    runs = {name: _prompt_run(question, runtime, name, ways[name], data) for name in ways}
    work = Work(runs, ids, _todo(runtime, ids, runs), fingerprint)
    if work.todo:
        task.check(config, reader)
        if task.asks_model:
            model = model_class(config.model, runtime.allow_modules)
            check_files(model, config.model.args, site)
    _compare_metrics(runs, metrics)
    if runtime.keep_candidates:
        _say_candidates_lack(config.task.name, task, runs)
    return Plan(question, Setting(config, site), work, task, reader, metrics, origins)


def open_metrics(config: RunConfig, task: Task) -> tuple[Metric, ...]:
    """The metrics that a configuration names, but for what the task's rows hold whatever is asked.

    Raises ``BenchError`` for one that isn't there or clashes with another, and for a choice of
    metrics where the task's rows are no masks.
    """
    if "mask_rle" not in schema_of(task.row).names:
        if config.metrics != RunConfig().metrics:
            raise BenchError(
                f"metrics={','.join(config.metrics).join('[]')}: the rows of the task "
                f"{config.task.name} are no masks; leave metrics out"
            )
        return ()
    return chosen(
        config.metrics,
        config.runtime.allow_modules,
        taken=taken_columns(task.row, task.measures),
        beside=task.measures,
    )


def _compare_metrics(runs: Mapping[str, PromptRun], metrics: Sequence[Metric]) -> None:
    """Refuses two metrics or two versions in a column, and says what a finished run lacks."""
    for run in runs.values():
        store = run.store
        known = [Measure.of_plain(each) for each in (store.header().get("metrics") or {}).values()]
        for measure in (each.measure for each in metrics):
            same = [m for m in known if m.name == measure.name or m.mean == measure.mean]
            others = [m for m in same if m.name != measure.name or m.other_than(measure)]
            there = [m.origin for m in others if m.name in store.columns()]
            if there and run.missing:
                raise BenchError(
                    f"{store.folder}: its rows hold {there[0]} under the name {measure.mean}, not "
                    f"{measure.origin}; finish the run without it (metrics=[…]); "
                    f"{how_to_add(store, measure)}"
                )
            if known and not run.missing and (there or not same):
                log.warning(
                    "%s is finished and holds no %s: %s",
                    *(store.folder, measure.origin if there else measure.name),
                    how_to_add(store, measure),
                )


def _say_candidates_lack(name: str, task: Task, runs: Mapping[str, PromptRun]) -> None:
    """Says of which rows ``runtime.keep_candidates`` comes too late, or that it does nothing."""
    if not task.asks_model or "candidate_rles" not in schema_of(task.row).names:
        log.warning("runtime.keep_candidates=true does nothing: task %s has no candidates", name)
        return
    for run in runs.values():
        if not run.store.keeps_candidates():
            log.warning(
                "%s: what is done already keeps the chosen masks alone; with "
                "runtime.keep_candidates=true a run into another results folder keeps all",
                run.store.folder,
            )


def held(plan: Plan, token: str) -> Plan:
    """The plan anew once its unfinished runs are held under the token: mended, what is left to do.

    Another command may have done some of it since the plan was made. Raises ``BenchError``.
    """
    work = plan.work
    data = _Data(plan.reader, work.ids, plan.origins)
    runs = dict(work.runs)
    for name, run in work.runs.items():
        if not finished(run):
            store = run.store.under(Fence(run.store.folder, token))
            for words in store.mend():
                log.warning("%s", words)
            missing, unsound = _missing(plan.question, store, data)
            runs[name] = replace(run, store=store, missing=missing, unsound=unsound)
    todo = _todo(plan.setting.runtime, work.ids, runs)
    return replace(plan, work=replace(work, runs=runs, todo=todo))


def finished(run: PromptRun) -> bool:
    """Whether nothing is left to do or to say of a run."""
    complete = run.store.header().get("status") == "complete"
    return complete and not run.missing and not run.unsound


def _todo(runtime: Runtime, ids: tuple[str, ...], runs: Mapping[str, PromptRun]) -> tuple[str, ...]:
    limited = ids[: runtime.limit]
    return tuple(i for i in limited if any(i in run.missing for run in runs.values()))


@dataclass(frozen=True, slots=True)
class _Data:
    """What the images are: the ids of all of them, who reads them, and what they come from."""

    reader: Reader
    ids: tuple[str, ...]
    origins: Origins


def _prompt_run(
    question: Question, runtime: Runtime, prompt: str, way: Way, data: _Data
) -> PromptRun:
    key = question.key(prompt)
    names = question.dataset.name, question.model.name, question.prompts[prompt].name
    store = RunStore.of(place(runtime.results), run_name(*names, key), key)
    missing, unsound = _missing(question, store, data)
    return PromptRun(way, key, store, missing, unsound)


def _missing(question: Question, store: RunStore, data: _Data) -> tuple[frozenset[str], bool]:
    """The images that no sound part holds, and whether there is something to mend.

    Parts of earlier releases know of no origins: names and sizes alone are held for them.
    """
    known, done = set(data.ids), set[str]()
    survey = store.survey()
    for content in (content for part in survey.sound for content in part.contents):
        done.update(content.images)
        changed = "" if known.issuperset(content.images) else "other images"
        if not changed and data.reader.fingerprint(content.images) != content.fingerprint:
            changed = "files of other names or sizes, or other annotations"
        if not changed and (image_id := data.origins.changed(content.origins)) is not None:
            changed = f"image {image_id} or its masks have other content"
        if changed:
            raise BenchError(
                f"{store.folder}: dataset {question.dataset.name} has changed since this run "
                f"began ({changed}); bring the old data back, or raise its version in the YAML to "
                "start a new run"
            )
    return frozenset(known - done), survey.needs_mending or bool(store.miscount())
