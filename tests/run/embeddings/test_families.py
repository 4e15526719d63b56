"""Transformers' and exported models behind the cache: the same rows, never a wrong hit."""

import json
import shutil
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_sam import build_small_sam
from tiny_transformers import SIDES, write_tiny
from whole_runs import comparable, configure, execute

from bench.models import numerics
from bench.models.exported import Exported
from bench.models.exporting import export_sam
from bench.models.transformers_sam import TransformersSam
from bench.types import Site

TRANSFORMERS = "bench.models.transformers_sam.TransformersSam"
EXPORTED = "bench.models.exported.Exported"
pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="transformers needs Python 3.11")

SITE = Site(download=False)
FAST = ("sam2", "exported")


@pytest.fixture
def embedded(monkeypatch):
    """How many images the encoders were given."""
    seen = []
    for model in (TransformersSam, Exported):
        straight = model.embed

        def counted(self, images, straight=straight):
            seen.extend(images)
            return straight(self, images)

        monkeypatch.setattr(model, "embed", counted)
    return seen


@pytest.fixture
def run(coco_folder, tmp_path):
    """Runs a model; of the rows, exact to the bit."""
    folder = coco_folder(images=2, masks=2)

    def rows(results, target, args, *, cache=True):
        words = ["prompt=[point_3,box]", "runtime.allow_degenerate='random weights'"]
        config = configure(folder, *words, results=results)
        config.model.name, config.model.target, config.model.args = "kept", target, args
        config.runtime.embedding_cache = str(tmp_path / "cache") if cache else None
        return comparable(execute(config))

    return rows


def of_folder(arch, folder, **more):
    return {"arch": arch, "repository": None, "revision": None, "folder": str(folder), **more}


@pytest.mark.parametrize(
    "kind",
    [name if name in FAST else pytest.param(name, marks=pytest.mark.long)
     for name in (*SIDES, "exported", "onnx")],
)  # fmt: skip
def test_rows_are_those_without_a_cache_and_a_second_run_skips_the_encoder(
    kind, run, embedded, tmp_path
):
    if kind in SIDES:
        target, args = TRANSFORMERS, of_folder(kind, write_tiny(kind, tmp_path / "weights"))
    else:
        written = "onnx" if kind == "onnx" else "torchscript"
        target, args = EXPORTED, export_sam(build_small_sam(), tmp_path / "graphs", written)
    off = run("off", target, args, cache=False)
    before = len(embedded)
    assert run("cold", target, args) == off
    cold = len(embedded) - before
    assert run("warm", target, args) == off
    # An exported one asks its encoder once as it is loaded.
    assert len(embedded) - before - cold == cold - 2
    assert len(list((tmp_path / "cache").rglob("*.safetensors"))) == 2


@pytest.mark.long
def test_other_weights_precision_libraries_and_choices_are_no_hit(
    run, embedded, tmp_path, monkeypatch
):
    folder = write_tiny("sam2", tmp_path / "weights")

    def misses(results, **more):
        before = len(embedded)
        run(results, TRANSFORMERS, of_folder("sam2", folder, **more))
        return len(embedded) - before

    assert misses("first") == 2
    moved = shutil.copytree(folder, tmp_path / "elsewhere")
    folder = moved
    assert misses("moved") == 0, "the place of equal files is nothing"
    assert misses("bfloat16", dtype="bfloat16") == 2
    version = numerics._version
    for library in ("transformers", "torchvision"):
        with monkeypatch.context() as patched:
            patched.setattr(
                numerics,
                "_version",
                lambda name, other=library: "0.0.1" if name == other else version(name),
            )
            assert misses(f"another {library}") == 2
    said = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(said | {"note": "another revision"}))
    assert misses("configuration") == 2
    state = load_file(folder / "model.safetensors")
    name = next(name for name in state if name.startswith("vision_encoder"))
    state[name] += 1e-3
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    assert misses("weights") == 2
    assert misses("again") == 0


@pytest.mark.long
def test_edgetams_own_library_counts(run, tmp_path, monkeypatch):
    model = TransformersSam(
        **of_folder("edgetam", write_tiny("edgetam", tmp_path / "w")), site=SITE
    )
    assert {"timm", "transformers", "torch"} <= set(model.embedding_identity())


@pytest.mark.long
def test_another_encoder_or_mean_of_an_export_is_no_hit(run, embedded, tmp_path):
    sam = build_small_sam()
    args = export_sam(sam, tmp_path / "one", "torchscript")
    asked = len(embedded)
    run("first", EXPORTED, args)
    alone = len(embedded) - asked
    with torch.no_grad():
        sam.image_encoder.neck[0].weight += 0.01
    encoder = export_sam(sam, tmp_path / "two", "torchscript")["encoder"]
    for results, more in {"encoder": {"encoder": encoder}, "mean": {"mean": [1, 2, 3]}}.items():
        asked = len(embedded)
        run(results, EXPORTED, args | more)
        assert len(embedded) - asked == alone
    asked = len(embedded)
    run("again", EXPORTED, args)
    assert len(embedded) - asked == alone - 2
