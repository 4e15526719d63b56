"""What a notebook or a script calls: ``bench.evaluate``, ``read_runs``, ``compare``, ``show_mask``.

They do what ``sam-bench run``, ``report`` and ``compare`` do, in the same folders, and give frames
instead of text. Where no folder is said it is that of the environment (``SAM_BENCH_RESULTS``,
``SAM_BENCH_DATASETS``), else ``results`` and ``datasets``.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench.config.settings import usual
from bench.files.places import Place, local_path, place
from bench.store import runs as store
from bench.store.runs import ImageError, RunStore, find_runs
from bench.types import BenchError

if TYPE_CHECKING:
    from PIL.Image import Image

    from bench.analysis.comparing.comparison import Comparison
    from bench.report import Report

Choice = str | Sequence[str]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What ``evaluate`` gives: the table of its runs, the runs themselves, and what failed.

    ``table`` has a row per dataset, model, protocol and prompt label, and one per mean over
    datasets (``dataset`` null); its columns are those of ``bench.analysis.table.Table.lines``, IoUs
    in [0, 1]. ``failed`` are the images that could not be read or scored. ``data`` are the datasets
    that were given as objects, kept for the pictures of a report.
    """

    table: pd.DataFrame
    runs: tuple[RunStore, ...]
    failed: tuple[ImageError, ...]
    data: tuple[object, ...] = field(default=(), repr=False)

    def rows(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """A row per run, mask and step, see ``read_runs``."""
        return store.read_runs(self.runs, columns)

    def report(self, folder: str | Path, *, datasets: str | Path | None = None) -> Report:
        """Writes tables, figures and the page of these runs, pictures included."""
        from bench.data.opening import samples_of_runs
        from bench.report import write_report

        read_sample = samples_of_runs(local_path(datasets or usual("datasets")))
        return write_report(
            self.runs, local_path(folder), read_sample=read_sample, allow_partial=True
        )


def evaluate(
    *overrides: str,
    model: Any = "demo",
    dataset: Any = "shapes",
    prompt: Choice = ("point_1", "point_3", "box"),
    protocol: Choice = "sam",
    results: str | Place | None = None,
    limit: int | None = None,
    config_dir: str | Path | None = None,
) -> Evaluation:
    """Runs what is missing of every combination, and gives the mIoU table.

    ``model``, ``dataset``, ``prompt`` and ``protocol`` are names of YAMLs (``sam-bench ls``), one
    or several. ``overrides`` are further words of the command line, such as
    ``"dataset.args.count=20"``. ``results`` is the folder of runs: the same call again reads what
    is there. ``limit`` runs only the first images. ``config_dir`` is a folder of your own YAMLs.

    A model may also be an object: a predictor with ``set_image`` and ``predict``, as
    segment_anything's and SAM 2's, or a ``bench.types.Segmenter``. A dataset may be a list of
    (image, masks), or a torch dataset of such pairs or of dicts
    (``bench.data.items``). ``bench.Given`` names either, and a list has several models.
    Their content is hashed, so that the same call again, also in another process, reads what is
    there. They are in this process alone: there is no ``runtime.devices`` and no Ray with them.

    Raises ``BenchError`` with one line for whatever is missing or doesn't fit.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = evaluate(model="disk", prompt="point_1", limit=2, results=folder)
    >>> list(found.table["prompt"]), found.table["images"].tolist()
    (['1 point'], [2])
    """
    from bench.analysis.selection import select
    from bench.analysis.table import miou_table
    from bench.api.given import choices_of, configs_of
    from bench.config.words import quoted
    from bench.run.forecast.disk_space import check_disk_space
    from bench.run.plan import make_plan
    from bench.run.progress import run_plan

    words = [
        f"protocol={','.join(_several(protocol, 'protocol'))}",
        f"prompt=[{','.join(_several(prompt, 'prompt'))}]",
        f"runtime.results={quoted(results or usual('results'))}",
        *([] if limit is None else [f"runtime.limit={limit}"]),
        *overrides,
    ]
    folder = None if config_dir is None else local_path(config_dir)
    with ExitStack() as here:
        configs, data = configs_of(choices_of(model, dataset), words, folder, here)
        plans = [make_plan(config) for config in configs]
        check_disk_space(plans)
        failed = [error for plan in plans for error in run_plan(plan)]
    stores = {each.store.folder: each.store for plan in plans for each in plan.work.runs.values()}
    partial = any(config.runtime.limit is not None for config in configs)
    selection = select(list(stores.values()), allow_partial=partial)
    table = miou_table(selection, allow_partial=partial)
    return Evaluation(table.lines, tuple(stores.values()), tuple(failed), data)


def read_runs(
    *runs: str | Path,
    results: str | Place | None = None,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """All rows of finished and unfinished runs: one per run, mask and step, sorted.

    ``runs`` are folders, globs over the names in ``results/runs``, or run keys; none means all.
    ``columns`` are names of ``bench.store.runs.SCHEMA``, or of metrics, those that ``rescore``
    added among them; ``run``, ``image_id``, ``mask_id`` and ``step`` come always. IoUs are in
    [0, 1], points (x, y) pixel indices. Raises ``BenchError`` for a pattern that names no run and
    for damaged files.
    """
    stores = find_runs(place(results or usual("results")), [str(run) for run in runs] or ["*"])
    return store.read_runs(stores, columns)


def show_mask(
    run: str | Path,
    mask: str,
    *,
    step: int | None = None,
    image: str | None = None,
    candidate: int | None = None,
    results: str | Place | None = None,
    datasets: str | Path | None = None,
) -> Image:
    """The picture of one mask of a run, with target, prediction and prompt, as a gallery shows it.

    ``run`` is named as in ``read_runs``; ``mask`` is the mask's id, ``image`` its image's, where
    several images have a mask of that id. The row is the latest up to ``step``, by default the
    last. ``candidate`` is one of the model's, from 1, where the run keeps them
    (``runtime.keep_candidates``), by default the chosen one. ``show()`` opens the picture; a
    notebook shows it as it is. Raises ``BenchError`` for what is not there, and for data that has
    changed since the run.
    """
    from bench.data.opening import samples_of_runs
    from bench.report.pictures.gallery import picture_of

    (found, *others) = find_runs(place(results or usual("results")), [str(run)])
    if others:
        raise BenchError(f"{run} names {1 + len(others)} runs; name one of them")
    read_sample = samples_of_runs(local_path(datasets or usual("datasets")))
    return picture_of(found, mask, read_sample, step=step, image_id=image, candidate=candidate)


def compare(
    a: str | Path | Sequence[str | Path],
    b: str | Path | Sequence[str | Path],
    *,
    results: str | Place | None = None,
    **settings: Any,
) -> Comparison:
    """Two sets of runs on the masks that both have; each set is named as in ``read_runs``.

    ``settings`` are those of ``bench.analysis.comparing.comparison.compare``. Raises
    ``BenchError`` where the two can't be compared: other data, other protocols, no mask in common.
    """
    from bench.analysis.comparing.comparison import compare as compare_runs

    sides = [
        find_runs(place(results or usual("results")), [str(n) for n in _listed(side)])
        for side in (a, b)
    ]
    return compare_runs(*sides, **settings)


def _listed(names: str | Path | Sequence[str | Path]) -> list[str | Path]:
    return [names] if isinstance(names, str | Path) else list(names)


def _several(choice: Choice, group: str) -> list[str]:
    names = [choice] if isinstance(choice, str) else list(choice)
    if not names:
        raise BenchError(f"no {group} is chosen")
    return names
