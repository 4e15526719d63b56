"""What a worker elsewhere is told: enough to open its own reader, model and stores."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from bench.config.composing import RunConfig
from bench.config.run_key import Question
from bench.data.opening import open_whole
from bench.data.origins import Origins
from bench.files.places import local_path, place
from bench.run.plan import Job, Plan, PromptRun, Setting, Work, open_metrics
from bench.store.compaction import MOST_SMALL, compact
from bench.store.lock import Fence
from bench.store.runs import RunStore
from bench.tasks.opening import open_task


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """What is asked, a configuration for one worker, and each run's key and fence by its prompt.

    It can be pickled and sent to another process or machine, where the same paths must hold.
    """

    question: Question
    config: RunConfig
    keys: Mapping[str, str]
    fences: Mapping[str, Fence]

    def plan(self) -> Plan:
        """A plan to work by: it knows no ids, since jobs are handed to the worker."""
        runtime, task = self.config.runtime, open_task(self.config)
        site = runtime.site() if task.asks_model else runtime.reading_site()
        ways = task.ways(self.config)
        # A subset is the driver's business: it hands out the ids of one.
        reader = open_whole(self.config.dataset, site, runtime.allow_modules)
        runs = {
            name: PromptRun(
                ways[name],
                self.keys[name],
                RunStore(fence.folder, fence, self.keys[name]),
                frozenset(),
            )
            for name, fence in self.fences.items()
        }
        setting, metrics = Setting(self.config, site), open_metrics(self.config, task)
        return Plan(self.question, setting, Work(runs), task, reader, metrics, Origins(reader))


def order_for(plan: Plan, device: str, workers: int) -> Order:
    """The order of one worker out of several: its device, and its share of the threads.

    Folders become absolute. Only runs that are held, and so have a fence, are in it.
    """
    settings = plan.setting.runtime
    runtime = dataclasses.replace(
        settings,
        device=device,
        devices=None,
        workers=max(1, settings.workers // workers),
        datasets=_absolute(settings.datasets),
        checkpoints=_absolute(settings.checkpoints),
        results=str(place(settings.results).absolute()),
        embedding_cache=settings.embedding_cache and _absolute(settings.embedding_cache),
    )
    held = {
        name: each.store.guard
        for name, each in plan.work.runs.items()
        if isinstance(each.store.guard, Fence)
    }
    fences = {n: Fence(f.folder.expanduser().absolute(), f.token) for n, f in held.items()}
    config = dataclasses.replace(plan.setting.config, runtime=runtime)
    keys = {name: plan.work.runs[name].key for name in fences}
    return Order(plan.question, config, keys, fences)


def still_lacking(work: Work, jobs: Sequence[Job]) -> list[Job]:
    """What of the jobs is not on disk, as found there now."""
    names = {name for job in jobs for name in job.prompts}
    done = {
        name: {i for part in work.runs[name].store.survey().sound for i in part.images}
        for name in names
    }
    left = [
        Job(job.image_id, tuple(n for n in job.prompts if job.image_id not in done[n]))
        for job in jobs
    ]
    return [job for job in left if job.prompts]


def tidy(work: Work, batches: int) -> None:
    """Compacts the parts of held runs once in a while, as batches come back."""
    if batches % MOST_SMALL == 0:
        for each in work.runs.values():
            if isinstance(each.store.guard, Fence):
                compact(each.store)


def _absolute(path: str) -> str:
    return str(local_path(path).absolute())
