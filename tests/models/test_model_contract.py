"""What every model promises, whatever it is: one test per promise, run over every model YAML.

A model is asked for no cue that it doesn't understand (``prompt_kinds``), and may give any number
of candidates. What only a SAM promises is asked of SAMs.
"""

import importlib
import inspect
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from outside.model import Pen
from small_click_network import traced
from small_sam import SMALL_SAMS, build_small_efficient_sam
from tiny_transformers import SIDES, write_tiny

from bench.models.abilities import KeepsEmbeddings
from bench.models.disk import Disk
from bench.models.efficient_sam import EfficientSam
from bench.models.exported import Exported
from bench.models.exporting import export_sam
from bench.models.interactive import ClickNetwork
from bench.models.sam_segmenter import SamSegmenter
from bench.models.transformers_sam import TransformersSam
from bench.run.embeddings.files import EmbeddingFiles
from bench.types import Prompt, Site

ROOT = Path(__file__).parents[2]
YAMLS = {path.stem: path for path in sorted((ROOT / "conf" / "model").glob("*.yaml"))}
# A folder of published checkpoints, to hold the large models to the same promises.
CHECKPOINTS = os.environ.get("SAM_BENCH_TEST_CHECKPOINTS")
SITE = Site(checkpoints=Path(CHECKPOINTS or "nowhere"), download=False)
# A whole model of random weights knows nothing of images: only what needs no sense holds.
# transformers needs Python 3.11
TINY = {f"tiny_{arch}": arch for arch in SIDES if sys.version_info >= (3, 11)}
SENSELESS = {"exported", "small_ritm", "small_efficient_sam", *SMALL_SAMS, *TINY}

KINDS = {
    "point": ([[9, 20]], [1], None),
    "corner": ([[0, 0]], [1], None),
    "points": ([[9, 20], [30, 8], [14, 22]], [1, 0, 1], None),
    "negative": ([[9, 20]], [0], None),
    "box": ([], [], [4, 8, 25, 30]),
    "one_pixel_box": ([], [], [7, 7, 7, 7]),
    "box_and_points": ([[9, 20], [24, 29]], [1, 0], [4, 8, 25, 30]),
}


def prompt_of(kind, mask_logits=None):
    points, labels, box = KINDS[kind]
    return Prompt(
        points=np.array(points, np.float32).reshape(-1, 2),
        labels=np.array(labels, np.int64),
        box=None if box is None else np.array(box, np.float32),
        mask_logits=mask_logits,
    )


def prompts_for(model):
    """The prompts of ``KINDS`` that the model understands."""
    found = [prompt for prompt in map(prompt_of, KINDS) if prompt.kinds <= model.prompt_kinds]
    if not found:
        pytest.skip("it understands none of the cues that are asked here")
    return found


def needs(model, *kinds):
    if lacking := set(kinds) - model.prompt_kinds:
        pytest.skip(f"it doesn't understand {', '.join(sorted(lacking))}")


def part_of(name):
    return yaml.safe_load(YAMLS[name].read_text())


def class_of(part):
    module, _, cls = part["target"].rpartition(".")
    return getattr(importlib.import_module(module), cls)


def args_of(name):
    """The YAML's arguments; a repository's weights are looked for in a folder of its name.

    A published file of which size or hash isn't known is named as a user would, an exported
    network has the name of its YAML.
    """
    args = part_of(name)["args"]
    if "network" in args:
        args["network"] = f"{name}.ts"
    if "url" in args and None in (args["size"], args["sha256"]):
        args["checkpoint"] = args["file"]
    return args | {"folder": name} if "repository" in args else args


def is_here(name):
    """Whether the model needs no download, or its checkpoint is in the named folder."""
    args = args_of(name)
    if "repository" in args:
        return (SITE.checkpoints / args["folder"]).is_dir()
    if "network" in args:
        return (SITE.checkpoints / args["network"]).is_file()
    return "url" not in args or (SITE.checkpoints / args["file"]).is_file()


def built(name):
    return class_of(part_of(name))(**args_of(name), site=SITE)


HERE = [name for name in YAMLS if is_here(name)]
# Of the demo's class with other weights or another size: the tier of long tests asks them too.
SIBLINGS = {name for name in HERE if name.startswith("demo_")}


def each(names):
    """The names as parameters, those of siblings marked as long."""
    return [pytest.param(n, marks=pytest.mark.long) if n in SIBLINGS else n for n in names]


OTHERS = [
    "coarse_disk",
    *SMALL_SAMS,
    "small_efficient_sam",
    "small_ritm",
    "pen",
    "exported",
    *list(TINY)[:1],
]
LONG = [pytest.param(name, marks=pytest.mark.long) for name in TINY if name not in OTHERS]


