"""SamSegmenter against the official SamPredictor: the same numbers, to the last bit on a CPU."""

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor

from bench.models.segment_anything import SamSegmenter
from bench.types import BenchError, Prompt, Site, UnfitImageError

LOGITS = np.random.default_rng(3).normal(0, 4, (32, 32)).astype(np.float32)
BOX = np.array([11, 7, 60, 50], np.float32)


def clicked(*clicks, **more):
    table = np.array(clicks)
    points, labels = table[:, :2].astype(np.float32), table[:, 2].astype(np.int64)
    return Prompt(points=points, labels=labels, **more)


PROMPTS = {
    "point": clicked((20, 30, 1)),
    "three_points": clicked((20, 30, 1), (5, 50, 0), (33, 3, 1)),
    "box": Prompt(box=BOX),
    "box_and_point": clicked((20, 30, 1), box=BOX),
    "box_points_and_mask": clicked((20, 30, 1), (30.5, 44.25, 0), box=BOX, mask_logits=LOGITS),
    "point_and_mask": clicked((20, 30, 1), mask_logits=LOGITS),
    "mask": Prompt(mask_logits=LOGITS),
}
SIZES = {"wide": (61, 97), "tall": (90, 35), "larger": (150, 201), "own_size": (128, 100)}


def official(sam, image, prompt, multimask):
    """Masks (K, H, W), predicted IoU (K,) and low-resolution logits (K, h, w)."""
    predictor = SamPredictor(sam)
    predictor.set_image(image)
    answer = predictor.predict(
        point_coords=prompt.points if prompt.n_points else None,
        point_labels=prompt.labels if prompt.n_points else None,
        box=prompt.box,
        mask_input=None if prompt.mask_logits is None else prompt.mask_logits[None],
        multimask_output=multimask,
    )
    return [torch.from_numpy(array) for array in answer]


@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("kind", PROMPTS)
@pytest.mark.parametrize("size", SIZES)
def test_equals_the_official_predictor(small_sam, make_image, upscale, size, kind, multimask):
    image, prompt = make_image(*SIZES[size], 1), PROMPTS[kind]
    segmenter = SamSegmenter(small_sam, Site())
    prediction = segmenter.predict(segmenter.embed([image]), [prompt], multimask)
    masks, iou, low = official(small_sam, image, prompt, multimask)
    assert torch.equal(prediction.logits[0], low)
    assert torch.equal(prediction.predicted_iou[0], iou)
    assert low.shape == (3 if multimask else 1, 32, 32)
    assert torch.equal(upscale(prediction, 0) > 0, masks)
    # and the frame says what the model's own code does with its logits
    frame = prediction.frames[0]
    again = small_sam.postprocess_masks(prediction.logits, frame.content, frame.image)
    assert torch.equal(again[0], upscale(prediction, 0))


def test_prompts_change_the_answer(small_sam, make_image):
    """The comparison above could not fail on a model that is deaf to its prompts."""
    segmenter = SamSegmenter(small_sam, Site())
    embeddings = segmenter.embed([make_image(61, 97, 1)]) * len(PROMPTS)
    logits = segmenter.predict(embeddings, list(PROMPTS.values()), True).logits
    for i in range(len(PROMPTS)):
        for j in range(i):
            assert not torch.equal(logits[i], logits[j])


def test_a_mixed_batch_of_two_images_equals_one_by_one(small_sam, make_image):
    images = [make_image(61, 97, 1), make_image(90, 35, 2)]
    # The batch sizes of the site must not matter on a CPU.
    segmenter = SamSegmenter(small_sam, Site(image_batch=4, prompt_batch=3))
    embeddings = segmenter.embed(images)
    prompts = [prompt for prompt in PROMPTS.values() for _ in images]
    flat = [embedding for _ in PROMPTS for embedding in embeddings]
    together = segmenter.predict(flat, prompts, True)
    for i, prompt in enumerate(prompts):
        _, iou, low = official(small_sam, images[i % 2], prompt, True)
        assert torch.equal(together.logits[i], low)
        assert torch.equal(together.predicted_iou[i], iou)
        assert together.frames[i].image == images[i % 2].shape[:2]


