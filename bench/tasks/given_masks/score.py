"""Scores masks that another tool predicted against a dataset's truth, as a run like any other."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from bench.config.component import Part, load_class
from bench.config.composing import RunConfig, run_key
from bench.data.opening import open_dataset, pin_dataset
from bench.files.places import local_side, place
from bench.protocol import Protocol, chosen
from bench.scoring.metrics import boundary_iou, iou
from bench.store import provenance
from bench.store.lock import Fence, hold
from bench.store.runs import SCHEMA_VERSION, ImageError, RunStore, run_name
from bench.tasks.given_masks.matching import RULES, match
from bench.tasks.given_masks.predictions import Given, Predictions, read_predictions
from bench.types import BenchError, Mask, Reader, Row, Sample, Target

log = logging.getLogger(__name__)

TASK = "given_masks"


@dataclass(frozen=True, slots=True)
class Scored:
    """The run that was written, and the images of the dataset that could not be read."""

    store: RunStore
    failed: tuple[ImageError, ...]


def score_given(
    config: RunConfig, path: Path, *, model: str, kind: str | None = None, rule: str = "id"
) -> Scored:
    """Scores the masks in ``path`` and writes them as a run of a model called ``model``.

    ``kind`` is the files' format (``bench.tasks.given_masks.predictions``), ``rule`` how
    predictions find their targets (``bench.tasks.given_masks.matching``). A target without a
    prediction has IoU 0, and the run's notes say how many there are. Of ``config`` the dataset,
    the protocol (which targets count) and the folders matter. Raises ``BenchError``, and nothing
    is written, for predictions that don't fit.
    """
    chosen(RULES, rule, "matching")
    if config.runtime.limit is not None:
        raise BenchError("score takes the whole dataset: leave runtime.limit out")
    allowed = config.runtime.allow_modules
    site = config.runtime.reading_site()
    manifests = local_side(place(config.runtime.results)).expanduser() / "manifests"
    reader = open_dataset(config.dataset, site, allowed, manifests=manifests)
    config = replace(config, dataset=pin_dataset(config.dataset, site))
    protocol: Protocol = load_class(config.protocol, allowed, "protocol")(**config.protocol.args)
    ids = list(reader.ids())
    given = read_predictions(path, kind, ids)
    args = {"predictions": _hash(path), "match": rule}
    part = Part(model, "1", "given", args, {"title": model, "what": f"masks given in {path.name}"})
    made = _Rows(config.dataset.name, model, config.protocol.name, protocol, rule, given)
    rows: list[Row] = []
    failed: list[ImageError] = []
    for image_id in ids:
        try:
            sample = reader.read(image_id)
        except (BenchError, ValueError, OSError) as error:
            failed.append(ImageError(image_id, str(error)))
            continue
        rows += made.of(sample)
    if made.homeless and not failed:
        raise BenchError(f"{next(iter(made.homeless.values())).where}: no such target")
    if not rows:
        why = f"; {failed[0].image_id}: {failed[0].reason}" if failed else ""
        raise BenchError(f"{config.dataset.name}: no target to score{why}")
    store = _write(config, part, reader, rows, made, ids, failed)
    return Scored(store, tuple(failed))


class _Rows:
    """Makes the rows of one image after the other, and counts what must be said of them."""

    def __init__(
        self,
        dataset: str,
        model: str,
        protocol_name: str,
        protocol: Protocol,
        rule: str,
        given: Predictions,
    ) -> None:
        self.rule = rule
        self._names = {"dataset": dataset, "model": model, "protocol": protocol_name}
        self._protocol, self._given = protocol, given
        self.skipped: Counter[str] = Counter()
        self.homeless = {one.names[0]: one for one in given.get("", ())}
        self.predictions = sum(map(len, given.values()))
        self.used = self.missing = self.masks = 0

    def of(self, sample: Sample) -> list[Row]:
        """The rows of the targets that count."""
        targets, skipped = self._protocol.sort_out(sample.targets)
        self.skipped.update(skipped)
        given = [*self._given.get(sample.image_id, ()), *self._found_by_name(sample)]
        # A prediction for a target that doesn't count is no mistake; it may only be chosen for
        # its name, never for how well it fits.
        among = targets if self.rule == "best" else sample.targets
        cut = [_without(target, sample) for target in among]
        answers = match(self.rule, given, cut)
        self.masks += len(targets)
        self.used += len({a.where for i, a in answers.items() if i in {t.mask_id for t in targets}})
        rows = []
        for target in targets:
            answer = answers.get(target.mask_id)
            self.missing += answer is None
            empty = Mask.from_dense(target.mask.dense() & False)
            mask = empty if answer is None else answer.mask
            score = None if answer is None else answer.score
            rows.append(self._row(sample, target, mask, score))
        return rows

    def _found_by_name(self, sample: Sample) -> Iterable[Given]:
        found = [self.homeless.pop(target.mask_id, None) for target in sample.targets]
        return [one for one in found if one is not None]

    def _row(self, sample: Sample, target: Target, mask: Mask, score: float | None) -> Row:
        truth = _without(target, sample).mask
        if sample.ignore is not None:
            mask = Mask.from_dense(mask.dense() & ~sample.ignore)
        value = iou(mask, truth)
        return Row(
            **self._names,
            prompt="given",
            image_id=sample.image_id,
            mask_id=target.mask_id,
            category=target.category,
            attributes=target.attributes,
            height=sample.shape[0],
            width=sample.shape[1],
            area=target.mask.area,
            step=1,
            n_points=0,
            point_coords=[],
            point_labels=[],
            box=None,
            iou=value,
            iou_oracle=value,
            ious=[value],
            predicted_ious=[] if score is None else [score],
            selected=0,
            multimask=False,
            boundary_iou=boundary_iou(mask, truth),
            mask_rle=mask.to_rle(),
        )

    def notes(self, model: str) -> list[str]:
        """What must stand in every caption."""
        notes = []
        if self.rule == "best":
            notes.append(
                f"{model}: each target is scored by the given mask that overlaps it most "
                "(oracle matching)."
            )
        if self.missing:
            notes.append(
                f"{model}: {self.missing} of {self.masks} targets have no mask given and count as "
                "IoU 0."
            )
        if unused := self.predictions - self.used:
            notes.append(f"{model}: {unused} of {self.predictions} given masks answer no target.")
        return notes


def _without(target: Target, sample: Sample) -> Target:
    """The target less the pixels that count in no score."""
    if sample.ignore is None:
        return target
    return replace(target, mask=Mask.from_dense(target.mask.dense() & ~sample.ignore))


def _write(
    config: RunConfig,
    model: Part,
    reader: Reader,
    rows: list[Row],
    made: _Rows,
    ids: list[str],
    failed: list[ImageError],
) -> RunStore:
    """The run's folder, written in one go; the same again is left as it is."""
    prompt = Part("given", "1", "given")
    identity = {"model": model, "dataset": config.dataset, "protocol": config.protocol}
    key = run_key(task=TASK, seed=0, prompt=prompt, **identity)
    results = place(config.runtime.results).expanduser()
    store = RunStore.create(results, run_name(config.dataset.name, model.name, prompt.name, key))
    with hold([store.folder]) as token:
        store = store.under(Fence(store.folder, token))
        for words in store.mend():
            log.warning("%s", words)
        lost = {error.image_id for error in failed}
        done = [image_id for image_id in ids if image_id not in lost]
        fingerprint = reader.fingerprint(done)
        before = store.contents()
        if any(c.fingerprint != fingerprint or set(c.images) != set(done) for c in before):
            raise BenchError(
                f"{store.folder}: dataset {config.dataset.name} has changed since this was scored; "
                "bring the old data back, or raise its version in the YAML"
            )
        if not before:
            store.write_part(rows, done, made.skipped, fingerprint)
        store.write_errors(failed)
        label = "given masks, best match" if made.rule == "best" else "given masks"
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        header: Mapping[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "name": store.folder.name,
            "key": key,
            "task": TASK,
            "seed": 0,
            **{name: asdict(part) for name, part in identity.items()},
            "prompt": asdict(prompt),
            "report_steps": {"1": label},
            "status": "complete",
            "images": len(ids),
            "images_done": len(done),
            "images_failed": len(failed),
            "masks": made.masks,
            "skipped": dict(made.skipped),
            "notes": made.notes(model.name),
            "dataset_fingerprint": reader.fingerprint(),
            "seconds": {},
            "device": "none",
            "facts": {},
            "versions": provenance.versions(),
            "git": provenance.commit(),
            "machine": provenance.machine(),
            "created": store.header().get("created", now),
            "finished": now,
        }
        store.write_header(header)
    return store


def _hash(path: Path) -> str:
    """A hash of a file, or of the names and contents of a folder's files."""
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
    digest = hashlib.sha256()
    for file in files:
        name = file.relative_to(path).as_posix()
        digest.update(f"{name}\t{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()
