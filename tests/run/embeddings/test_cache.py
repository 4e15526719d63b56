"""Runs behind an embedding cache: the same rows, fewer calls of the encoder, never a wrong hit."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kept_sam import write_weights
from PIL import Image
from safetensors.torch import load, save
from whole_runs import Silent, comparable, configure, execute

from bench.cli import main
from bench.config.composing import RunConfig
from bench.models.sam_segmenter import SamSegmenter
from bench.run.driver import run
from bench.run.embeddings.cache import cache_size
from bench.run.embeddings.files import _checksum
from bench.run.plan import make_plan
from bench.types import BenchError, ImageArray

PROMPTS = "prompt=[point_1,box]"


@pytest.fixture
def folder(coco_folder: Callable[..., Path]) -> Path:
    folder = coco_folder(images=5, masks=2)
    write_weights(folder / "weights.safetensors", seed=1)
    return folder


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[ImageArray]:
    """The images that the encoder was given since."""
    seen: list[ImageArray] = []
    straight = SamSegmenter.embed

    def counted(self: SamSegmenter, images: Sequence[ImageArray]) -> Any:
        seen.extend(images)
        return straight(self, images)

    monkeypatch.setattr(SamSegmenter, "embed", counted)
    return seen


def kept(
    folder: Path,
    *words: str,
    results: str,
    cache: str | None = "cache",
    model: str = "KeptSam",
    **args: Any,
) -> RunConfig:
    config = configure(folder, PROMPTS, *words, results=results)
    config.model.name, config.model.target = "kept", f"kept_sam.{model}"
    config.model.args = {"weights": f"{folder}/weights.safetensors", **args}
    config.runtime.allow_modules = ["kept_sam"]
    config.runtime.embedding_cache = cache and str(folder.parent / cache)
    return config


def files_in(folder: Path) -> list[Path]:
    return sorted((folder.parent / "cache").rglob("*.safetensors"))


@pytest.mark.parametrize("dtype", ["float32", pytest.param("bfloat16", marks=pytest.mark.long)])
def test_rows_are_those_without_a_cache_and_a_second_run_skips_the_encoder(
    folder: Path, embedded: list[ImageArray], dtype: str
) -> None:
    off = comparable(execute(kept(folder, results="off", cache=None, dtype=dtype)))
    assert len(embedded) == 5
    cold = execute(kept(folder, results="cold", dtype=dtype))
    assert len(embedded) == 10
    warm = execute(kept(folder, results="warm", dtype=dtype))
    assert len(embedded) == 10
    assert comparable(cold) == comparable(warm) == off
    told = [plan.work.runs["box"].store.header()["seconds"] for plan in (cold, warm)]
    assert ["embed" in seconds for seconds in told] == [True, False]
    assert all(seconds["cache"] > 0 for seconds in told)


@pytest.mark.long
def test_the_demo_model_another_prompt_and_other_batches_skip_the_encoder(
    folder: Path, embedded: list[ImageArray]
) -> None:
    def demo(*words: str, results: str) -> RunConfig:
        return configure(folder, "model=demo", "runtime.canary=false", *words, results=results)

    cached = f"runtime.embedding_cache={folder.parent}/cache"
    off = comparable(execute(demo("prompt=[point_3]", results="off")))
    execute(demo("prompt=[box]", cached, "runtime.workers=1", results="cold"))
    assert len(embedded) == 10
    words = ["prompt=[point_3]", cached, "runtime.image_batch=3", "runtime.workers=4"]
    assert comparable(execute(demo(*words, results="warm"))) == off
    assert len(embedded) == 10


@pytest.mark.long
def test_several_processes_fill_the_cache_that_one_reads(
    folder: Path, embedded: list[ImageArray]
) -> None:
    off = comparable(execute(kept(folder, results="off", cache=None)))
    words = ["runtime.devices=[cpu,cpu]", "runtime.part_images=2"]
    assert comparable(execute(kept(folder, *words, results="two"))) == off
    assert len(files_in(folder)) == 5
    before = len(embedded)
    assert comparable(execute(kept(folder, results="one"))) == off
    assert len(embedded) == before, "what the processes wrote is what one process asks for"


def test_another_checkpoint_of_the_same_name_is_no_hit(
    folder: Path, embedded: list[ImageArray]
) -> None:
    first = comparable(execute(kept(folder, results="first")))
    write_weights(folder / "weights.safetensors", seed=2)
    second = comparable(execute(kept(folder, results="second")))
    assert len(embedded) == 10
    assert second != first
    assert second == comparable(execute(kept(folder, results="off", cache=None)))


def test_another_image_of_the_same_name_is_no_hit(folder: Path, embedded: list[ImageArray]) -> None:
    first = comparable(execute(kept(folder, results="first")))
    path = folder / "images" / "002.png"
    pixels = np.array(Image.open(path))
    pixels[7, 9] ^= 255
    Image.fromarray(pixels).save(path)
    second = comparable(execute(kept(folder, results="second")))
    assert [np.array_equal(image, pixels) for image in embedded[5:]] == [True]
    assert second != first
    assert second == comparable(execute(kept(folder, results="off", cache=None)))


def test_the_same_bytes_in_another_shape_are_no_hit(
    coco_folder: Callable[..., Path], embedded: list[ImageArray]
) -> None:
    folder = coco_folder(images=1, masks=1, size=(48, 64))
    write_weights(folder / "weights.safetensors", seed=1)
    document = json.loads((folder / "annotations.json").read_text())
    for results, (height, width) in {"wide": (48, 64), "tall": (64, 48)}.items():
        Image.new("RGB", (width, height)).save(folder / "images" / "000.png")
        document["images"][0] |= {"height": height, "width": width}
        document["annotations"][0]["segmentation"] = [[2, 2, 20, 2, 20, 20, 2, 20]]
        (folder / "annotations.json").write_text(json.dumps(document))
        execute(kept(folder, results=results))
    assert [image.shape[:2] for image in embedded] == [(48, 64), (64, 48)]


def test_another_precision_version_or_number_of_threads_is_no_hit(
    folder: Path, embedded: list[ImageArray], monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(kept(folder, results="first"))
    execute(kept(folder, results="second", dtype="bfloat16"))
    assert len(embedded) == 10
    config = kept(folder, results="third")
    config.model.version = "2"
    execute(config)
    assert len(embedded) == 15
    monkeypatch.setattr("bench.models.numerics.torch.get_num_threads", lambda: 7)
    execute(kept(folder, results="fourth"))
    assert len(embedded) == 20
    assert len(files_in(folder)) == 20


def test_other_code_of_the_model_is_no_hit(
    folder: Path, embedded: list[ImageArray], monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("VALUE = 1", "VALUE = 2", "VALUE = 1"):
        (folder / "own_sam.py").write_text(f"import kept_sam\n{version}\n\n\n{_OWN}")
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, "own_sam", raising=False)
        config = kept(folder, results=f"results {len(embedded)}")
        config.model.target = "own_sam.OwnSam"
        config.runtime.allow_modules = ["own_sam"]
        execute(config)
    assert len(embedded) == 10


_OWN = """
class OwnSam(kept_sam.KeptSam):
    pass
