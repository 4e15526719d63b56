"""A given mask is taken by every model that is fed its own logits back, by one rule."""

import numpy as np
import pytest
import torch
from small_sam import build_small_sam
from tiny_transformers import SIDES, write_tiny

from bench.models.canvas import Canvas
from bench.models.exported import Exported, ExportedWithoutFeedback
from bench.models.exporting import export_sam
from bench.models.given_mask import with_logits
from bench.models.sam_segmenter import SamSegmenter
from bench.models.transformers_sam import TransformersSam
from bench.types import BenchError, Mask, Prompt, RegionCue, Site

OFFLINE = Site(download=False)
HEIGHT, WIDTH = 40, 60
WHERE = (slice(8, 30), slice(12, 51))


def given(**more):
    dense = np.zeros((HEIGHT, WIDTH), dtype=bool)
    dense[WHERE] = True
    return Prompt(cues=[RegionCue(Mask.from_dense(dense))], **more)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export_sam(build_small_sam(), tmp_path_factory.mktemp("graphs"), "torchscript")


@pytest.mark.parametrize(("resize", "covered"), [("longest_side", (21, 32)), ("squash", (32, 32))])
def test_the_mask_lies_on_the_grid_as_the_image_does(resize, covered):
    canvas = Canvas(128, (0.0,) * 3, (1.0,) * 3, resize)
    assert canvas.covered((HEIGHT, WIDTH), (32, 32)) == covered
    logits = with_logits(given(), (32, 32), covered).mask_logits
    rows, columns = np.nonzero(logits > 0)
    scale = np.array(covered) / (HEIGHT, WIDTH)
    expected = [
        s for at, axis in zip(WHERE, scale, strict=True) for s in (at.start * axis, at.stop * axis)
    ]
    found = [rows.min(), rows.max() + 1, columns.min(), columns.max() + 1]
    assert np.abs(np.array(found) - expected).max() <= 0.5
    assert (logits.min(), logits.max()) == pytest.approx((-10, 10))
    assert (logits[covered[0] :] == -10).all()


def test_logits_that_are_there_stay_and_the_mask_goes():
    own = np.full((32, 32), 3, np.float32)
    found = with_logits(given(mask_logits=own), (32, 32), (21, 32))
    assert found.kinds == {"mask_logits"}
    assert np.array_equal(found.mask_logits, own)


def models(exported, tmp_path):
    yield SamSegmenter(build_small_sam(), OFFLINE)
    yield Exported(**exported, site=OFFLINE)
    for arch in SIDES:
        weights = write_tiny(arch, tmp_path / arch)
        yield TransformersSam(arch, None, None, str(weights), site=OFFLINE)


@pytest.mark.long
def test_every_family_answers_a_given_mask_as_the_logits_that_it_becomes(
    exported, tmp_path, make_image
):
    image = make_image(HEIGHT, WIDTH, 3)
    click = {"points": np.array([[30, 20]], np.float32), "labels": np.ones(1, np.int64)}
    for model in models(exported, tmp_path):
        assert "mask" in model.prompt_kinds
        (embedding,) = model.embed([image])
        squashed = model.__dict__.get("_canvas") is not None and model._canvas.resize == "squash"
        covered = (32, 32) if squashed else (21, 32)
        for more in ({}, click):
            asked = given(**more)
            fed = with_logits(asked, (32, 32), covered)
            bare = [Prompt(**click), asked, fed]
            answers = model.predict([embedding] * 3, bare, True).logits
            assert torch.equal(answers[1], answers[2])
            assert not torch.equal(answers[0], answers[1])


LONG = [pytest.param(kind, marks=pytest.mark.long) for kind in ("onnx", "torch_export")]


@pytest.mark.parametrize("kind", ["torchscript", *LONG])
def test_a_mask_alone_is_answered_as_by_the_model_that_was_exported(kind, tmp_path, make_image):
    """The point that stands for none would be a cue of its own."""
    sam, image = build_small_sam(), make_image(HEIGHT, WIDTH, 3)
    theirs = SamSegmenter(sam, OFFLINE)
    ours = Exported(**export_sam(sam, tmp_path, kind), site=OFFLINE)
    a, b = (model.predict(model.embed([image]), [given()], True) for model in (ours, theirs))
    assert torch.allclose(a.logits[0], b.logits[0], rtol=0, atol=1e-4 * float(b.logits[0].std()))
    assert torch.allclose(a.predicted_iou[0], b.predicted_iou[0], rtol=0, atol=1e-5)


def test_what_takes_no_earlier_mask_takes_no_given_one(exported, make_image):
    model = ExportedWithoutFeedback(**exported, site=OFFLINE)
    with pytest.raises(BenchError, match="this exported model takes no mask"):
        model.predict(model.embed([make_image(HEIGHT, WIDTH, 3)]), [given()], True)
