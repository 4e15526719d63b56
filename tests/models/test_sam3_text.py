"""SAM 3 asked in words, against the library's own processor, model and post-processing."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from coloured_blocks import write_blocks
from tiny_words import SIDE, write_words

from bench.cli import main
from bench.models.sam3_text import Sam3Text
from bench.protocol import Protocol
from bench.scoring.foreground import foregrounds
from bench.scoring.score import Aim, score
from bench.store.runs import find_runs, read_runs
from bench.types import BenchError, Mask, Prompt, Site

OFFLINE = Site(download=False)
TEXTS = ["dog", "a big red cat", "é ✓"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_words("sam3", tmp_path_factory.mktemp("sam3") / "weights")


@pytest.fixture
def copied(folder, tmp_path):
    return Path(shutil.copytree(folder, tmp_path / "copied"))


def loaded(folder, **more):
    return Sam3Text(None, None, str(folder), site=OFFLINE, **more)


@pytest.fixture(scope="module")
def library(folder):
    from transformers import Sam3Model, Sam3Processor

    model = Sam3Model.from_pretrained(folder, dtype=torch.float32).eval()
    return model, Sam3Processor.from_pretrained(folder)


@pytest.fixture
def images(make_image):
    return [make_image(70, 113, 1), make_image(300, 190, 2)]


def by_hand(library, image, text):
    """The library's outputs for a picture and a text, and all that it takes to go on from them."""
    model, processor = library
    inputs = processor(images=image, text=text, return_tensors="pt")
    with torch.inference_mode():
        return model(**inputs), processor


@pytest.fixture(scope="module")
def threshold(library, make_image):
    """A score that some instances of each text reach and others don't."""
    scores = []
    for text in TEXTS:
        out, _ = by_hand(library, make_image(70, 113, 1), text)
        scores.append((out.pred_logits.sigmoid() * out.presence_logits.sigmoid()).median())
    return float(np.median(scores))


def test_it_answers_as_the_library_by_hand(folder, library, images, threshold):
    ours = loaded(folder, score_threshold=threshold, resized="probabilities")
    embedded = list(ours.embed(images))
    counts = set()
    for image, embedding in zip(images, embedded, strict=True):
        found = ours.predict([embedding] * 3, [Prompt(text=text) for text in TEXTS], False)
        for i, text in enumerate(TEXTS):
            out, processor = by_hand(library, image, text)
            (theirs,) = processor.post_process_instance_segmentation(
                out, threshold=threshold, mask_threshold=0.5, target_sizes=[image.shape[:2]]
            )
            counts.add(len(theirs["scores"]))
            assert len(found.logits[i]) == len(theirs["scores"])
            assert torch.allclose(found.predicted_iou[i], theirs["scores"], rtol=0, atol=1e-6)
            if len(found.logits[i]) == 0:
                continue
            masks = [m.dense() for m in foregrounds(found.logits[i], found.frames[i], 0.0)]
            same = np.array(masks) == theirs["masks"].numpy().astype(bool)
            assert same.mean() > 0.9999, "but for rounding"
            assert np.array(masks).any()
            assert not np.array(masks).all()
    assert len(counts) > 1, "texts find different numbers"


def test_logits_are_resized_as_the_authors_do(folder, library, images, threshold):
    plain = loaded(folder, score_threshold=threshold, resized="probabilities")
    ours = loaded(folder, score_threshold=threshold, mask_threshold=0.4)
    (embedding,) = ours.embed(images[:1])
    found = ours.predict([embedding], [Prompt(text=TEXTS[1])], False)
    out, _ = by_hand(library, images[0], TEXTS[1])
    kept = (out.pred_logits.sigmoid() * out.presence_logits.sigmoid())[0] > threshold
    resized = torch.nn.functional.interpolate(
        out.pred_masks[:, kept[:]], size=images[0].shape[:2], mode="bilinear", align_corners=False
    )
    theirs = (resized[0].sigmoid() > 0.4).numpy()
    masks = np.array([m.dense() for m in foregrounds(found.logits[0], found.frames[0], 0.0)])
    assert (masks == theirs).mean() > 0.9999
    other = plain.predict(plain.embed(images[:1]), [Prompt(text=TEXTS[1])], False)
    masks = np.array([m.dense() for m in foregrounds(other.logits[0], other.frames[0], 0.0)])
    assert (masks != theirs).mean() > 0.001, "it is another rule"
    assert "resized as logits" in ours.facts["unlike_transformers"]
    assert plain.facts["unlike_transformers"] == ""


def test_pictures_and_texts_in_turn_are_answered_as_each_alone(folder, images, threshold):
    model = loaded(folder, score_threshold=threshold)
    embedded = list(model.embed(images))
    asked = [(embedded[i % 2], Prompt(text=TEXTS[i % 3])) for i in range(9)]
    together = model.predict(*map(list, zip(*asked, strict=True)), False)
    for i, (_, prompt) in enumerate(asked):
        alone = model.predict(model.embed([images[i % 2]]), [prompt], True)
        assert torch.equal(together.logits[i], alone.logits[0])
        assert torch.equal(together.predicted_iou[i], alone.predicted_iou[0])
    assert together.logits[0] is together.logits[6], "one text of one picture is answered once"