"""


def test_another_name_of_model_and_image_is_a_hit(folder: Path, embedded: list[ImageArray]) -> None:
    execute(kept(folder, results="first"))
    document = json.loads((folder / "annotations.json").read_text())
    for entry in document["images"]:
        new = f"renamed_{entry['file_name']}"
        (folder / "images" / entry["file_name"]).rename(folder / "images" / new)
        entry["file_name"] = new
    (folder / "annotations.json").write_text(json.dumps(document))
    config = kept(folder, results="second")
    config.model.name = "other"
    execute(config)
    assert len(embedded) == 5


def test_damaged_files_are_said_embedded_again_and_mended(
    folder: Path, embedded: list[ImageArray], caplog: pytest.LogCaptureFixture
) -> None:
    first = comparable(execute(kept(folder, results="first")))
    flipped, cut, swapped, _, kept_whole = files_in(folder)
    content = bytearray(flipped.read_bytes())
    content[-100] ^= 4
    flipped.write_bytes(content)
    cut.write_bytes(cut.read_bytes()[:3000])
    swapped.write_bytes(kept_whole.read_bytes())
    assert comparable(execute(kept(folder, results="second"))) == first
    assert len(embedded) == 5 + 3
    assert caplog.text.count(": damaged (") == 3
    assert comparable(execute(kept(folder, results="third"))) == first
    assert len(embedded) == 5 + 3


def test_a_full_cache_keeps_what_it_has_and_the_run_goes_on(
    folder: Path, embedded: list[ImageArray], caplog: pytest.LogCaptureFixture
) -> None:
    first = comparable(execute(kept(folder, results="off", cache=None)))
    words = ["runtime.embedding_cache_gb=0.00003", "runtime.workers=1"]
    assert comparable(execute(kept(folder, *words, results="cold"))) == first
    some = files_in(folder)
    assert 0 < len(some) < 5
    assert sum(path.stat().st_size for path in some) <= 30_000
    assert comparable(execute(kept(folder, *words, results="warm"))) == first
    assert len(embedded) == 5 + 5 + 5 - len(some)
    assert files_in(folder) == some
    assert caplog.text.count("is full (3e-05 GB") == 2, "once a run"


_LIMITED = """
import resource, sys
from bench.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.long
def test_a_disk_that_takes_no_more_is_said_once_and_the_run_goes_on(folder: Path) -> None:
    """Files of the demo's embeddings are larger than the system lets this process write."""
    words = ["run", "model=demo", "dataset=coco", "prompt=[box]", "runtime.device=cpu",
             f"dataset.args.annotations={folder}/annotations.json",
             f"dataset.args.images={folder}/images", f"runtime.results={folder.parent}/results",
             f"runtime.embedding_cache={folder.parent}/cache"]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("cannot be written to") == 1
    assert "File too large" in done.stderr
    assert not [path for path in (folder.parent / "cache").rglob("*") if path.is_file()]


