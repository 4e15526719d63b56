"""Exported pairs of encoder and decoder: they answer as the model that was exported."""

import sys
import warnings

import numpy as np
import pytest
import torch
from segment_anything.utils.transforms import ResizeLongestSide
from some_prompts import SIZES, some_prompts

from bench.cli.commands import export_model
from bench.models.exported import Exported, ExportedWithoutFeedback
from bench.models.exporting import KINDS, export_sam
from bench.models.sam_segmenter import SamSegmenter
from bench.types import BenchError, Prompt, Site, UnfitImageError

OFFLINE = Site(download=False)
ONNX = pytest.mark.skipif(sys.version_info < (3, 11), reason="onnxruntime needs Python 3.11")
EACH_KIND = [
    "torchscript",
    pytest.param("torch_export", marks=pytest.mark.long),
    pytest.param("onnx", marks=[pytest.mark.long, ONNX]),
]


@pytest.fixture(scope="module")
def exported(small_sam, tmp_path_factory):
    """Gives the arguments of a kind's export of the small Sam, made once."""
    made = {}

    def args(kind):
        if kind not in made:
            made[kind] = export_sam(small_sam, tmp_path_factory.mktemp(kind), kind)
        return dict(made[kind])

    return args


@pytest.mark.parametrize("kind", EACH_KIND)
def test_answers_as_the_model_that_was_exported_over_three_rounds(
    exported, small_sam, make_image, kind
):
    ours, theirs = Exported(**exported(kind), site=OFFLINE), SamSegmenter(small_sam, OFFLINE)
    for number, size in enumerate(SIZES[:2]):
        image = make_image(*size, number)
        prompts = some_prompts(10, size, 32, number)
        mine, other = ours.embed([image]) * 10, theirs.embed([image]) * 10
        for multimask in (True, False, False):
            a, b = ours.predict(mine, prompts, multimask), theirs.predict(other, prompts, multimask)
            assert list(a.frames) == list(b.frames)
            scale = 1e-4 * float(b.logits.std())
            for i in range(10):
                assert torch.allclose(a.logits[i], b.logits[i], rtol=0, atol=scale)
                assert torch.allclose(a.predicted_iou[i], b.predicted_iou[i], rtol=0, atol=1e-5)
            prompts = [
                Prompt(p.points, p.labels, p.box, a.logits[i][0].numpy())
                for i, p in enumerate(prompts)
            ]


@pytest.mark.parametrize("kind", EACH_KIND)
def test_images_are_embedded_as_they_are_alone(exported, make_image, kind):
    model = Exported(**exported(kind), site=OFFLINE)
    images = [make_image(*size, i) for i, size in enumerate(SIZES[:2])]
    together, apart = model.embed(images), [model.embed([image])[0] for image in images]
    for a, b in zip(together, apart, strict=True):
        assert all(map(torch.equal, a.features, b.features))
    with pytest.raises(UnfitImageError):
        model.embed([make_image(1, 3000, 1)])


@pytest.mark.parametrize("kind", EACH_KIND)
def test_the_parameters_are_those_of_the_model(exported, small_sam, kind):
    told = Exported(**exported(kind), site=OFFLINE).facts.get("parameters")
    assert told == (None if kind == "onnx" else str(sum(p.numel() for p in small_sam.parameters())))


def test_the_identity_is_of_the_content(exported, tmp_path):
    args = exported("torchscript")
    pinned = Exported.pin(args, OFFLINE)
    assert Exported.pin(args | {"prompt_size": None}, OFFLINE) == pinned
    assert Exported.pin(args | {"prompt_size": 256}, OFFLINE) != pinned
    assert not any("/" in str(value) for value in pinned.values())
    moved = {}
    for key in ("encoder", "decoder"):
        moved[key] = tmp_path / f"{key}.ts"
        moved[key].write_bytes((tmp_path.parent / args[key]).read_bytes())
    elsewhere = args | {key: str(path) for key, path in moved.items()}
    assert Exported.pin(elsewhere, OFFLINE) == pinned
    (tmp_path / "encoder.ts.data").write_bytes(b"weights beside it")
    assert Exported.pin(elsewhere, OFFLINE)["encoder"] != pinned["encoder"]
    assert Exported.pin(args | {"mean": [0, 0, 0]}, OFFLINE) == pinned | {"mean": [0, 0, 0]}


def traced(module, example, path):
    """A module as TorchScript at a path, which is given as text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(module, example, check_trace=False).save(str(path))
    return str(path)


class TwoFeatures(torch.nn.Module):
    """An encoder of two features: the picture's red at half size, and its mean."""

    def forward(self, image):
        return image[:, :1, ::2, ::2], image.mean((2, 3))


