"""Networks for clicks: the published loop around them, written out plainly, and what is refused."""

import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from small_click_network import SmallClickNetwork, script, traced
from torch import nn

import bench
from bench.config.folders import conf_dir
from bench.data.readers.shapes import Shapes
from bench.models.interactive import ClickNetwork
from bench.models.zooming import Window, Zoom, disks, object_window
from bench.types import BenchError, Mask, Prompt, Site, UnfitImageError

ONNX = pytest.mark.skipif(sys.version_info < (3, 11), reason="onnxruntime needs Python 3.11")

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def args_of(name, network, **changes):
    part = yaml.safe_load((conf_dir() / "model" / f"{name}.yaml").read_text())
    return part["args"] | {"network": str(network), **changes}


@pytest.fixture
def picture():
    """(H, W, 3) noise over a bright ellipse, not square, larger than the smallest window."""
    height, width = 260, 430
    y, x = np.mgrid[:height, :width]
    inside = np.hypot((y - 100) / 55, (x - 290) / 60) < 1
    noise = np.random.default_rng(2).random((height, width, 3))
    return (80 * noise + 120 * inside[..., None]).astype(np.uint8)


CLICKS = [(100, 290, 1), (150, 40, 0), (60, 300, 1), (130, 330, 1), (10, 420, 0), (240, 20, 1)]
"""Row, column and label; the last one lies outside of any window until then."""


def rounds(model, picture, clicks=CLICKS):
    """Probabilities (H, W) after each click, each answer fed back with the next one."""
    (embedding,) = model.embed([picture])
    fed, found = None, []
    for count in range(1, len(clicks) + 1):
        rows, columns, labels = np.array(clicks[:count]).T
        points = np.stack([columns, rows], axis=1).astype(np.float32)
        prompt = Prompt(points=points, labels=labels, mask_logits=fed)
        answer = model.predict([embedding], [prompt], False)
        fed = answer.logits[0][0].numpy()
        (frame,) = answer.frames
        assert frame.canvas == fed.shape
        assert frame.content == frame.image == picture.shape[:2]
        found.append(torch.from_numpy(fed[: len(picture)]).sigmoid().numpy())
    return found


def circles(clicks, size):
    """Disks of radius 5 around (row, column), pixel by pixel."""
    y, x = np.mgrid[: size[0], : size[1]]
    found = np.zeros(size, np.float32)
    for row, column in clicks:
        if max(row, column) >= 0:
            found[np.float32(y - row) ** 2 + np.float32(x - column) ** 2 <= 25] = 1
    return found


def asked(network, maps, places, labels, mirror=True):
    """The network on (1, 4, h, w) and on its mirror image, the mean of both answers' logits."""
    size, found = maps.shape[2:], []
    for turned in (False, True)[: 1 + mirror]:
        seen = maps.flip(3) if turned else maps
        at = [(r, size[1] - c - 1) if turned else (r, c) for r, c in places]
        positive = circles([p for p, label in zip(at, labels, strict=True) if label], size)
        negative = circles([p for p, label in zip(at, labels, strict=True) if not label], size)
        image = (seen[:, :3] - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
        clicks = torch.cat([seen[:, 3:], torch.from_numpy(np.stack([positive, negative]))[None]], 1)
        with torch.no_grad():
            answer = network(image, clicks)
        answer = F.interpolate(answer, size=size, mode="bilinear", align_corners=True)
        found.append(answer.flip(3) if turned else answer)
    return sum(found) / len(found)


def around(mask, positive):
    """First and last row, first and last column of the zoom-in, by the published rule."""
    there = mask.copy()
    for row, column in positive:
        there[row, column] = True
    sides = []
    for axis in (1, 0):
        (lines,) = np.nonzero(there.any(axis=axis))
        middle = (lines[0] + lines[-1]) / 2
        half = max(1.4 * (lines[-1] - lines[0] + 1), 200) / 2
        sides += [max(0, round(middle - half)), min(mask.shape[1 - axis] - 1, round(middle + half))]
    return tuple(int(side) for side in sides)


def overlap(one, other):
    found = 1.0
    for i in (0, 2):
        common = min(one[i + 1], other[i + 1]) - max(one[i], other[i]) + 1
        found *= max(0, common) / (max(one[i + 1], other[i + 1]) - min(one[i], other[i]) + 1)
    return found


def zoomed_loop(network, picture, size, square, first, clicks=CLICKS):
    """The loop of ``BasePredictor`` with ``ZoomIn``, which remembers its window by itself."""
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None] / 255
    height, width = picture.shape[:2]
    before, window, found = torch.zeros(1, 1, height, width), None, []
    for count in range(1, len(clicks) + 1):
        places, labels = [c[:2] for c in clicks[:count]], [c[2] for c in clicks[:count]]
        positive = [p for p, label in zip(places, labels, strict=True) if label]
        mask = before[0, 0].numpy() > 0.5
        zooms = count >= first and (first == 1 or mask.any())
        if zooms:
            new = around(mask, positive) if mask.any() else (0, height - 1, 0, width - 1)
            lost = window is not None and not all(
                window[0] <= r < window[1] and window[2] <= c < window[3] for r, c in positive
            )
            if window is None or lost or overlap(new, window) < 0.5:
                window = new
            top, bottom, left, right = window
            h, w = bottom - top + 1, right - left + 1
            scale = size / max(h, w)
            shown = (size, size) if square else (round(h * scale), round(w * scale))
            maps = torch.cat([pixels, before], 1)[..., top : bottom + 1, left : right + 1]
            maps = F.interpolate(maps, size=shown, mode="bilinear", align_corners=True)
            inside = [(shown[0] * (r - top) / h, shown[1] * (c - left) / w) for r, c in places]
            answer = asked(network, maps, inside, labels).sigmoid()
        else:
            answer = asked(network, torch.cat([pixels, before], 1), places, labels).sigmoid()
        if window is not None:
            top, bottom, left, right = window
            h, w = bottom - top + 1, right - left + 1
            answer = F.interpolate(answer, size=(h, w), mode="bilinear", align_corners=True)
            before = torch.zeros(1, 1, height, width)
            before[..., top : bottom + 1, left : right + 1] = answer
        else:
            before = answer
        found.append((before[0, 0].numpy(), window))
    return found


