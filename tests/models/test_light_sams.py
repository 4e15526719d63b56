"""MobileSAM, RepViT-SAM, EfficientViT-SAM: encoders against timm's, strict loading, YAMLs."""

import re
import sys
from functools import partial

import numpy as np
import pytest
import timm
import torch
import yaml
from segment_anything import SamPredictor
from segment_anything.modeling.common import LayerNorm2d
from segment_anything.utils.transforms import ResizeLongestSide
from small_sam import (
    SMALL_SAMS,
    build_small_efficientvit_sam,
    build_small_mobile_sam,
    build_small_repvit_sam,
    filled,
)

from bench.config.folders import conf_dir
from bench.models.efficientvit_sam import (
    SIZES,
    Backbone,
    EfficientVitSam,
    build_efficientvit_sam,
    with_epsilon,
)
from bench.models.exported import Exported
from bench.models.exporting import export_sam
from bench.models.mobile_sam import STAGES, MobileSam, TinyVit, build_mobile_sam
from bench.models.repvit_sam import RepVit, RepVitSam, build_repvit_sam
from bench.models.sam_segmenter import SamSegmenter
from bench.models.weights import load_strict
from bench.types import BenchError, Prompt

ONNX = pytest.mark.skipif(sys.version_info < (3, 11), reason="onnxruntime needs Python 3.11")

FAMILIES = {
    "mobile_sam": (MobileSam, build_mobile_sam, build_small_mobile_sam),
    "repvit_sam": (RepVitSam, build_repvit_sam, build_small_repvit_sam),
    "efficientvit_sam_l0": (
        EfficientVitSam,
        partial(build_efficientvit_sam, SIZES["l0"]),
        build_small_efficientvit_sam,
    ),
}


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param, *FAMILIES[request.param]


def args_of(name, **changes):
    part = yaml.safe_load((conf_dir() / "model" / f"{name}.yaml").read_text())
    return part["args"] | changes


TINY_VIT = (
    (r"^patch_embed\.seq\.0\.", "patch_embed.conv1."),
    (r"^patch_embed\.seq\.2\.", "patch_embed.conv2."),
    (r"^layers\.0\.downsample\.", "stages.1.downsample."),
    (r"^layers\.1\.downsample\.", "stages.2.downsample."),
    (r"^layers\.2\.downsample\.", "stages.3.downsample."),
    (r"^layers\.", "stages."),
    (r"\.c\.", ".conv."),
    (r"^norm_head\.", "head.norm."),
    (r"^head\.(weight|bias)", r"head.fc.\1"),
)
"""From the names of MobileSAM's checkpoint to those of timm."""


def renamed(state, rules):
    found = {}
    for name, tensor in state.items():
        for pattern, other in rules:
            name = re.sub(pattern, other, name)
        found[name] = tensor
    return found


def test_tiny_vit_is_timms_with_a_last_stage_of_full_size():
    """Each in its own code; sides of windows that don't divide the tokens, but for one."""
    torch.manual_seed(1)
    ours = TinyVit(side=224)
    own = {k: v for k, v in filled(ours).state_dict().items() if not k.startswith("neck.")}
    theirs = timm.create_model("tiny_vit_5m_224", num_classes=1000).eval()
    theirs.stages[3].downsample.conv2.conv.stride = (1, 1)
    theirs.load_state_dict(renamed(own, TINY_VIT))
    image = torch.randn(2, 3, 224, 160)  # not square
    with torch.inference_mode():
        expected = ours.neck(theirs.forward_features(image))
        found = ours(image)
    assert found.shape == (2, 256, 14, 10)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert [stage.window for stage in STAGES] == [0, 7, 14, 7]


def rules_of_repvit(depths):
    """From the names of RepViT-SAM's checkpoint, where all blocks are in a row, to timm's."""
    rules = [(r"^features\.0\.0\.", "stem.conv1."), (r"^features\.0\.2\.", "stem.conv2.")]
    number = 1
    for stage, depth in enumerate(depths):
        if stage:
            down = f"stages.{stage}.downsample"
            first, second = rf"^features\.{number}\.", rf"^features\.{number + 1}\."
            rules += [
                (first, f"{down}.pre_block."),
                (second + r"token_mixer\.0\.", f"{down}.spatial_downsample."),
                (second + r"token_mixer\.2\.", f"{down}.channel_downsample."),
                (second + r"channel_mixer\.m\.0\.", f"{down}.ffn.conv1."),
                (second + r"channel_mixer\.m\.2\.", f"{down}.ffn.conv2."),
            ]
            number += 2
        for block in range(depth):
            rules.append((rf"^features\.{number}\.", f"stages.{stage}.blocks.{block}."))
            number += 1
    return [
        *rules,
        (r"\.token_mixer\.0\.", ".token_mixer."),
        (r"\.token_mixer\.1\.", ".se."),
        (r"\.channel_mixer\.m\.0\.", ".channel_mixer.conv1."),
        (r"\.channel_mixer\.m\.2\.", ".channel_mixer.conv2."),
    ]


