"""Other modes than float32 as written: part of the identity, near the reference, never blind."""

import numpy as np
import pytest
import torch
from small_sam import build_small_sam

from bench.models.demo import DemoSam
from bench.models.numerics import Numerics
from bench.models.sam_segmenter import SamSegmenter
from bench.types import BenchError, Prompt, Site

POINT = Prompt(points=np.array([[30, 20]], np.float32), labels=np.array([1]))
BOX = Prompt(box=np.array([5, 8, 60, 40], np.float32))


def answers(numerics, image):
    segmenter = SamSegmenter(build_small_sam(), Site(), numerics=numerics)
    return segmenter.predict(segmenter.embed([image]) * 2, [POINT, BOX], True)


def test_the_reference_is_what_it_was_without_a_choice(make_image):
    image = make_image(61, 97, 1)
    chosen, none = answers(Numerics(), image), answers(None, image)
    assert torch.equal(chosen.logits, none.logits)
    assert torch.equal(chosen.predicted_iou, none.predicted_iou)


def test_half_precision_is_near_and_not_the_same(make_image):
    image = make_image(61, 97, 1)
    exact, fast = answers(Numerics(), image), answers(Numerics("bfloat16"), image)
    assert fast.logits.dtype == fast.predicted_iou.dtype == torch.float32
    gap = (fast.logits - exact.logits).abs().max()
    assert 0 < gap < 0.1 * exact.logits.abs().max() + 0.05


def test_coordinates_stay_float32(monkeypatch, make_image):
    """In bfloat16 points beyond 512 snap to a grid of 4 pixels."""
    seen = []
    sam = build_small_sam()
    real = sam.prompt_encoder.forward

    def forward(points, boxes, masks):
        seen.extend(
            each.dtype for each in ([points[0]] if points else []) + [boxes] * (boxes is not None)
        )
        sparse, dense = real(points=points, boxes=boxes, masks=masks)
        seen.append(sparse.dtype)
        return sparse, dense

    monkeypatch.setattr(sam.prompt_encoder, "forward", forward)
    segmenter = SamSegmenter(sam, Site(), numerics=Numerics("bfloat16"))
    segmenter.predict(segmenter.embed([make_image(61, 97, 1)]) * 2, [POINT, BOX], False)
    assert len(seen) == 4
    assert set(seen) == {torch.float32}


def test_a_mode_is_part_of_the_identity_and_the_reference_adds_nothing(demo_args):
    site = Site()
    reference = DemoSam.pin(demo_args, site)
    assert DemoSam.pin(demo_args | {"dtype": "float32", "compiled": False}, site) == reference
    assert set(reference) == {"size", "sha256"}
    fast = DemoSam.pin(demo_args | {"dtype": "bfloat16", "compiled": True}, site)
    assert fast == reference | {
        "dtype": "bfloat16",
        "compiled": True,
        "decoder": "shared, all tokens",
    }


def test_facts_tell_the_mode(demo_args):
    model = DemoSam(**demo_args, dtype="bfloat16", site=Site())
    assert (model.facts["dtype"], model.facts["compiled"]) == ("bfloat16", "no")


def test_an_unknown_dtype_is_refused(demo_args):
    with pytest.raises(BenchError, match=r"no dtype 'int3'.*bfloat16"):
        DemoSam.pin(demo_args | {"dtype": "int3"}, Site())


@pytest.mark.long
def test_what_a_run_asks_of_a_compiled_model_is_compiled_before_and_near_the_reference(make_image):
    image, other = make_image(61, 97, 1), make_image(70, 50, 2)
    fed_back = np.random.default_rng(0).normal(0, 8, (32, 32)).astype(np.float32)
    again = Prompt(POINT.points, POINT.labels, mask_logits=fed_back)
    asked = [
        (images, prompts, multimask)
        for images in ([image], [other])
        for prompts in ([POINT], [POINT, BOX], [BOX] * 5, [again], [again] * 4)
        for multimask in (True, False)
    ]
    exact = SamSegmenter(build_small_sam(), Site())
    compiled = SamSegmenter(build_small_sam(), Site(), numerics=Numerics(compiled=True))
    with torch._dynamo.config.patch(error_on_recompile=True):
        for images, prompts, multimask in asked:
            found, expected = (
                each.predict(each.embed(images) * len(prompts), prompts, multimask)
                for each in (compiled, exact)
            )
            torch.testing.assert_close(found.logits, expected.logits, rtol=0, atol=1e-4)
            torch.testing.assert_close(
                found.predicted_iou, expected.predicted_iou, rtol=0, atol=1e-5
            )


@pytest.fixture
def demo_args():
    from bench.config.composing import load_configs

    (config,) = load_configs(["model=demo_s"])
    return {k: v for k, v in config.model.args.items() if k in ("size", "file", "sha256")}