@pytest.mark.parametrize("shift", [-3.5, -6.0, -9.0], ids=["grows", "comes_and_goes", "empty"])
@pytest.mark.parametrize(
    ("name", "shape"), [("ritm", (400, False, 2)), ("simpleclick", (448, True, 1))]
)
def test_it_is_the_published_loop(tmp_path, site, picture, name, shape, shift):
    file = traced(tmp_path / "net.ts", shift=shift)
    found = rounds(ClickNetwork(**args_of(name, file), site=site), picture)
    expected = zoomed_loop(SmallClickNetwork(0, shift), picture, *shape)
    for ours, (theirs, _) in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-6)
    windows = {window for _, window in expected}
    if shift == -3.5 and name == "ritm":
        assert len(windows) > 2  # none at first, then several
    if shift == -9.0:
        assert windows <= {None, (0, 259, 0, 429)}


@pytest.mark.long
def test_a_run_scores_the_published_loop(tmp_path):
    """Clicks as a run placed them, answered by the loop anew: each mask is that of the row."""
    file = traced(tmp_path / "net.ts", shift=-3.5)
    runs = str(tmp_path / "runs")
    words = ["dataset.args.sizes=[[220,300]]", "dataset.args.count=1", "dataset.args.objects=4"]
    words += ["prompts.points.args.clicks=4", "prompts.points.args.report=[1,4]"]
    done = bench.evaluate(
        *words, f"model.args.network={file}", "runtime.keep_masks=true", model="ritm",
        dataset="shapes", prompt="points", protocol="ritm_noc", results=runs,
    )  # fmt: skip
    assert not done.failed
    sample = Shapes(count=1, sizes=[[220, 300]], objects=4, site=Site()).read("scene_00000")
    rows = bench.read_runs(results=runs)
    foreground = 0
    for _, steps in rows.groupby("mask_id"):
        steps = steps.sort_values("step")
        last = steps.iloc[-1]
        clicks = [
            (int(y), int(x), int(label))
            for (x, y), label in zip(last["point_coords"], last["point_labels"], strict=True)
        ]
        loop = zoomed_loop(SmallClickNetwork(0, -3.5), sample.image, 400, False, 2, clicks)
        for (probabilities, _), rle in zip(loop, steps["mask_rle"], strict=True):
            mask = Mask.from_rle({"size": [220, 300], "counts": rle}).dense()
            assert np.array_equal(mask, probabilities > 0.49)
            foreground += mask.sum()
    assert len(rows) == 4 * rows["mask_id"].nunique() == 8
    assert foreground > 0


