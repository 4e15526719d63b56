"""Runs as the bench writes them, from drawn pictures and predictions of a chosen quality."""

from dataclasses import dataclass, field
from functools import cache

import cv2
import numpy as np
import pytest

from bench.config.run_key import run_name
from bench.store.runs import RunStore
from bench.types import BenchError, Mask, MaskRow, Sample, Target

REPORT_STEPS = {
    "points": {"1": "1 point", "2": "2 points", "3": "3 points", "5": "5 points", "9": "9 points"},
    "point_1": {"1": "1 point"},
    "point_3": {"3": "3 points"},
    "box": {"1": "box"},
    "given": {"1": "given masks"},
}


def smooth_noise(rng, shape, cell):
    coarse = rng.normal(size=(shape[0] // cell + 3, shape[1] // cell + 3))
    return cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)


def signed_distance(dense):
    inside = cv2.distanceTransform(dense.astype(np.uint8), cv2.DIST_L2, 5)
    outside = cv2.distanceTransform((~dense).astype(np.uint8), cv2.DIST_L2, 5)
    return inside - outside


def make_sample(image_id, seed, shape=(120, 168), objects=4, category="leaf"):
    """A textured picture with blobs; non-square, some blobs touch the border."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(90, 200, 3)
    image = ground + 14 * smooth_noise(rng, shape, 12)[..., None] + rng.normal(0, 5, (*shape, 3))
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    targets = []
    for number in range(objects):
        radius = rng.uniform(0.05, 0.2) * min(shape)
        cy, cx = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        angle = np.arctan2(yy - cy, xx - cx)
        edge = radius * (1 + 0.3 * np.cos(3 * angle + number) + 0.15 * np.cos(5 * angle))
        dense = np.hypot(yy - cy, xx - cx) <= edge + 1
        colour = rng.integers(0, 255, 3)
        image[dense] = 0.25 * image[dense] + 0.75 * colour
        targets.append(Target(f"{image_id}/{number}", Mask.from_dense(dense), category))
    return Sample(image_id, image.clip(0, 255).astype(np.uint8), targets)


def make_samples(name, count, seed=0, **kind):
    """Pictures ``<name>_000`` and so on; each has its own seed and 2 to 6 objects."""
    return [
        make_sample(f"{name}_{i:03d}", seed + i, objects=2 + (seed + i) % 5, **kind)
        for i in range(count)
    ]


def predict(rng, target, amplitude):
    """The target with its outline moved by smooth noise of about ``amplitude`` of its size."""
    dense = target.mask.dense()
    size = max(2.0, np.sqrt(target.mask.area))
    noise = smooth_noise(rng, dense.shape, max(3, int(size / 3))) + 0.6 * rng.normal()
    return signed_distance(dense) + amplitude * size * noise > 0


def iou(a, b):
    return float((a & b).sum() / max(1, (a | b).sum()))


def clicked(points, labels, dense, prediction):
    """One more click: at the centre of the larger of the missed and the wrongly found region."""
    regions = (dense & ~prediction, 1), (prediction & ~dense, 0)
    region, label = max(regions, key=lambda pair: pair[0].sum())
    depth = cv2.distanceTransform(np.pad(region, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return [*points, [float(x), float(y)]], [*labels, label]


def make_rows(sample, dataset, model, prompt, protocol, skill, seed, keep_masks=True,
              keep_candidates=False):  # fmt: skip
    """The rows of one image: ``skill`` about 1 is good, above 2 better."""
    rows = []
    for number, target in enumerate(sample.targets):
        rng = np.random.default_rng([seed, number, *f"{sample.image_id}{model}".encode()])
        dense = target.mask.dense()
        hard = np.random.default_rng([seed, number, *sample.image_id.encode()]).gamma(2, 0.35)
        box = [float(v) for v in target.mask.box] if prompt == "box" else None
        points, labels, mask = [], [], np.zeros_like(dense)
        for step in range(1, max(map(int, REPORT_STEPS[prompt])) + 1):
            if (mask == dense).all():
                break  # nothing is left to correct
            if box is None:
                points, labels = clicked(points, labels, dense, mask)
            amplitude = 0.3 * hard / (skill * step**0.6 * (1.6 if box else 1))
            several = step == 1 and box is None
            candidates = [predict(rng, target, amplitude) for _ in range(3 if several else 1)]
            ious = [iou(dense, candidate) for candidate in candidates]
            predicted = [float(np.clip(v + rng.normal(0.04, 0.08), 0, 1.05)) for v in ious]
            selected = int(np.argmax(predicted))
            mask = candidates[selected]
            rows.append(
                MaskRow(
                    dataset=dataset, image_id=sample.image_id, mask_id=target.mask_id,
                    category=target.category, attributes={}, height=sample.shape[0],
                    width=sample.shape[1], area=target.mask.area, model=model, prompt=prompt,
                    protocol=protocol, step=step, n_points=len(points), point_coords=points,
                    point_labels=labels, box=box, iou=ious[selected], iou_oracle=max(ious),
                    ious=ious, predicted_ious=predicted, selected=selected, multimask=several,
                    mask_rle=Mask.from_dense(mask).to_rle() if keep_masks else None,
                    candidate_rles=[Mask.from_dense(each).to_rle() for each in candidates]
                    if keep_candidates else None,
                    metrics={"boundary_iou": ious[selected] ** 1.7},
                )
            )  # fmt: skip
    return rows


@cache
def draw(count, kind, runs):
    """Samples, and the rows of each; tests ask for the same ones over and over."""
    samples = make_samples(count=count, **dict(kind))
    for sample in samples:
        sample.image.flags.writeable = False
    return samples, [make_rows(sample, **dict(runs)) for sample in samples]


@dataclass
class Bench:
    """A results folder to fill with runs, and the pictures that the runs saw."""

    results: object
    samples: dict = field(default_factory=dict)

    def run(self, dataset="shapes", model="sam_b", prompt="points", *, protocol="sam", images=8,
            skill=1.0, seed=0, key=None, rows=None, title=None, keep_masks=True, shape=(120, 168),
            category="leaf", dataset_title=None, keep_candidates=False, **header):  # fmt: skip
        """A finished run; ``rows`` replaces the drawn ones, ``header`` the header's entries."""
        key = key or f"{dataset}{model}{prompt}{protocol}".encode().hex()[-12:]
        store = RunStore.create(self.results, run_name(dataset, model, prompt, key))
        if rows is None:
            kind = {"name": dataset, "seed": seed, "shape": shape, "category": category}
            asked = {"dataset": dataset, "model": model, "prompt": prompt, "protocol": protocol,
                     "skill": skill, "seed": seed, "keep_masks": keep_masks,
                     "keep_candidates": keep_candidates}  # fmt: skip
            samples, rows = draw(images, tuple(kind.items()), tuple(asked.items()))
            self.samples |= {(dataset, sample.image_id): sample for sample in samples}
            for sample, made in zip(samples, rows, strict=True):
                store.write_part(made, [sample.image_id])
        else:
            store.write_part(rows, sorted({row.image_id for row in rows}))
        parts = {"dataset": dataset, "model": model, "prompt": prompt, "protocol": protocol}
        whole = {kind: {"name": n, "version": 1, "args": {}} for kind, n in parts.items()}
        whole["model"]["about"] = {"title": title or model}
        whole["dataset"]["about"] = {"title": dataset_title or dataset}
        whole |= {
            "schema_version": 1, "key": key, "name": store.folder.name, "seed": 0,
            "report_steps": REPORT_STEPS[prompt], "status": "complete", "images": images,
            "images_done": len(store.content().images), "images_failed": 0,
            "seconds": {"load": 2.1, "read": 1.2, "wait": 0.1, "embed": 31.5,
                        "prompt": 2.5, "predict": 14.1, "score": 3.3, "write": 0.4, "total": 55.0},
            "versions": {"python": "3.11.4", "torch": "2.4.0"}, "device": "cpu",
            "git": {"commit": "0123456789abcdef", "dirty": False},
            "dataset_fingerprint": f"{dataset}-1", "skipped": {"crowd": 0, "empty": 0},
        }  # fmt: skip
        store.write_header(whole | header)
        return store

    def read_sample(self, store, image_id):
        """What the caller of a report would inject."""
        try:
            return self.samples[store.header()["dataset"]["name"], image_id]
        except KeyError:
            raise BenchError(f"{image_id}: no such image") from None


MODELS = {"zeta": "A model", "alpha": "The other", "mid": "The other"}
DATASETS = {"nuclei": "Zooplankton", "shapes": "Amoebae"}
LABELS = {"zeta": "A model", "alpha": "alpha", "mid": "mid"}
"""What the models are called: by name where a title is not theirs alone."""


def in_no_order(bench, images=3):
    """Runs whose models, datasets, titles, prompts, keys and folders are ordered in as many ways.

    Two models have one title, and no model has all prompts: no place stands for a name. The runs of
    one model keep all candidates.
    """
    skills = {"zeta": (1.0, "3a"), "alpha": (2.5, "b2"), "mid": (0.6, "c1")}
    keys = {"points": "0", "box": "9", "point_3": "5"}
    lacking = {("alpha", "point_3"), ("zeta", "points"), ("mid", "point_3")}
    return [
        bench.run(d, model, prompt, images=images, seed=len(d), skill=skill, key=f"{key}{end}",
                  title=MODELS[model], dataset_title=DATASETS[d],
                  keep_candidates=model == "alpha")
        for d in DATASETS
        for model, (skill, key) in skills.items()
        for prompt, end in keys.items()
        if (model, prompt) not in lacking
    ]  # fmt: skip


@pytest.fixture(scope="session")
def new_bench():
    """A function that makes an empty bench in a results folder."""
    return Bench


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path / "results")


@pytest.fixture(scope="session")
def make_row():
    """A function that makes one row of a 6×8 picture; what matters is given by name."""

    def make(**given):
        iou = given.get("iou", 0.5)
        made = {
            "dataset": "shapes", "image_id": "i", "mask_id": "m", "category": None,
            "attributes": {}, "height": 6, "width": 8, "area": 4, "model": "sam_b",
            "prompt": "point_1", "protocol": "sam", "step": 1, "n_points": 1,
            "point_coords": [[1.0, 1.0]], "point_labels": [1], "box": None, "iou": iou,
            "iou_oracle": iou, "ious": [iou], "predicted_ious": [0.9], "selected": 0,
            "multimask": False, "mask_rle": None,
            "metrics": {"boundary_iou": given.pop("boundary_iou", 0.3)},
        }  # fmt: skip
        return MaskRow(**(made | given))

    return make


@pytest.fixture
def row(make_row):
    """``make_row``, for a test."""
    return make_row