def test_repvit_is_timms_with_a_last_stage_of_full_size():
    torch.manual_seed(1)
    widths, depths = (48, 80, 96, 160), (3, 2, 4, 2)
    ours = RepVit(tuple(zip(widths, depths, strict=True)), side=128)
    own = {k: v for k, v in filled(ours).state_dict().items() if not k.startswith("neck.")}
    theirs = timm.create_model(
        "repvit_m2_3", embed_dim=widths, depth=depths, num_classes=0, distillation=False
    ).eval()
    theirs.stages[3].downsample.spatial_downsample.c.stride = (1, 1)
    theirs.load_state_dict(renamed(own, rules_of_repvit(depths)))
    image = torch.randn(2, 3, 128, 96)
    with torch.inference_mode():
        expected = ours.neck(theirs.forward_features(image))
        found = ours(image)
    assert found.shape == (2, 256, 8, 6)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


EFFICIENT_VIT = (
    (r"^stages\.0\.op_list\.0\.", "stem.in_conv."),
    (r"^stages\.0\.op_list\.1\.", "stem.res0."),
    (r"^stages\.(\d+)\.op_list\.", lambda found: f"stages.{int(found[1]) - 1}.blocks."),
)
"""From the names of EfficientViT-SAM's checkpoints, below ``backbone``, to those of timm."""


def test_efficient_vit_is_timms():
    torch.manual_seed(1)
    ours = filled(with_epsilon(Backbone(SIZES["l1"])))
    theirs = timm.create_model("efficientvit_l1", num_classes=0).eval()
    theirs.load_state_dict(renamed(ours.state_dict(), EFFICIENT_VIT), strict=False)
    own = theirs.state_dict().keys()
    assert renamed(ours.state_dict(), EFFICIENT_VIT).keys() == {k for k in own if "head" not in k}
    image = torch.randn(1, 3, 128, 96)
    with torch.inference_mode():
        found, seen = theirs.stem(image), []
        for stage in theirs.stages:
            found = stage(found)
            seen.append(found)
        for mine, other in zip(ours(image), seen[:-4:-1], strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5 * float(other.std()))


def test_efficientvit_sam_sees_a_smaller_picture_than_its_prompts_lie_on(make_image, site, upscale):
    """``EfficientViTSam.transform`` and ``EfficientViTSamPredictor.predict``, written out."""
    sam, image = build_small_efficientvit_sam(), make_image(50, 90, 3)
    assert (sam.image_encoder.img_size, sam.prompt_encoder.input_image_size) == (64, (128, 128))
    small = torch.from_numpy(ResizeLongestSide(64).apply_image(image)).permute(2, 0, 1)
    normal = torch.zeros(1, 3, 64, 64)
    normal[0, :, : small.shape[1], : small.shape[2]] = (small - sam.pixel_mean) / sam.pixel_std
    large, points = ResizeLongestSide(128), np.array([[20, 30], [70, 8]])
    scaled = torch.tensor(large.apply_coords(points, (50, 90)), dtype=torch.float32)[None]
    with torch.inference_mode():
        sparse, dense = sam.prompt_encoder((scaled, torch.tensor([[1, 0]])), None, None)
        features = sam.image_encoder(normal)
        low, scores = sam.mask_decoder(
            features, sam.prompt_encoder.get_dense_pe(), sparse, dense, True
        )
    h, w = large.get_preprocess_shape(50, 90, 128)
    resize = partial(torch.nn.functional.interpolate, mode="bilinear", align_corners=False)
    expected = resize(resize(low, (128, 128))[..., :h, :w], (50, 90))
    model = SamSegmenter(sam, site)
    prompt = Prompt(points=points.astype(np.float32), labels=np.array([1, 0]))
    found = model.predict(model.embed([image]), [prompt], True)
    torch.testing.assert_close(upscale(found, 0), expected[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.predicted_iou, scores, rtol=1e-4, atol=1e-5)


def test_every_norm_has_the_authors_epsilon():
    with torch.device("meta"):
        sam = build_efficientvit_sam(SIZES["xl0"])
    norms = (torch.nn.LayerNorm, torch.nn.BatchNorm2d, LayerNorm2d)
    found = {type(m): m.eps for m in sam.modules() if isinstance(m, norms)}
    assert found == dict.fromkeys(norms, 1e-6)


@pytest.mark.parametrize("name", ["small_mobile_sam", "small_repvit_sam"])
def test_it_answers_as_sams_predictor(name, make_image, site, upscale):
    """Preprocessing and prompts are those of ``SamPredictor``, which the authors' is."""
    sam = SMALL_SAMS[name]()
    image = make_image(50, 90, 3)
    predictor = SamPredictor(sam)
    predictor.set_image(image)
    points, labels = np.array([[20, 30], [70, 8]]), np.array([1, 0])
    _, expected_iou, low = predictor.predict(points, labels, multimask_output=True)
    masks, _, _ = predictor.predict(points, labels, multimask_output=True, return_logits=True)
    model = SamSegmenter(sam, site)
    prompt = Prompt(points=points.astype(np.float32), labels=labels)
    found = model.predict(model.embed([image]), [prompt], True)
    torch.testing.assert_close(found.logits[0], torch.from_numpy(low), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.predicted_iou[0], torch.from_numpy(expected_iou))
    torch.testing.assert_close(upscale(found, 0), torch.from_numpy(masks), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in SMALL_SAMS if name != "small_sam"])