def test_grouped_decoding_as_on_an_accelerator(small_sam, make_image):
    """What CUDA runs, here on the CPU: batches over images, in order, equal up to rounding."""
    images = [make_image(61, 97, 1), make_image(90, 35, 2), make_image(40, 41, 3)]
    alone = SamSegmenter(small_sam, Site())
    grouped = SamSegmenter(small_sam, Site())
    grouped._prompt_batch, grouped._image_batch = 3, 2
    # Neighbours differ in structure, and prompts of one structure lie on different images.
    prompts = list(PROMPTS.values()) * len(images)
    flat = [i // len(PROMPTS) for i in range(len(prompts))]
    expected = alone.predict([alone.embed(images)[i] for i in flat], prompts, True)
    found = grouped.predict([grouped.embed(images)[i] for i in flat], prompts, True)
    torch.testing.assert_close(found.logits, expected.logits, rtol=0, atol=2e-5)
    torch.testing.assert_close(found.predicted_iou, expected.predicted_iou, rtol=0, atol=2e-5)
    assert found.frames == expected.frames
    spread = (expected.logits[0] - expected.logits[len(PROMPTS)]).abs().max()
    assert spread > 1e-3  # a mix-up of images would be far outside the tolerance


def test_the_same_call_gives_the_same_bits(small_sam, make_image):
    segmenter = SamSegmenter(small_sam, Site())
    image, prompts = make_image(61, 97, 1), list(PROMPTS.values())
    first, second = (
        segmenter.predict(segmenter.embed([image]) * len(prompts), prompts, True) for _ in range(2)
    )
    assert torch.equal(first.logits, second.logits)
    assert torch.equal(first.predicted_iou, second.predicted_iou)


def test_no_prompts(small_sam):
    segmenter = SamSegmenter(small_sam, Site())
    assert segmenter.embed([]) == []
    for multimask, k in ((True, 3), (False, 1)):
        prediction = segmenter.predict([], [], multimask)
        assert prediction.logits.shape == (0, k, 32, 32)
        assert prediction.predicted_iou.shape == (0, k)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        (Prompt(), "empty"),
        (Prompt(text="a cat"), "text"),
        (Prompt(mask_logits=np.zeros((31, 32), np.float32)), "32×32"),
    ],
)
def test_refuses_what_it_cannot_answer(small_sam, make_image, prompt, words):
    segmenter = SamSegmenter(small_sam, Site())
    with pytest.raises(BenchError, match=words):
        segmenter.predict(segmenter.embed([make_image(20, 30, 1)]), [prompt], True)


def test_refuses_an_image_that_vanishes(small_sam):
    with pytest.raises(BenchError, match="1×600"):
        SamSegmenter(small_sam, Site()).embed([np.zeros((1, 600, 3), np.uint8)])


def test_lengths_must_agree(small_sam, make_image):
    segmenter = SamSegmenter(small_sam, Site())
    embeddings = segmenter.embed([make_image(20, 30, 1)] * 2)
    for prompts in ([PROMPTS["point"]], [PROMPTS["point"]] * 3):
        with pytest.raises(ValueError, match="zip"):
            segmenter.predict(embeddings, prompts, True)


def test_refuses_a_device_that_is_not_there(small_sam):
    for device in ("cuda:77", "quantum"):
        with pytest.raises(BenchError, match=device):
            SamSegmenter(small_sam, Site(device=device))


def test_has_no_identity_of_its_own():
    with pytest.raises(BenchError, match="in memory"):
        SamSegmenter.pin({}, Site())


def test_facts_and_kinds(small_sam):
    segmenter = SamSegmenter(small_sam, Site(), checkpoint_sha256="ab")
    facts = segmenter.facts
    assert facts["device"] == "cpu"
    assert facts["dtype"] == "float32"
    assert facts["checkpoint_sha256"] == "ab"
    assert int(facts["parameters"]) == sum(p.numel() for p in small_sam.parameters())
    assert facts["torch_threads"] == str(torch.get_num_threads())
    assert segmenter.prompt_kinds == {"points", "box", "mask_logits", "mask"}


def test_reduced_precision_is_off(small_sam):
    torch.set_float32_matmul_precision("medium")
    SamSegmenter(small_sam, Site())
    assert torch.get_float32_matmul_precision() == "highest"
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize("size", [(5000, 1), (1, 5000)])
def test_a_picture_of_which_nothing_is_left_is_that_pictures_fault(small_sam, size):
    segmenter = SamSegmenter(small_sam, Site())
    with pytest.raises(UnfitImageError, match=rf"{size[0]}×{size[1]} .*too narrow for this model"):
        segmenter.embed([np.zeros((*size, 3), np.uint8)])