@pytest.fixture(scope="module", params=[*each(HERE), *OTHERS, *LONG])
def named(request, small_sam, tmp_path_factory):
    if arch := TINY.get(request.param):
        folder = write_tiny(arch, tmp_path_factory.mktemp(arch) / "weights")
        return request.param, TransformersSam(arch, None, None, str(folder), site=SITE)
    if request.param == "exported":
        args = export_sam(small_sam, tmp_path_factory.mktemp("exported"), "torchscript")
        return request.param, Exported(**args, site=SITE)
    if request.param == "small_efficient_sam":
        return request.param, EfficientSam.of(build_small_efficient_sam(), SITE)
    if request.param == "small_ritm":
        file = traced(tmp_path_factory.mktemp("ritm") / "network.ts")
        return request.param, ClickNetwork(
            **part_of("ritm")["args"] | {"network": str(file)}, site=SITE
        )
    if request.param == "pen":  # a user's own, of other cues
        return request.param, Pen(site=SITE)
    if build := SMALL_SAMS.get(request.param):
        return request.param, SamSegmenter(build(), SITE)
    if request.param == "coarse_disk":
        return request.param, Disk(stride=3, site=SITE)
    return request.param, built(request.param)


@pytest.fixture(scope="module")
def model(named):
    return named[1]


KEEPING = [name for name in HERE if issubclass(class_of(part_of(name)), KeepsEmbeddings)]


@pytest.fixture
def images(make_image):
    """Two images, neither square, of different sizes and lying across each other."""
    return [make_image(41, 90, 1), make_image(70, 33, 2)]


@pytest.mark.parametrize("multimask", [True, False])
def test_shapes_and_frames(model, images, upscale, multimask):
    prompts = prompts_for(model)
    prediction = model.predict(list(model.embed(images[:1])) * len(prompts), prompts, multimask)
    assert len(prediction.logits) == len(prompts)
    for i, frame in enumerate(prediction.frames):
        logits, estimates = prediction.logits[i], prediction.predicted_iou[i]
        assert logits.is_floating_point()
        assert torch.isfinite(logits).all()
        assert torch.isfinite(estimates).all()
        assert frame.image == (41, 90)
        assert frame.content[0] <= frame.canvas[0]
        assert frame.content[1] <= frame.canvas[1]
        assert upscale(prediction, i).shape == (len(estimates), 41, 90)


@pytest.mark.parametrize("multimask", [True, False])
def test_a_sam_gives_three_candidates_or_one(model, images, multimask):
    if not isinstance(model, SamSegmenter):
        pytest.skip("no SAM")
    k = 3 if multimask else 1
    prompts = prompts_for(model)
    prediction = model.predict(list(model.embed(images[:1])) * len(prompts), prompts, multimask)
    assert prediction.logits.shape[:2] == prediction.predicted_iou.shape == (len(prompts), k)
    nothing = model.predict([], [], multimask)
    assert nothing.logits.shape[:2] == nothing.predicted_iou.shape == (0, k)


@pytest.mark.parametrize("multimask", [True, False])
def test_a_batch_equals_one_by_one_and_interleaved_images_equal_apart(
    model, images, upscale, multimask
):
    kinds = prompts_for(model)
    prompts = [prompt for prompt in kinds for _ in images]
    embeddings = model.embed(images)
    batch = model.predict(list(embeddings) * len(kinds), prompts, multimask)
    for i, prompt in enumerate(prompts):
        alone = model.predict(model.embed([images[i % 2]]), [prompt], multimask)
        assert torch.equal(upscale(batch, i), upscale(alone, 0))
        assert torch.equal(batch.predicted_iou[i], alone.predicted_iou[0])
        assert batch.frames[i].image == alone.frames[0].image


def test_order_does_not_matter(model, images, upscale):
    prompts = prompts_for(model)
    embeddings = list(model.embed(images))
    flat = [embeddings[i % 2] for i in range(len(prompts))]
    forth = model.predict(flat, prompts, True)
    back = model.predict(flat[::-1], prompts[::-1], True)
    for i in range(len(prompts)):
        assert torch.equal(upscale(forth, i), upscale(back, len(prompts) - 1 - i))


def test_logits_come_back_as_a_mask_prompt(model, images, upscale):
    """Feedback from a batch, whose grids may have been filled up, equals feedback from one."""
    needs(model, "points", "box", "mask_logits")
    embeddings = model.embed(images)
    first = [prompt_of("point"), prompt_of("box")]
    batch = model.predict(embeddings, first, True)
    second = [prompt_of("points", batch.logits[i, 0].cpu().numpy()) for i in range(2)]
    again = model.predict(embeddings, second, False)
    for i in range(2):
        alone = model.predict(embeddings[i : i + 1], first[i : i + 1], True)
        fed = prompt_of("points", alone.logits[0, 0].cpu().numpy())
        expected = model.predict(embeddings[i : i + 1], [fed], False)
        assert torch.equal(upscale(again, i), upscale(expected, 0))


@pytest.mark.parametrize("axis", ["x", "y"])
def test_a_click_on_one_side_does_not_answer_on_the_other(named, make_image, upscale, axis):
    """Swapped coordinates, or a size taken for the other, put the answer elsewhere."""
    name, model = named
    needs(model, "points")
    if name in SENSELESS:
        pytest.skip("random weights")
    image = make_image(60, 128, 1)  # a bright ellipse around (38, 30)
    click = np.array([[38, 30]], np.float32)
    if axis == "y":
        image, click = np.ascontiguousarray(image.transpose(1, 0, 2)), click[:, ::-1]
    prompt = Prompt(points=click, labels=np.array([1]))
    prediction = model.predict(model.embed([image]), [prompt], False)
    mask = upscale(prediction, 0)[0] > 0
    if axis == "y":
        mask = mask.T
    assert mask[30, 38]
    assert mask[:, 96:].float().mean() < 0.05