class Thresholds(torch.nn.Module):
    """A decoder of ``k`` masks: the red beyond a threshold, the last the most sure."""

    def __init__(self, k):
        super().__init__()
        self.k = k

    def forward(self, fine, coarse, points, labels):
        levels = torch.arange(self.k).float()[None, :, None, None]
        moved = levels + 0 * (points.sum() + labels.sum() + coarse.sum())
        return fine - moved, moved.flatten(1) / self.k


@pytest.fixture
def thresholds(tmp_path):
    """The arguments of such a pair of ``k`` masks."""

    def args(k):
        red, mean = torch.zeros(1, 1, 8, 8), torch.zeros(1, 3)
        points, labels = torch.zeros(1, 2, 2), torch.zeros(1, 2)
        return {
            "encoder": traced(TwoFeatures(), torch.zeros(1, 3, 16, 16), tmp_path / "e.ts"),
            "decoder": traced(Thresholds(k), (red, mean, points, labels), tmp_path / f"d{k}.ts"),
            "size": 16,
            "grid": 8,
            "mean": [0.0] * 3,
            "std": [1.0] * 3,
            "resize": "squash",
            "features": {"red": "fine", "means": "coarse"},
            "names": {"points": "points", "labels": "labels", "mask": None, "has_mask": None},
            "padding_point": False,
        }

    return args


@pytest.mark.parametrize(
    ("k", "several", "single"), [(4, [1, 2, 3], [0]), (3, [0, 1, 2], [2]), (1, [0], [0])]
)
def test_which_masks_are_asked_for(thresholds, k, several, single):
    model = ExportedWithoutFeedback(**thresholds(k), site=OFFLINE)
    image = np.full((16, 24, 3), 7, np.uint8)
    prompt = Prompt(box=np.array([1, 2, 9, 8], np.float32))
    for multimask, expected in ((True, several), (False, single)):
        found = model.predict(model.embed([image]), [prompt], multimask)
        assert torch.allclose(found.logits[0][:, 0, 0], 7 - torch.tensor(expected).float())
        assert found.frames[0].canvas == found.frames[0].content == (8, 8)


def test_without_a_mask_among_the_inputs_nothing_is_fed_back(thresholds):
    with pytest.raises(BenchError, match=r"choose the target .*ExportedWithoutFeedback"):
        Exported(**thresholds(3), site=OFFLINE)
    assert "mask_logits" not in ExportedWithoutFeedback.prompt_kinds
    model = ExportedWithoutFeedback(**thresholds(3), site=OFFLINE)
    fed = Prompt(mask_logits=np.zeros((8, 8), np.float32))
    with pytest.raises(BenchError, match="takes no mask_logits"):
        model.predict(model.embed([np.zeros((4, 5, 3), np.uint8)]), [fed], False)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"names": {"image": "pixels"}}, r"encoder\.ts has no input 'pixels'; found image;"),
        ({"names": {"points": "xy"}}, r"decoder\.ts has no input 'xy'; found image_embeddings, "),
        ({"names": {"has_mask": None}}, "wants an input 'has_mask_input' that is not described"),
        ({"features": {}}, "names no output of the encoder"),
        ({"features": {"a": "image_embeddings", "b": "c"}}, "gives 1 outputs, expected a, b in th"),
        ({"size": 96}, r"encoder\.ts fails on image 1×3×96×96"),
        ({"grid": 16}, r"decoder\.ts fails on .*mask_input 1×1×16×16"),
        ({"names": {"pointz": "x"}}, "model.args.names has no 'pointz'; there are image, points"),
        ({"resize": "crop"}, "no resize rule 'crop'; there are longest_side, squash"),
        ({"std": [1, 0, 1]}, "a mean and a std, not 0, for each of three colours"),
        ({"encoder": "nowhere.onnx"}, r"no checkpoint nowhere\.onnx"),
    ],
)
def test_an_export_that_is_not_as_described(exported, changed, said):
    with pytest.raises(BenchError, match=said):
        Exported(**exported("torchscript") | changed, site=OFFLINE)


@ONNX
@pytest.mark.long
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"size": 96},
            r"encoder\.onnx: the input image would be given 1×3×96×96, found image 1×3×128×128",
        ),
        ({"grid": 16}, r"mask_input would be given 1×1×16×16, found .*mask_input 1×1×32×32"),
        ({"names": {"logits": "masks"}}, "has no output 'masks'; found low_res_masks, iou_pred"),
        ({"names": {"points": "xy"}}, r"no input 'xy'; found image_embeddings 1×32×8×8, point_c"),
    ],
)
def test_an_onnx_export_says_its_shapes_and_outputs(exported, changed, said):
    with pytest.raises(BenchError, match=said):
        Exported(**exported("onnx") | changed, site=OFFLINE)


def test_a_decoder_of_another_grid_is_told(thresholds):
    with pytest.raises(BenchError, match=r"gives logits \(1, 3, 8, 8\).*set model\.args\.grid"):
        ExportedWithoutFeedback(**thresholds(3) | {"grid": 4}, site=OFFLINE)


