"""What a worker elsewhere is told: enough to open its own reader, model and stores."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.config.component import Part
from bench.config.composing import RunConfig
from bench.data.opening import open_whole
from bench.files.places import place
from bench.run.plan import Plan, PromptRun, Task, open_parts
from bench.store.compaction import MOST_SMALL, compact
from bench.store.lock import Fence
from bench.store.runs import RunStore


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """A configuration for one worker, its pinned model, and each prompt's run by key and fence.

    It can be pickled and sent to another process or machine, where the same paths must hold.
    """

    config: RunConfig
    model: Part
    keys: Mapping[str, str]
    fences: Mapping[str, Fence]

    def plan(self) -> Plan:
        """A plan to work by: it knows no ids, since tasks are handed to the worker."""
        site = self.config.runtime.site()
        protocol, strategies = open_parts(self.config)
        # A subset is the driver's business: it hands out the ids of one.
        reader = open_whole(self.config.dataset, site, self.config.runtime.allow_modules)
        runs = {
            name: PromptRun(
                part,
                strategies[name],
                self.keys[name],
                RunStore(self.fences[name].folder, self.fences[name]),
                frozenset(),
            )
            for name, part in self.config.prompts.items()
            if name in self.fences
        }
        return Plan(self.config, site, reader, protocol, self.model, runs, (), (), "")


def order_for(plan: Plan, device: str, workers: int) -> Order:
    """The order of one worker out of several: its device, and its share of the threads.

    Folders become absolute. Only runs that are held, and so have a fence, are in it.
    """
    settings = plan.config.runtime
    runtime = dataclasses.replace(
        settings,
        device=device,
        devices=None,
        workers=max(1, settings.workers // workers),
        datasets=_absolute(settings.datasets),
        checkpoints=_absolute(settings.checkpoints),
        results=str(place(settings.results).expanduser().absolute()),
        embedding_cache=settings.embedding_cache and _absolute(settings.embedding_cache),
    )
    held = {
        name: each.store.guard
        for name, each in plan.runs.items()
        if isinstance(each.store.guard, Fence)
    }
    fences = {n: Fence(f.folder.expanduser().absolute(), f.token) for n, f in held.items()}
    config = dataclasses.replace(plan.config, runtime=runtime)
    return Order(config, plan.model, {name: plan.runs[name].key for name in fences}, fences)


def still_lacking(plan: Plan, tasks: Sequence[Task]) -> list[Task]:
    """What of the tasks is not on disk, as found there now."""
    names = {name for task in tasks for name in task.prompts}
    done = {
        name: {i for part in plan.runs[name].store.survey().sound for i in part.images}
        for name in names
    }
    left = [
        Task(task.image_id, tuple(n for n in task.prompts if task.image_id not in done[n]))
        for task in tasks
    ]
    return [task for task in left if task.prompts]


def tidy(plan: Plan, batches: int) -> None:
    """Compacts the parts of held runs once in a while, as batches come back."""
    if batches % MOST_SMALL == 0:
        for each in plan.runs.values():
            if isinstance(each.store.guard, Fence):
                compact(each.store)


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())