def test_nothing_found_is_no_mask(folder, images):
    model = loaded(folder, score_threshold=0.999)
    found = model.predict(model.embed(images[:1]), [Prompt(text="dog")], False)
    assert found.logits[0].shape == (0, 32, 32)
    assert found.predicted_iou[0].shape == (0,)


@pytest.mark.parametrize(
    ("prompt", "why"),
    [
        (Prompt(text="x" * 31), "is of 33 tokens, a Sam3Model takes 32: shorten the template"),
        (Prompt(box=np.zeros(4, np.float32)), "takes no box"),
        (Prompt(text="a", box=np.zeros(4, np.float32)), "takes no box"),
        (Prompt(), "empty"),
    ],
)
def test_what_it_cannot_be_asked_is_refused(folder, images, prompt, why):
    model = loaded(folder)
    embedded = model.embed(images[:1])
    assert model.predict(embedded, [Prompt(text="x" * 30)], False).logits
    with pytest.raises(BenchError, match=why):
        model.predict(embedded, [prompt], False)


@pytest.mark.parametrize("where", ["pred_masks", "scores"])
def test_an_answer_that_is_no_number_is_told_as_such(folder, images, where):
    model = loaded(folder, score_threshold=0.01)
    inner = model._model
    broken = (
        inner.mask_decoder.mask_embedder
        if where == "pred_masks"
        else inner.detr_decoder.presence_head
    )
    with torch.no_grad():
        for parameter in broken.parameters():
            parameter.fill_(float("nan"))
    found = model.predict(model.embed(images[:1]), [Prompt(text="dog")], False)
    target = Mask.from_dense(np.ones(images[0].shape[:2], bool))
    (one,) = score(found, [Aim(target)], Protocol(), prompts=[Prompt(text="dog")])
    assert "NaN or infinite" in one.fault


def test_the_tokenizer_and_the_thresholds_are_in_its_identity(folder, copied):
    args = {"repository": None, "revision": None, "folder": str(copied)}
    first = Sam3Text.pin(args, OFFLINE)
    assert Sam3Text.pin(args | {"folder": str(folder)}, OFFLINE) == first
    assert Sam3Text.pin(args | {"score_threshold": 0.3}, OFFLINE) != first
    assert Sam3Text.pin(args | {"resized": "probabilities"}, OFFLINE) != first
    assert Sam3Text.pin(args | {"dtype": "bfloat16"}, OFFLINE) != first
    words = copied / "tokenizer.json"
    words.write_text(words.read_text() + "\n")
    assert Sam3Text.pin(args, OFFLINE)["sha256"] != first["sha256"]


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ({"resized": "pixels"}, "no rule 'pixels' of what is resized"),
        ({"score_threshold": 1.0}, r"score_threshold lies between 0 and 1, found 1\.0"),
        ({"mask_threshold": 0}, "mask_threshold lies between 0 and 1"),
        ({"dtype": "int8"}, "no dtype 'int8'"),
    ],
)
def test_choices_that_are_none_are_refused(folder, args, why):
    with pytest.raises(BenchError, match=why):
        loaded(folder, **args)


def test_a_folder_without_words_is_refused(copied):
    (copied / "tokenizer.json").unlink()
    with pytest.raises(BenchError, match=r"no tokenizer in .*copied: it has no tokenizer\.json"):
        loaded(copied)


def test_a_damaged_tokenizer_is_one_line(copied):
    (copied / "tokenizer.json").write_text('{"model": 3}')
    with pytest.raises(BenchError, match=r"no AutoTokenizer can be made of its files"):
        loaded(copied)


def test_another_models_folder_is_refused(tmp_path):
    folder = write_words("owlv2", tmp_path / "owl")
    with pytest.raises(BenchError, match="of a model of type 'owlv2', arch sam3 expects 'sam3'"):
        loaded(folder)


@pytest.mark.long
def test_half_precision_is_near(folder, images):
    exact, half = (
        loaded(folder, score_threshold=0.01),
        loaded(folder, score_threshold=0.01, dtype="bfloat16"),
    )
    a, b = (m.predict(m.embed(images[:1]), [Prompt(text="dog")], False) for m in (exact, half))
    assert (a.logits[0] - b.logits[0]).abs().max() < 0.1
    assert not torch.equal(a.logits[0], b.logits[0])


def test_a_whole_run_by_text(folder, tmp_path):
    blocks = write_blocks(tmp_path / "blocks")
    words = [
        "run", "model=sam3_text", f"model.args.folder={folder}", "prompt=[text]", "dataset=coco",
        "model.args.score_threshold=0.2", f"runtime.results={tmp_path / 'results'}",
        f"dataset.args.annotations={blocks}/annotations.json", "runtime.device=cpu",
        f"dataset.args.images={blocks}/images",
    ]  # fmt: skip
    assert main(words) == 0
    rows = read_runs(find_runs(tmp_path / "results", ["coco-sam3_text-*"]))
    assert len(rows) == 7
    assert rows["ious"].map(len).max() > 1
    assert (rows["iou"] == rows["iou_oracle"]).all()


def test_the_input_is_a_square_of_the_processors_levels(folder, library, images):
    from bench.models.sam3_text import squashed

    _, processor = library
    theirs = processor(images=images[1], text="a", return_tensors="pt").pixel_values[0]
    assert torch.allclose(squashed(images[1], SIDE), theirs, rtol=0, atol=1e-6)
