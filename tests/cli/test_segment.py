from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.cli import main
from bench.cli.segment import overlay, parse_prompt, segment
from bench.models.disk import Disk
from bench.types import BenchError, Prompt, Site

SHAPE = (60, 90)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a picture.png"
    Image.fromarray(np.full((*SHAPE, 3), 90, dtype=np.uint8)).save(path)
    return path


def test_words_become_a_prompt() -> None:
    prompt = parse_prompt("10,20;30,40;0,0", "1,1,0", "5,6,80.5,59", SHAPE)
    assert prompt.points.tolist() == [[10, 20], [30, 40], [0, 0]]
    assert prompt.labels.tolist() == [1, 1, 0]
    assert prompt.box is not None
    assert prompt.box.tolist() == [5, 6, 80.5, 59]


def test_points_are_foreground_by_default() -> None:
    assert parse_prompt("1,2;3,4", None, None, SHAPE).labels.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((None, None, None), "nothing to segment"),
        (("1,2;3,4", "1", None), "1 label for 2 points"),
        ((None, "1", "0,0,5,5"), "--input_label needs --input_point"),
        (("1,2", "2", None), "takes 1"),
        (("1;2", None, None), "has 1 numbers, expected 2"),
        (("a,b", None, None), "'a,b' is not a list of numbers"),
        (("nan,1", None, None), "not finite"),
        (("90,0", None, None), "x runs from 0 to 89"),
        (("0,60", None, None), "y from 0 to 59"),
        (("-1,0", None, None), "outside the picture"),
        ((None, None, "0,0,90,5"), "outside the picture"),
        ((None, None, "9,9,5,20"), "x0 ≤ x1"),
        ((None, None, "1,2,3"), "has 3 numbers, expected 4"),
    ],
)
def test_a_wrong_prompt_is_explained(words: tuple[str | None, ...], says: str) -> None:
    with pytest.raises(BenchError, match=says):
        parse_prompt(*words, shape=SHAPE)  # type: ignore[misc, arg-type]


def test_masks_and_overlays_are_written_the_surest_first(picture: Path, tmp_path: Path) -> None:
    model = Disk(site=Site())
    prompt = parse_prompt("30,20", None, None, SHAPE)
    found = segment(model, picture, prompt, multimask=True, out=tmp_path / "out")
    assert len(found) == 3
    assert [m.predicted_iou for m in found] == sorted(
        (m.predicted_iou for m in found), reverse=True
    )
    for one in found:
        written = np.array(Image.open(one.mask_file))
        assert np.array_equal(written > 0, one.mask)
        assert one.mask[20, 30]
        assert not one.mask[20, 85]
        with Image.open(one.overlay_file) as overlay:
            assert overlay.size == (90, 60)