def test_segnext_sees_the_whole_image_squashed(tmp_path, site, picture):
    file = traced(tmp_path / "net.ts", batch=1)
    network = SmallClickNetwork(0)
    found = rounds(ClickNetwork(**args_of("segnext_click", file, size=160), site=site), picture)
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None] / 255
    height, width = picture.shape[:2]
    before = torch.zeros(1, 1, height, width)
    for count, ours in enumerate(found, 1):
        maps = F.interpolate(
            torch.cat([pixels, before], 1), size=(160, 160), mode="bilinear", align_corners=False
        )
        places = [
            (int(r * (160 / height) + 0.5), int(c * (160 / width) + 0.5))
            for r, c, _ in CLICKS[:count]
        ]
        logits = asked(network, maps, places, [c[2] for c in CLICKS[:count]], mirror=False)
        before = F.interpolate(
            logits, size=(height, width), mode="bilinear", align_corners=False
        ).sigmoid()
        np.testing.assert_allclose(ours, before[0, 0].numpy(), atol=2e-6)


def test_without_zoom_and_mirror_it_is_the_bare_network(tmp_path, site, picture):
    file = traced(tmp_path / "net.ts", batch=1)
    args = args_of("ritm", file, zoom_from=None, size=None, mirror=False)
    (found, *_) = rounds(ClickNetwork(**args, site=site), picture, CLICKS[:1])
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None] / 255
    maps = torch.cat([pixels, torch.zeros(1, 1, 260, 430)], 1)
    expected = asked(SmallClickNetwork(0), maps, [CLICKS[0][:2]], [1], mirror=False).sigmoid()
    np.testing.assert_allclose(found, expected[0, 0].numpy(), atol=1e-6)


@pytest.mark.parametrize(
    "kind", ["torch_export", pytest.param("onnx", marks=[pytest.mark.long, ONNX])]
)
def test_other_exports_answer_as_torchscript(tmp_path, site, picture, kind):
    script = rounds(ClickNetwork(**args_of("ritm", traced(tmp_path / "n.ts")), site=site), picture)
    network = SmallClickNetwork(0).eval()
    # Two tensors: given one for both, the exporter takes them for one input.
    example = torch.zeros(2, 3, 64, 80), torch.zeros(2, 3, 64, 80)
    free = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    file = tmp_path / {"onnx": "n.onnx", "torch_export": "n.pt2"}[kind]
    if kind == "onnx":
        torch.onnx.export(
            network, example, str(file), input_names=["image", "clicks"],
            output_names=["logits"], dynamic_shapes=(free, free), dynamo=True, verbose=False,
            external_data=False,
        )  # fmt: skip
    else:
        exported = torch.export.export(network, example, dynamic_shapes=(free, free))
        torch.export.save(exported, file)
    found = rounds(ClickNetwork(**args_of("ritm", file), site=site), picture)
    for ours, theirs in zip(found, script, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


class Others(nn.Module):
    """Other names than those that are expected."""

    def forward(self, pixels, points):
        return (pixels + points).sum(1, keepdim=True)


class Pair(nn.Module):
    """Two masks instead of one."""

    def forward(self, image, clicks):
        return (image + clicks)[:, :2]


@pytest.mark.parametrize(
    ("network", "says"),
    [
        (Others(), r"no input 'image'; found pixels, points; set model\.args\.names"),
        (Pair(), r"gives logits \(2, 2, 96, 128\), expected \(2, 1, h, w\)"),
    ],
)
def test_another_interface_is_refused_with_what_was_found(tmp_path, site, network, says):
    file = script(network, tmp_path / "n.ts")
    with pytest.raises(BenchError, match=says):
        ClickNetwork.check_files(args_of("ritm", file), site)


def test_other_names_may_be_said(tmp_path, site):
    file = script(Others(), tmp_path / "n.ts")
    names = {"image": "pixels", "clicks": "points"}
    ClickNetwork.check_files(args_of("ritm", file, names=names), site)
    with pytest.raises(BenchError, match=r"names has no 'click'; there are image, clicks, logits"):
        ClickNetwork.pin(args_of("ritm", file, names={"click": "x"}), site)


def test_a_network_of_one_size_is_refused_where_sizes_change(tmp_path, site):
    example, file = [torch.zeros(2, 3, 448, 448) for _ in range(2)], tmp_path / "n.pt2"
    torch.export.save(torch.export.export(SmallClickNetwork(0), tuple(example)), file)
    ClickNetwork.check_files(args_of("simpleclick", file), site)
    with pytest.raises(BenchError, match=r"would be given 2×3×\?×\?, found image 2×3×448×448"):
        ClickNetwork.check_files(args_of("ritm", file), site)
    with pytest.raises(BenchError, match=r"would be given 1×3×448×448, found image 2×3×448×448"):
        ClickNetwork.check_files(args_of("simpleclick", file, mirror=False), site)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"network": None}, r"no checkpoint is named: export.*model\.args\.network=FILE"),
        ({"size": None}, r"zoom_from wants a model\.args\.size"),
        ({"zoom_from": 0}, "first click of 1 or more, found zoom_size=400 and zoom_from=0"),
        ({"std": [0.2, 0.2]}, "a value for each of three colours"),
    ],
)
def test_arguments_that_make_no_sense(tmp_path, site, changes, says):
    args = args_of("ritm", traced(tmp_path / "n.ts")) | changes
    with pytest.raises(BenchError, match=says):
        ClickNetwork(**args, site=site)