@pytest.mark.parametrize("name", [pytest.param("cut.onnx", marks=ONNX), "cut.ts", "cut.pt2"])
def test_a_broken_file_is_named(exported, tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04 no graph")
    with pytest.raises(BenchError, match=rf"{name} can't be read as "):
        Exported(**exported("torchscript") | {"encoder": str(tmp_path / name)}, site=OFFLINE)


def test_without_onnxruntime_the_line_that_installs_it_is_given(exported, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (tmp_path / "e.onnx").write_bytes(b"")
    with pytest.raises(BenchError, match=r"pip install 'sam-bench\[onnx\]'"):
        Exported(**exported("torchscript") | {"encoder": str(tmp_path / "e.onnx")}, site=OFFLINE)


def test_without_onnxscript_nothing_is_exported_to_onnx(small_sam, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(BenchError, match=r"pip install 'sam-bench\[onnx\]'"):
        export_sam(small_sam, tmp_path, "onnx")


def test_the_command_offers_what_can_be_written():
    import argparse

    from bench.cli.arguments import Parser

    commands = Parser().add_subparsers(parser_class=Parser)
    export_model.add(commands)
    (action,) = (a for a in commands.choices["export-model"]._actions if a.dest == "format")
    assert isinstance(action, argparse.Action)
    assert list(action.choices) == list(KINDS)


class Points(torch.nn.Module):
    """A decoder as EfficientViT-SAM's authors export it: it takes no earlier mask."""

    def __init__(self, sam):
        super().__init__()
        self.sam, self.side = sam, sam.prompt_encoder.input_image_size[0]

    def forward(self, image_embeddings, point_coords, point_labels):
        prompts = self.sam.prompt_encoder
        where = prompts.pe_layer._pe_encoding((point_coords + 0.5) / self.side)
        kinds = point_labels[..., None]
        sparse = where * (kinds != -1) + prompts.not_a_point_embed.weight * (kinds == -1)
        for label, kind in enumerate(prompts.point_embeddings):
            sparse = sparse + kind.weight * (kinds == label)
        dense = prompts.no_mask_embed.weight.reshape(1, -1, 1, 1).expand_as(image_embeddings)
        return self.sam.mask_decoder.predict_masks(
            image_embeddings, prompts.get_dense_pe(), sparse, dense
        )


def test_prompts_may_lie_on_a_larger_square_than_the_encoder_sees(
    small_sam, make_image, tmp_path, upscale
):
    """As EfficientViT-SAM's, with 64 in the place of 512 and 128 in that of 1024."""
    torch.manual_seed(2)
    encoder = torch.nn.Conv2d(3, 32, 8, 8)
    files = {"encoder": tmp_path / "encoder.ts", "decoder": tmp_path / "decoder.ts"}
    example = torch.zeros(1, 32, 8, 8), torch.zeros(1, 3, 2), torch.ones(1, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(encoder, torch.zeros(1, 3, 64, 64)).save(str(files["encoder"]))
        torch.jit.trace(Points(small_sam), example, check_trace=False).save(str(files["decoder"]))
    mean, std = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
    model = ExportedWithoutFeedback(
        **{key: str(path) for key, path in files.items()}, size=64, prompt_size=128, grid=32,
        mean=mean, std=std, resize="longest_side", features={"f": "image_embeddings"},
        names={"image": "input", "mask": None, "has_mask": None}, padding_point=True, site=OFFLINE,
    )  # fmt: skip
    image = make_image(40, 90, 5)
    prompt = Prompt(points=np.array([[31, 17]], np.float32), labels=np.array([1]))
    found = model.predict(model.embed([image]), [prompt], True)
    small = ResizeLongestSide(64).apply_image(image)
    normal = (torch.from_numpy(small) - torch.tensor(mean)) / torch.tensor(std)
    seen = torch.zeros(1, 3, 64, 64)
    seen[:, :, : small.shape[0], : small.shape[1]] = normal.permute(2, 0, 1)
    large = ResizeLongestSide(128)
    point = torch.tensor(large.apply_coords(prompt.points, (40, 90)), dtype=torch.float32)[None]
    with torch.inference_mode():
        sparse, dense = small_sam.prompt_encoder((point, torch.ones(1, 1)), None, None)
        low, scores = small_sam.mask_decoder(
            encoder(seen), small_sam.prompt_encoder.get_dense_pe(), sparse, dense, True
        )
    content = large.get_preprocess_shape(40, 90, 128)
    expected = torch.nn.functional.interpolate(low, (128, 128), mode="bilinear")
    expected = torch.nn.functional.interpolate(
        expected[..., : content[0], : content[1]], (40, 90), mode="bilinear"
    )
    torch.testing.assert_close(upscale(found, 0), expected[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.predicted_iou, scores, rtol=1e-4, atol=1e-5)
