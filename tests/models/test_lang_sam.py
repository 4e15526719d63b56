"""Detectors asked in words and a model of boxes behind them, against the library by hand."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from coloured_blocks import write_blocks
from tiny_transformers import write_tiny
from tiny_words import write_words

from bench.cli import main
from bench.models.detectors import KINDS
from bench.models.lang_sam import LangSam
from bench.models.transformers_sam import TransformersSam
from bench.protocol import Protocol
from bench.scoring.score import Aim, score
from bench.store.runs import find_runs, read_runs
from bench.types import BenchError, Mask, Prompt, Site

OFFLINE = Site(download=False)
TEXTS = ["dog", "A big red cat"]
# Random weights give no score that a published threshold would tell anything of.
LOW = {"grounding_dino": (0.2, 0.1), "mm_grounding_dino": (0.2, 0.1), "owlv2": (0.1, None)}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}

    def folder(arch):
        if arch not in made:
            where = tmp_path_factory.mktemp(arch) / "weights"
            made[arch] = write_tiny(arch, where) if arch == "sam" else write_words(arch, where)
        return made[arch]

    return folder


def segmenter(folders):
    return {
        "name": "tiny", "version": "1", "target": "bench.models.transformers_sam.TransformersSam",
        "args": {"arch": "sam", "repository": None, "revision": None,
                 "folder": str(folders("sam"))},
    }  # fmt: skip


def args_of(arch, folders, **more):
    box, text = LOW[arch]
    given = {
        "arch": arch, "repository": None, "revision": None, "folder": str(folders(arch)),
        "segmenter": segmenter(folders), "box_threshold": box, "text_threshold": text,
    }  # fmt: skip
    return given | more


def loaded(arch, folders, **more):
    return LangSam(**args_of(arch, folders, **more), site=OFFLINE)


@pytest.fixture
def images(make_image):
    return [make_image(70, 113, 1), make_image(130, 60, 2)]


def boxes_by_hand(arch, folder, image, text, box, words):
    """The library's boxes and scores for one picture and one text, as its own example gets them."""
    import transformers

    kind = KINDS[arch]
    model = getattr(transformers, kind.model).from_pretrained(folder, dtype=torch.float32).eval()
    processor = getattr(transformers, kind.processor).from_pretrained(folder)
    inputs = processor(images=image, text=[[text]], return_tensors="pt")
    with torch.inference_mode():
        out = model(**inputs)
    more = {} if words is None else {"text_threshold": words, "input_ids": inputs.input_ids}
    (found,) = processor.post_process_grounded_object_detection(
        out, threshold=box, target_sizes=[image.shape[:2]], **more
    )
    return found


@pytest.mark.parametrize("arch", list(KINDS))
def test_it_answers_as_the_library_and_the_segmenter_by_hand(arch, folders, images):
    box, words = LOW[arch]
    scores = [
        boxes_by_hand(arch, folders(arch), image, text, 1e-4, words)["scores"]
        for image in images
        for text in TEXTS
    ]
    box = float(torch.cat(scores).median())
    ours = loaded(arch, folders, box_threshold=box)
    sam = TransformersSam(**segmenter(folders)["args"], site=OFFLINE)
    counts, outside = [], 0
    for image in images:
        embedding, own = ours.embed([image])[0], sam.embed([image])[0]
        found = ours.predict([embedding] * 2, [Prompt(text=text) for text in TEXTS], True)
        for i, text in enumerate(TEXTS):
            theirs = boxes_by_hand(arch, folders(arch), image, text, box, words)
            high, wide = image.shape[:2]
            corners = theirs["boxes"].numpy()
            limits = np.array([wide, high, wide, high], np.float32)
            inside = np.clip(corners, 0, limits)
            outside += int((inside != corners).any())
            kept = (inside[:, 0] < inside[:, 2]) & (inside[:, 1] < inside[:, 3])
            if words is not None:
                kept &= np.array([bool(each.strip(" .")) for each in theirs["text_labels"]], bool)
            order = np.argsort(-theirs["scores"].numpy()[kept], kind="stable")
            asked = [Prompt(box=each) for each in inside[kept][order]]
            counts.append(len(asked))
            assert len(found.logits[i]) == len(asked)
            if not asked:
                continue
            by_hand = sam.predict([own] * len(asked), asked, False)
            logits = torch.stack([each[0] for each in by_hand.logits])
            scale = float(logits.std())
            assert torch.allclose(found.logits[i], logits, rtol=0, atol=1e-4 * scale)
            assert found.frames[i] == by_hand.frames[0]
            expected = theirs["scores"].numpy()[kept][order]
            assert np.allclose(found.predicted_iou[i].numpy(), expected, rtol=0, atol=1e-6)
    assert len(set(counts)) > 1, "texts find different numbers"
    assert outside, "some box lies beyond the picture"


@pytest.mark.parametrize("arch", list(KINDS))
def test_pictures_in_turn_are_answered_as_each_alone(arch, folders, images):
    model = loaded(arch, folders)
    embedded = list(model.embed(images))
    asked = [(embedded[i % 2], Prompt(text=TEXTS[i % 3 % 2])) for i in range(6)]
    together = model.predict(*map(list, zip(*asked, strict=True)), False)
    for i, (_, prompt) in enumerate(asked):
        alone = model.predict(model.embed([images[i % 2]]), [prompt], False)
        assert torch.equal(together.logits[i], alone.logits[0])
        assert torch.equal(together.predicted_iou[i], alone.predicted_iou[0])
        assert together.frames[i] == alone.frames[0]