def test_a_folder_in_the_way_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["model=demo", "dataset=photos", "prompt=[box]", f"runtime.results={folder.parent}/r"]
    cache = f"runtime.embedding_cache={folder}/annotations.json"
    assert main(["run", *words, cache]) == 2
    said = capsys.readouterr().err
    assert "annotations.json cannot be made" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("model", ["disk", "grabcut", "random_walker"])
def test_a_model_without_a_checkpoint_is_refused_before_the_run(folder: Path, model: str) -> None:
    cached = f"runtime.embedding_cache={folder.parent}/cache"
    with pytest.raises(BenchError, match=rf"model {model} .*cannot keep embeddings.*=null"):
        make_plan(configure(folder, f"model={model}", "prompt=[box]", cached))
    assert not (folder.parent / "results").exists()


def test_a_model_that_cannot_tell_its_weights_is_refused_before_the_first_image(
    folder: Path, embedded: list[ImageArray]
) -> None:
    config = kept(folder, "runtime.canary=false", results="nameless", model="Nameless")
    with pytest.raises(BenchError, match="Nameless does not know the hash of its weights"):
        execute(config)
    assert not embedded


def test_the_size_is_told_before_the_run(folder: Path) -> None:
    assert cache_size(make_plan(kept(folder, results="r", cache=None))) is None
    before = cache_size(make_plan(kept(folder, "runtime.limit=2", results="r")))
    assert before is not None
    assert (before.files, before.size, before.images) == (0, 0, 2)
    assert (before.image_size, before.most_added) == (8192, 16384)
    execute(kept(folder, "runtime.limit=2", results="r"))
    after = cache_size(make_plan(kept(folder, results="r")))
    assert after is not None
    assert (after.files, after.images) == (2, 3)
    assert after.size == sum(path.stat().st_size for path in files_in(folder))
    assert before.image_size * 2 < after.size < before.image_size * 2 + 2 * 4000
    words = after.words()
    assert f"{folder.parent / 'cache'} holds 2 embeddings" in words
    assert "3 images to do of 0.0 MB each" in words
    assert "bound 20 GB" in words
    small = cache_size(make_plan(kept(folder, "runtime.embedding_cache_gb=1e-5", results="r")))
    assert small is not None
    assert small.words().endswith("not all of them fit, the first do")


def test_the_command_tells_the_size(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["model=demo", "dataset=photos", "prompt=[box]", "runtime.limit=1"]
    paths = [f"runtime.results={folder.parent}/r", f"runtime.embedding_cache={folder.parent}/c"]
    assert main(["run", *words, *paths]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "embedding cache:" in line]
    assert len(said) == 1
    assert "1 images to do of 0.4 MB each" in said[0]
    assert main(["run", *words, *paths]) == 0
    assert "embedding cache" not in capsys.readouterr().err, "nothing is to do"


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("runtime.embedding_cache_gb=0", "embedding_cache_gb must be a number"),
        ("runtime.embedding_cache_gb=-1.5", "embedding_cache_gb must be a number"),
        ("runtime.embedding_cache_gb=nan", "embedding_cache_gb must be a number"),
        ("runtime.embedding_cache=s3://bucket/x", "embedding_cache must be a folder"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(folder: Path, word: str, says: str) -> None:
    with pytest.raises(BenchError, match=says):
        configure(folder, word)


def test_an_embedding_that_is_no_number_is_neither_kept_nor_taken(
    folder: Path, embedded: list[ImageArray], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = kept(folder, results="first")
    execute(config)
    for path in files_in(folder)[:2]:  # as an earlier release may have kept them
        tensors, said = load(path.read_bytes()), parse_json_header(path)
        tensors = {name: tensor.clone() for name, tensor in tensors.items()}
        tensors["features"].view(-1)[3] = float("nan")
        said["checksum"] = _checksum(tensors, said["strides"])
        path.write_bytes(save(tensors, said))
    sound = comparable(execute(kept(folder, results="first")))
    assert comparable(execute(kept(folder, results="second"))) == sound
    assert len(embedded) == 5 + 2
    straight = SamSegmenter.embed

    def broken(self: SamSegmenter, images: Sequence[ImageArray]) -> Any:
        made = straight(self, images)
        return [replace(one, features=one.features * float("nan")) for one in made]

    monkeypatch.setattr(SamSegmenter, "embed", broken)
    plan = make_plan(kept(folder, results="third", cache="empty"))
    errors = run(plan, Silent())
    assert len(errors) == 5
    assert all("NaN or infinite" in error.reason for error in errors)
    assert list((folder.parent / "empty").rglob("*.safetensors")) == []


def parse_json_header(path: Path) -> dict[str, str]:
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    said: dict[str, str] = json.loads(data[8 : 8 + size])["__metadata__"]
    return said