def test_prompts_that_it_cannot_be_asked(tmp_path, site, picture):
    model = ClickNetwork(**args_of("ritm", traced(tmp_path / "n.ts")), site=site)
    embeddings = model.embed([picture])
    click = {"points": np.array([[3, 4]], np.float32), "labels": np.array([1])}
    for prompt, says in (
        (Prompt(box=np.array([1, 2, 30, 40], np.float32)), "takes no box"),
        (Prompt(mask_logits=np.zeros((261, 430), np.float32)), "needs a point"),
        (Prompt(**click, mask_logits=np.zeros((260, 430), np.float32)), "must be 261×430"),
    ):
        with pytest.raises(BenchError, match=says):
            model.predict(embeddings, [prompt], False)


def test_pictures_of_few_columns_carry_the_window_in_more_rows(tmp_path, site):
    model = ClickNetwork(**args_of("ritm", traced(tmp_path / "n.ts")), site=site)
    narrow = np.full((300, 2, 3), 90, np.uint8)
    narrow[100:140] = 200
    clicks = [(120, 1, 1), (120, 0, 1), (10, 1, 0)]
    (embedding,) = model.embed([narrow])
    prompt = Prompt(points=np.array([[1, 120]], np.float32), labels=np.array([1]))
    assert model.predict([embedding], [prompt], False).logits[0].shape == (1, 303, 2)
    assert all(np.isfinite(each).all() for each in rounds(model, narrow, clicks))
    model = ClickNetwork(**args_of("ritm", traced(tmp_path / "n.ts", shift=9)), site=site)
    needle = np.full((3000, 1, 3), 200, np.uint8)
    with pytest.raises(UnfitImageError, match="3000×1"):
        rounds(model, needle, [(10, 0, 1), (2500, 0, 1)])


def test_identity_is_the_files_content(tmp_path):
    site = Site(checkpoints=tmp_path)
    first, second = traced(tmp_path / "a.ts"), tmp_path / "b.ts"
    second.write_bytes(first.read_bytes())
    pinned = ClickNetwork.pin(args_of("ritm", "a.ts"), site)
    assert pinned == ClickNetwork.pin(args_of("ritm", second), site)
    assert (
        pinned["network"]
        != ClickNetwork.pin(args_of("ritm", traced(tmp_path / "c.ts", seed=1)), site)["network"]
    )
    facts = ClickNetwork(**args_of("ritm", first), site=site).facts
    assert facts["checkpoint_sha256"] == pinned["network"]


def test_disks_reach_five_pixels_and_end_at_the_border():
    found = disks(np.array([[3.5, 4.0], [-1.0, 12.0], [-2.0, -2.0]]), (11, 16), 5)
    assert found.tolist() == circles([(3.5, 4.0), (-1.0, 12.0)], (11, 16)).tolist()
    assert found[6, 9] == 0
    assert found[6, 8] == 1


def test_a_window_of_a_small_object_is_as_large_as_the_image_lets_it():
    mask = np.zeros((300, 500), bool)
    mask[10:20, 240:260] = True
    assert object_window(mask, np.zeros((0, 2))) == Window(0, 114, 150, 350)
    assert object_window(mask, np.array([[290.0, 250.0]])) == Window(0, 299, 150, 350)
    zoom = Zoom(400, False, 2)
    assert zoom.scaled(Window(0, 114, 150, 349)) == (230, 400)