def test_nothing_found_is_no_mask(folders, images):
    model = loaded("owlv2", folders, box_threshold=0.9999)
    found = model.predict(model.embed(images[:1]), [Prompt(text="dog")], False)
    assert len(found.logits[0]) == len(found.predicted_iou[0]) == 0
    assert found.frames[0].image == (70, 113)


def test_a_picture_of_one_line_is_no_picture_of_channels(folders, make_image):
    for arch in ("grounding_dino", "owlv2"):
        model = loaded(arch, folders)
        found = model.predict(model.embed([make_image(3, 50, 1)]), [Prompt(text="dog")], False)
        assert found.frames[0].image == (3, 50)


@pytest.mark.parametrize(
    ("arch", "text", "why"),
    [
        ("grounding_dino", "dog " * 30, r"is of 33 tokens, GroundingDino.* takes 24"),
        ("owlv2", "dogs and cats in rain", r"tokens, Owlv2ForObjectDetection takes 16: shorten"),
    ],
)
def test_a_text_too_long_is_refused(arch, text, why, folders, images):
    model = loaded(arch, folders)
    with pytest.raises(BenchError, match=why):
        model.predict(model.embed(images[:1]), [Prompt(text=text)], False)


@pytest.mark.parametrize("prompt", [Prompt(box=np.zeros(4, np.float32)), Prompt()])
def test_it_takes_words_alone(prompt, folders, images):
    model = loaded("owlv2", folders)
    with pytest.raises(BenchError, match=r"takes no box|empty"):
        model.predict(model.embed(images[:1]), [prompt], False)


@pytest.mark.parametrize("arch", ["grounding_dino", "owlv2"])
def test_an_answer_that_is_no_number_is_told_as_such(arch, folders, images):
    model = loaded(arch, folders)
    inner = model._detector._model
    with torch.no_grad():
        next(p for n, p in inner.named_parameters() if "box_head" in n or "bbox_embed" in n).fill_(
            float("nan")
        )
    found = model.predict(model.embed(images[:1]), [Prompt(text="dog")], False)
    aim = Aim(Mask.from_dense(np.ones(images[0].shape[:2], bool)))
    (one,) = score(found, [aim], Protocol(), prompts=[Prompt(text="dog")])
    assert "NaN or infinite" in one.fault


@pytest.mark.parametrize(
    ("arch", "more", "why"),
    [
        ("grounding_dino", {"text_threshold": None}, "text_threshold is missing"),
        ("owlv2", {"text_threshold": 0.2}, "a choice of Grounding DINO, not of owlv2: give null"),
        ("owlv2", {"box_threshold": 0}, "box_threshold lies between 0 and 1, found 0"),
        ("owlv2", {"arch": "owl"}, "no detector 'owl'; did you mean owlv2"),
        ("owlv2", {"arch": "grounding_dino", "text_threshold": 0.2}, "of model.args.arch=owlv2"),
        ("owlv2", {"segmenter": "sam_vit_x"}, "no model is called 'sam_vit_x'; did you mean"),
        ("owlv2", {"segmenter": "sam3_text"}, "sam3_text takes text and no box"),
        ("owlv2", {"segmenter": {"nmae": "x"}}, "segmenter is no model"),
        ("owlv2", {"segmenter": {"name": "x", "version": "1", "target": "os.path.join"}},
         "outside the allowed modules"),
    ],
)  # fmt: skip
def test_parts_that_do_not_go_together_are_refused(arch, more, why, folders):
    args = args_of(arch, folders) | more
    for call in (lambda: LangSam(**args, site=OFFLINE), lambda: LangSam.pin(args, OFFLINE)):
        with pytest.raises(BenchError, match=why):
            call()


@pytest.mark.parametrize("missing", ["tokenizer.json", "processor_config.json"])
def test_a_folder_without_its_processor_is_refused(missing, folders, tmp_path):
    copied = Path(shutil.copytree(folders("owlv2"), tmp_path / "copied"))
    (copied / missing).unlink()
    with pytest.raises(BenchError, match=r"no (tokenizer|preparation of images) in "):
        loaded("owlv2", folders, folder=str(copied))


def test_both_models_are_in_its_identity(folders, tmp_path):
    args = args_of("owlv2", folders)
    first = LangSam.pin(args, OFFLINE)
    other = args | {"segmenter": "disk"}
    assert LangSam.pin(other, OFFLINE)["segmenter"]["name"] == "disk"
    assert LangSam.pin(args | {"box_threshold": 0.2}, OFFLINE) != first
    copied = Path(shutil.copytree(folders("owlv2"), tmp_path / "copied"))
    said = copied / "processor_config.json"
    said.write_text(said.read_text() + "\n")
    assert LangSam.pin(args | {"folder": str(copied)}, OFFLINE)["sha256"] != first["sha256"]
    facts = [LangSam(**each, site=OFFLINE).facts["checkpoint_sha256"] for each in (args, other)]
    assert facts[0] != facts[1]


def test_a_whole_run_by_text(folders, tmp_path):
    blocks = write_blocks(tmp_path / "blocks")
    words = [
        "run", "model=owlv2_base_sam_vit_b", f"model.args.folder={folders('owlv2')}",
        "model.args.segmenter=disk", "model.args.box_threshold=0.05", "prompt=[text]",
        "dataset=coco", f"dataset.args.annotations={blocks}/annotations.json",
        f"dataset.args.images={blocks}/images", f"runtime.results={tmp_path / 'results'}",
        "runtime.device=cpu",
    ]  # fmt: skip
    assert main(words) == 0
    (store,) = find_runs(tmp_path / "results", ["coco-owlv2_base_sam_vit_b-*"])
    rows = read_runs([store])
    assert len(rows) == 7
    assert rows["ious"].map(len).max() > 1
    assert store.header()["model"]["args"]["segmenter"]["name"] == "disk"