def test_masks_are_cut_at_the_protocols_threshold(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = []
    for threshold in (0.0, 2.0):
        flags = [f"--image_path={picture}", "--input_point=30,20", f"--output_dir={tmp_path}"]
        words = ["model=disk", "protocol=sam", f"protocol.args.threshold={threshold}"]
        assert main(["segment", *flags, *words]) == 0
        masks = sorted(tmp_path.glob("*_mask_?.png"))
        sizes.append([int((np.array(Image.open(path)) > 0).sum()) for path in masks])
        assert f"{sizes[-1][0]} pixels" in capsys.readouterr().out
    assert all(more > fewer > 0 for more, fewer in zip(*sizes, strict=True))


def test_the_protocol_says_when_several_masks_are_asked_for(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [f"--image_path={picture}", "--input_point=30,20", f"--output_dir={tmp_path}"]
    for rule, count in (("first_click_only", 3), ("never", 1)):
        words = ["model=disk", f"protocol.args.multimask={rule}"]
        assert main(["segment", *flags, *words]) == 0
        assert capsys.readouterr().out.count("predicted IoU") == count


def test_an_overlay_shows_mask_and_clicks_in_their_places() -> None:
    image = np.full((*SHAPE, 3), 90, dtype=np.uint8)
    mask = np.zeros(SHAPE, dtype=bool)
    mask[30:50, 40:80] = True
    prompt = Prompt(np.array([[60, 40], [85, 35]], np.float32), np.array([1, 0]))
    drawn = overlay(image, mask, prompt, "").astype(int)
    red, _, blue = drawn[45, 70]
    assert blue > red
    assert drawn[40, 60, 1] > drawn[40, 60, 0]
    assert drawn[35, 85, 0] > drawn[35, 85, 1]
    assert drawn[55, 10].tolist() == [90, 90, 90]
    assert drawn.shape == (*SHAPE, 3)


@pytest.mark.parametrize("dash", ["_", "-"])
def test_the_command_takes_dashes_and_underscores(
    picture: Path, tmp_path: Path, dash: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = {"image_path": picture, "input_point": "30,20;40,25", "input_label": "1,0"}
    words["output_dir"] = tmp_path / "out"
    flags = [w for k, v in words.items() for w in (f"--{k.replace('_', dash)}", str(v))]
    assert main(["segment", *flags, "--input_box=1,1,80,50", "model=disk"]) == 0
    out = capsys.readouterr().out
    assert out.count("predicted IoU") == 1
    assert (tmp_path / "out" / "a picture_mask_1_overlay.png").is_file()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--input_point=100,100"], "outside the picture"),
        (["--input_point=1,1", "--input_label=1,0"], "2 labels for 1 point"),
        (["--input_point=1,1", "--image_path=/no/such.png"], "/no/such.png"),
        (["--input_point=1,1", "model=sam_vit_z"], "sam_vit_z"),
        (["--unknown"], "--unknown"),
        ([], "nothing to segment"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    picture: Path, flags: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["segment", f"--image_path={picture}", *flags])
    except SystemExit as ended:
        code = int(ended.code or 0)
    err = capsys.readouterr().err
    assert code == 2
    assert says in err
    assert len(err.strip().splitlines()) == 1


def test_an_unreadable_picture_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    assert main(["segment", f"--image_path={path}", "--input_point=1,1"]) == 2
    err = capsys.readouterr().err
    assert "broken.png" in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("of", ["logits", "predicted_iou"])
def test_an_answer_that_is_no_number_is_an_error_and_no_file(
    picture: Path, tmp_path: Path, of: str
) -> None:
    class Broken(Disk):
        def predict(self, embeddings, prompts, multimask):  # type: ignore[no-untyped-def]
            found = super().predict(embeddings, prompts, multimask)
            getattr(found, of).view(-1)[0] = float("inf")
            return found

    prompt = Prompt(box=np.array([5, 6, 40, 50], dtype=np.float32))
    with pytest.raises(BenchError, match=r"a picture\.png: the model's answer is NaN or infinite"):
        segment(Broken(site=Site()), picture, prompt, True, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def turned(tmp_path: Path) -> Path:
    """A photo stored 60 wide and 40 high, shown 40 wide and 60 high; below on it lies a square."""
    shown = np.full((60, 40, 3), 90, dtype=np.uint8)
    shown[42:54, 6:18] = (250, 30, 30)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "phone.png"
    Image.fromarray(np.ascontiguousarray(np.rot90(shown))).save(path, exif=exif)
    return path


def test_a_click_is_on_the_picture_as_stored_or_as_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["segment", f"--image_path={turned(tmp_path)}", "model=disk"]
    words += ["--input_point=12,47", f"--output_dir={tmp_path / 'out'}"]
    assert main([*words, "--exif=apply"]) == 0
    assert capsys.readouterr().err == ""
    mask = np.asarray(Image.open(tmp_path / "out" / "phone_mask_1.png"))
    assert mask.shape == (60, 40)
    assert mask[47, 12] == 255
    overlaid = np.asarray(Image.open(tmp_path / "out" / "phone_mask_1_overlay.png"))
    assert overlaid.shape == (60, 40, 3)
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "EXIF orientation 6" in said
    assert "60 wide and 40 high; --exif apply takes" in said
    assert main([*words, "--exif=ignore"]) == 2
    assert "EXIF" not in capsys.readouterr().err


def test_a_click_inside_either_way_is_said(
    tmp_path: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["model=disk", "--input_point=12,20", f"--output_dir={tmp_path / 'out'}"]
    path = turned(tmp_path)
    assert main(["segment", f"--image_path={path}", *words]) == 0
    assert "EXIF orientation 6" in capsys.readouterr().err
    assert np.asarray(Image.open(tmp_path / "out" / "phone_mask_1.png")).shape == (40, 60)
    assert main(["segment", f"--image_path={picture}", *words]) == 0
    assert capsys.readouterr().err == ""


def test_a_file_in_the_place_of_the_folder_is_refused_before_the_model_loads(
    picture: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bench.models.loading.load_model", None)
    words = ["--image_path", str(picture), "--input_point", "5,5", "--output_dir", str(picture)]
    assert main(["segment", *words, "model=disk"]) == 2
    assert "it is a file; --output_dir is a folder" in capsys.readouterr().err
