"""What ``benchmarks/run.py`` measures: a model and pictures, as words of ``sam-bench run``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from host_cost import write_answers
from pictures import coco_files, write_pictures
from segment_anything import sam_model_registry

from bench.data.readers.coco import Coco
from bench.types import BenchError, Site


@dataclass(frozen=True, slots=True)
class Case:
    """What is run: the words of ``sam-bench run`` that choose model and images."""

    name: str
    about: str
    words: Callable[[Path, argparse.Namespace], list[str]]


def _shapes(folder: Path, chosen: argparse.Namespace) -> list[str]:
    return ["model=demo", "dataset=shapes", f"dataset.args.count={chosen.scenes}"]


def _nuts(folder: Path, chosen: argparse.Namespace) -> list[str]:
    if chosen.nuts is None:
        raise BenchError("--nuts names no folder with trainval.json and images/")
    return ["model=demo", "dataset=coco", *coco_files(chosen.nuts.resolve(), "trainval.json")]


def _large(height: int, width: int, pictures: int) -> Callable[..., list[str]]:
    def words(folder: Path, chosen: argparse.Namespace) -> list[str]:
        write_pictures(folder, [(height, width)] * pictures, [chosen.objects] * pictures)
        return ["model=demo", "dataset=coco", *coco_files(folder)]

    return words


def _vit(arch: str, objects: Sequence[int] = ()) -> Callable[..., list[str]]:
    """Pictures of so many objects each, or as many of seven as are asked for."""

    def words(folder: Path, chosen: argparse.Namespace) -> list[str]:
        counts = objects or (7,) * chosen.pictures
        write_pictures(folder, [(768, 1024)] * len(counts), counts)
        torch.manual_seed(0)
        weights = folder / f"{arch}.pth"
        torch.save(sam_model_registry[arch]().state_dict(), weights)
        return [
            f"model=sam_{arch}",
            f"model.args.checkpoint={weights}",
            f"model.name=random_{arch}",
            "dataset=coco",
            *coco_files(folder),
        ]

    return words


def known(other: Callable[..., list[str]], target: str) -> Callable[..., list[str]]:
    """Another case's model and pictures, whose answers are as real models give them."""

    def words(folder: Path, chosen: argparse.Namespace) -> list[str]:
        given = other(folder, chosen)
        args = dict(word.split("=", 1) for word in given if word.startswith("dataset.args."))
        reader = Coco(
            annotations=args["dataset.args.annotations"],
            images=args["dataset.args.images"],
            site=Site(),
        )
        write_answers(reader, folder / "answers")
        return [
            *given,
            f"model.target={target}",
            f"model.args.answers={folder / 'answers'}",
            f"runtime.allow_modules=[{target.partition('.')[0]}]",
        ]

    return words


CASES = (
    Case("demo_shapes", "demo, embedded scenes", _shapes),
    Case("demo_nuts", "demo, photos of 800 x 600", _nuts),
    Case("demo_sa1b", "demo, 2250 x 1500 with objects from tiny to large", _large(1500, 2250, 2)),
    Case("demo_large", "demo, 4000 x 3000 with objects from tiny to large", _large(3000, 4000, 1)),
    Case("vit_b", "ViT-B of random weights, 1024 x 768", _vit("vit_b", (40, 24, 24, 8))),
    Case(
        "vit_b_known",
        "ViT-B of random weights, 1024 x 768, answers as real ones",
        known(_vit("vit_b"), "known_answers.KnownSam"),
    ),
    Case(
        "vit_l_known",
        "ViT-L of random weights, 1024 x 768, answers as real ones",
        known(_vit("vit_l"), "known_answers.KnownSam"),
    ),
    Case(
        "vit_h_known",
        "ViT-H of random weights, 1024 x 768, answers as real ones",
        known(_vit("vit_h"), "known_answers.KnownSam"),
    ),
    Case("vit_l", "ViT-L of random weights, 1024 x 768", _vit("vit_l")),
    Case("vit_h", "ViT-H of random weights, 1024 x 768", _vit("vit_h")),
)
NEED_GPU = ("vit_b_known", "vit_l_known", "vit_h_known", "vit_l", "vit_h")