@pytest.mark.parametrize(
    "kind", ["torchscript", pytest.param("onnx", marks=[pytest.mark.long, ONNX])]
)
def test_an_export_gives_the_same(name, kind, make_image, site, tmp_path):
    sam, image = SMALL_SAMS[name](), make_image(50, 90, 3)
    model, exported = (
        SamSegmenter(sam, site),
        Exported(**export_sam(sam, tmp_path, kind), site=site),
    )
    prompt = Prompt(points=np.array([[20, 30]], np.float32), labels=np.array([1]))
    own, other = (each.predict(each.embed([image]), [prompt], True) for each in (model, exported))
    torch.testing.assert_close(own.logits, other.logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [*FAMILIES, *(f"efficientvit_sam_{size}" for size in SIZES)])
def test_parameters_are_those_of_the_yaml(name):
    model = FAMILIES[name if name in FAMILIES else "efficientvit_sam_l0"][0]
    build = model.architectures()[args_of(name)["arch"]]
    with torch.device("meta"):
        sam = build()
    about = yaml.safe_load((conf_dir() / "model" / f"{name}.yaml").read_text())["about"]
    for part, key in ((sam, "parameters"), (sam.image_encoder, "encoder_parameters")):
        assert f"{sum(p.numel() for p in part.parameters()):,}".replace(",", " ") == about[key]


@pytest.fixture
def weights(family):
    """A whole checkpoint of the family: expanded from single numbers, it is small on the disk."""
    with torch.device("meta"):
        shapes = family[2]().state_dict()
    return {
        name: torch.zeros((), dtype=tensor.dtype).expand(tensor.shape)
        for name, tensor in shapes.items()
    }


def test_a_checkpoint_is_taken_strictly(family, weights, tmp_path, site):
    name, model, _, _ = family
    path = tmp_path / "own.pt"
    args = args_of(name, checkpoint=str(path))
    torch.save({"model": {f"module.{key}": value for key, value in weights.items()}}, path)
    model.check_files(args, site)  # as DataParallel wraps it
    key = next(key for key in weights if key.startswith("image_encoder."))
    for broken, says in (
        ({k: v for k, v in weights.items() if k != key}, f"1 missing: {key}$"),
        (weights | {"head.weight": torch.zeros(1)}, "1 unexpected: head.weight$"),
        (weights | {key: torch.zeros(3)}, f"1 of another shape: {key} .*, found 3\\)$"),
    ):
        torch.save(broken, path)
        with pytest.raises(BenchError, match=says):
            model.check_files(args, site)


def test_a_checkpoint_of_a_relative_is_named(weights, family, tmp_path, site):
    name, *_ = family
    other = next(each for each in FAMILIES if each != name)
    path = tmp_path / "other.pt"
    torch.save(weights, path)
    with pytest.raises(BenchError, match=f"model={name} "):
        FAMILIES[other][0].check_files(args_of(other, checkpoint=str(path)), site)


def test_weights_are_loaded_and_give_what_they_gave(family, make_image, site):
    *_, small = family
    first, second = small(), small()
    with torch.no_grad():
        for value in second.state_dict().values():
            value.zero_()
    load_strict(second, first.state_dict(), "w")
    image = make_image(40, 70, 4)
    (expected,) = SamSegmenter(first, site).embed([image])
    (found,) = SamSegmenter(second, site).embed([image])
    assert torch.equal(found.features, expected.features)


def test_a_file_without_a_known_hash_is_not_fetched(site):
    with pytest.raises(
        BenchError, match=r"repvit_sam\.pt is not fetched.*get https:.*model\.args\.checkpoint=FILE"
    ):
        RepVitSam.pin(args_of("repvit_sam"), site)


@pytest.mark.long
def test_the_published_sizes_run(family, weights, make_image, site, tmp_path):
    """Weights of zeros: what the encoder makes of a picture is then its last norm's bias."""
    name, model, _, _ = family
    path = tmp_path / "zeros.pt"
    bias = torch.arange(256.0)
    last = next(k for k in ("neck.3.bias", "norm.bias") if f"image_encoder.{k}" in weights)
    torch.save(weights | {f"image_encoder.{last}": bias}, path)
    loaded = model(**args_of(name, checkpoint=str(path)), site=site)
    (embedding,) = loaded.embed([make_image(50, 90, 3)])
    assert torch.equal(embedding.features, bias[:, None, None].expand(256, 64, 64))
    assert model.embedding_bytes(args_of(name)) == 256 * 64 * 64 * 4