def test_later_clicks_change_something(model, images, upscale):
    needs(model, "points")
    embeddings = list(model.embed(images[:1])) * 2
    more = prompt_of("points")
    fewer = Prompt(points=more.points[:1], labels=more.labels[:1])
    prediction = model.predict(embeddings, [fewer, more], False)
    assert not torch.equal(upscale(prediction, 0), upscale(prediction, 1))


@pytest.mark.parametrize("multimask", [True, False])
def test_no_prompts(model, multimask):
    assert len(model.embed([])) == 0
    prediction = model.predict([], [], multimask)
    assert len(prediction.logits) == len(prediction.predicted_iou) == 0
    assert list(prediction.frames) == []


def test_images_are_left_as_they_are(model, images):
    before = [image.copy() for image in images]
    prompts = prompts_for(model)
    model.predict(list(model.embed(images[:1])) * len(prompts), prompts, True)
    assert all(np.array_equal(a, b) for a, b in zip(before, images, strict=True))


def test_facts_are_text(model):
    facts = model.facts
    assert facts.get("device", "cpu") == "cpu"
    assert all(isinstance(key, str) and isinstance(value, str) for key, value in facts.items())


@pytest.mark.parametrize("name", YAMLS)
def test_a_yaml_names_its_class_and_its_arguments(name):
    part = part_of(name)
    assert set(part) == {"name", "version", "target", "args", "about"}
    assert part["name"] == name
    assert isinstance(part["version"], str)
    assert {"title", "source", "licence"} <= set(part["about"])
    scales = {"parameters", "encoder_parameters", "data_share"}  # what Fig. 13 is drawn over
    assert all(isinstance(value, str) for k, value in part["about"].items() if k not in scales)
    assert all(part["about"].get(scale, 1) for scale in scales)
    parameters = inspect.signature(class_of(part)).parameters
    assert parameters["site"].kind is inspect.Parameter.KEYWORD_ONLY
    # Every argument stands in the YAML: a changed default could else change a number unseen.
    assert set(part["args"]) == set(parameters) - {"site"}


@pytest.mark.parametrize("name", each(HERE))
def test_pins_nothing_of_the_place(name):
    built(name)
    part = part_of(name)
    pinned = class_of(part).pin(args_of(name), SITE)
    assert not {"file", "url", "checkpoint", "folder", "repository", "revision"} & set(pinned)
    backwards = dict(reversed(args_of(name).items()))
    assert pinned == class_of(part).pin(backwards, replace(SITE, image_batch=9, prompt_batch=1))


@pytest.mark.parametrize("name", each(KEEPING))
def test_a_kept_embedding_answers_as_the_fresh_one(name, images, tmp_path):
    model, files = built(name), EmbeddingFiles(tmp_path, 10**9)
    prompts = prompts_for(model)
    for image in images:
        (fresh,) = model.embed([image])
        packed = model.pack(fresh)
        said = type(model).embedding_bytes(args_of(name))
        assert said <= sum(t.numel() * t.element_size() for t in packed.values()) <= 1.01 * said
        files.write(str(image.shape), packed)
        kept = model.unpack(files.read(str(image.shape)))
        before = model.predict([fresh] * len(prompts), prompts, True)
        after = model.predict([kept] * len(prompts), prompts, True)
        for i in range(len(prompts)):
            assert torch.equal(before.logits[i], after.logits[i])
            assert torch.equal(before.predicted_iou[i], after.predicted_iou[i])
        assert before.frames == after.frames


@pytest.mark.parametrize("name", each(KEEPING))
def test_tensors_that_are_no_embedding_are_refused(name, images):
    model = built(name)
    packed = dict(model.pack(model.embed(images[:1])[0]))
    for key, tensor in packed.items():
        others = [tensor.double(), tensor[:1], tensor.flatten()]
        for changed in ({key: other} for other in others):
            with pytest.raises(ValueError, match=r"no (features|sizes)"):
                model.unpack(packed | changed)
        with pytest.raises(ValueError, match=r"no (features|sizes)"):
            model.unpack({other: value for other, value in packed.items() if other != key})


def test_the_demo_models_keep_their_embeddings():
    assert set(KEEPING) >= {"demo", "demo_s", "demo_l"}
    assert not set(KEEPING) & {"disk", "grabcut", "random_walker"}


@pytest.mark.parametrize("name", each(KEEPING))
def test_the_identity_of_embeddings_follows_weights_and_thread(name):
    identity = built(name).embedding_identity()
    assert identity["checkpoint_sha256"] == part_of(name)["args"]["sha256"]
    assert identity["threads"] == str(torch.get_num_threads())
    assert all(identity[key] for key in ("torch", "torchvision", "pillow", "processor"))
