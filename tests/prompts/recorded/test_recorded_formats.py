"""Every layout of recorded prompts, in its official form, and what is wrong with one said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bench.prompts.recorded import source as sources
from bench.prompts.recorded.formats import formats
from bench.prompts.recorded.record import read_record
from bench.prompts.recorded.strategy import Recorded
from bench.protocol import Protocol
from bench.types import BenchError, Mask, Prompt, Target
from bench.types.scribbles import drawn, strokes_of

H, W = 12, 20


def target(mask_id: str, height: int = H, width: int = W) -> Target:
    dense = np.zeros((height, width), dtype=bool)
    dense[2:9, 3:15] = True
    return Target(mask_id, Mask.from_dense(dense))


def walk(file: Path, image: str, mask_id: str, **args: object) -> list[Prompt]:
    """The prompts of the one mask of an image, one step after the other."""
    each = Recorded(str(file), protocol=Protocol(), **args)  # type: ignore[arg-type]
    one = target(mask_id)
    asked = each.of_image(image, [one])
    found: list[Prompt] = []
    for _ in range(each.steps):
        previous = found[-1] if found else None
        prompt = asked.strategy.next(one, None, one.mask, previous, np.random.default_rng(0))
        if prompt is None:
            break
        assert prompt.kinds <= each.prompt_kinds
        found.append(prompt)
    return found


def clicks(prompt: Prompt) -> list[tuple[float, float, int]]:
    return [(x, y, n) for (x, y), n in zip(prompt.points.tolist(), prompt.labels, strict=True)]


TABLE = """image,mask,step,x,y,label
a.jpg,7,1,4,5,1
a.jpg,7,2,10.5,6,0
a.jpg,8,1,3,3,1
"""


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_of_clicks_adds_one_step_to_the_other(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"clicks.{ending}"
    (tmp_path / "clicks.csv").write_text(TABLE)
    if ending == "parquet":
        pd.read_csv(tmp_path / "clicks.csv").to_parquet(file)
    found = walk(file, "a", "7")
    assert [clicks(each) for each in found] == [[(4, 5, 1)], [(4, 5, 1), (10.5, 6, 0)]]
    assert [clicks(each) for each in walk(file, "a", "a/8")] == [[(3, 3, 1)]]


def test_a_table_has_boxes_and_strokes_too(tmp_path: Path) -> None:
    file = tmp_path / "all.csv"
    file.write_text(
        "mask_id,step,x,y,label,x0,y0,x1,y1,stroke\n"
        "m,1,,,,3,2,14,8,\n"
        "m,2,2,2,1,,,,,s\nm,2,6,4,1,,,,,s\nm,2,0,0,0,,,,,t\nm,2,5,5,0,,,,,\n"
    )
    box, both = walk(file, "a", "m")
    assert box.kinds == {"box"}
    assert box.box is not None
    assert both.box is not None
    assert box.box.tolist() == both.box.tolist() == [3, 2, 14, 8]
    assert clicks(both) == [(5, 5, 0)]
    assert [(s.points, s.label) for s in strokes_of(both)] == [
        (((2, 2), (6, 4)), 1),
        (((0, 0),), 0),
    ]
    (sampled,) = {each.n_points for each in walk(file, "a", "m", points=2)[1:]}
    assert sampled == 1 + 2 + 1


def test_the_points_that_sa_1b_was_made_with(tmp_path: Path) -> None:
    annotations = [{"id": 7, "point_coords": [[9.5, 4.25]]}, {"id": 9, "point_coords": [[0, 0]]}]
    content = {"image": {"image_id": 560}, "annotations": annotations}
    (tmp_path / "sa_560.json").write_text(json.dumps(content))
    for file in (tmp_path, tmp_path / "sa_560.json"):
        assert [clicks(p) for p in walk(file, "sa_560", "sa_560/7")] == [[(9.5, 4.25, 1)]]


RCLICKS = """dataset,full_stem,image_stem,object_stem,click_type,model_type,device,x,y,w,h
GrabCut,21077,21077,,first,,pc,8,10,40,24
GrabCut,21077,21077,,first,,mobile,45,3,40,24
GrabCut,21077_ritm_fn,21077,,fn,ritm,pc,1,1,40,24
TETRIS,t_______3,t,3,first,,pc,5,5,20,12
"""


def test_rclicks_has_a_click_of_each_person(tmp_path: Path) -> None:
    file = tmp_path / "clicks.csv"
    file.write_text(RCLICKS)
    first = walk(file, "21077", "21077/21077", part="GrabCut")
    assert [clicks(each) for each in first] == [[(4, 5, 1)]]
    second = walk(file, "21077", "21077/21077", part="GrabCut", pick=2)
    assert [clicks(each) for each in second] == [[(19, 1, 1)]]
    assert [clicks(each) for each in walk(file, "t", "t/3", part="TETRIS")] == [[(5, 5, 1)]]
    with pytest.raises(BenchError, match="clicks of GrabCut, TETRIS: name the one that is meant"):
        walk(file, "t", "t/3")
    with pytest.raises(BenchError, match="no mask has 3 recordings, at most 2"):
        walk(file, "21077", "21077/21077", part="GrabCut", pick=3)


def test_scribbles_of_davis_are_shares_of_a_frame(tmp_path: Path) -> None:
    path = [[0.0, 0.0], [0.5, 1.0]]
    frame = [{"path": path, "object_id": 1, "start_time": 0, "end_time": 9},
             {"path": [[1.0, 0.5]], "object_id": 2, "start_time": 9, "end_time": 12}]  # fmt: skip
    (tmp_path / "bear").mkdir()
    content = {"scribbles": [[], frame[:1]], "sequence": "bear", "annotated_frame": 1}
    (tmp_path / "bear/001.json").write_text(json.dumps(content))
    (alone,) = walk(tmp_path, "bear/00001", "bear/00001/00001")
    assert [(s.points, s.label) for s in strokes_of(alone)] == [(((0, 0), (9, 11)), 1)]
    content["scribbles"] = [[], frame]
    (tmp_path / "bear/001.json").write_text(json.dumps(content))
    (second,) = walk(tmp_path, "bear/00001", "bear/00001/2")
    assert [(s.points, s.label) for s in strokes_of(second)] == [
        (((0, 0), (9, 11)), 0),
        (((19, 5),), 1),
    ]


def drawn_by_hand() -> tuple[np.ndarray, np.ndarray]:
    wanted, unwanted = np.zeros((2, H, W), dtype=bool)
    wanted[3, 4:9] = wanted[4, 8:11] = wanted[8, 2] = True
    unwanted[1:11, 18] = True
    return wanted, unwanted


def test_scribbles_of_grabcut_are_label_pictures(tmp_path: Path) -> None:
    wanted, unwanted = drawn_by_hand()
    Image.fromarray((wanted + 2 * unwanted).astype(np.uint8)).save(tmp_path / "21077-anno.png")
    (found,) = walk(tmp_path, "21077", "21077/21077")
    for label, expected in ((1, wanted), (0, unwanted)):
        assert np.array_equal(drawn(strokes_of(found), label, H, W), expected)
    with pytest.raises(BenchError, match=r"the scribble is 12×20 \(H×W\), its picture 5×6"):
        Recorded(str(tmp_path), protocol=Protocol()).of_image("21077", [target("m", 5, 6)])


def test_medscribble_has_a_scribble_of_each_person(tmp_path: Path) -> None:
    folder = tmp_path / "ACDC/Challenge2017/patient004_axis2_maxslice"
    folder.mkdir(parents=True)
    wanted, unwanted = drawn_by_hand()
    np.save(folder / "scribble_0.npy", np.stack([wanted, unwanted]).astype(np.float32))
    np.save(folder / "scribble_2.npy", np.stack([unwanted, wanted]).astype(np.float32))
    image = folder.relative_to(tmp_path).as_posix()
    for pick, expected in ((1, wanted), (2, unwanted)):
        (found,) = walk(tmp_path, image, f"{image}/seg", pick=pick)
        assert np.array_equal(drawn(strokes_of(found), 1, H, W), expected)


def test_recordings_of_an_image_are_its_targets_or_nobodys(tmp_path: Path) -> None:
    file = tmp_path / "clicks.csv"
    file.write_text(TABLE)
    found, nobodys = read_record(sources.source_of(file), None, 1).of_image("a", [target("7")])
    assert [(name, each.said) for name, each in found.items()] == [("7", "7 (row 1)")]
    assert [each.said for each in nobodys] == ["8 (row 3)"]
    file.write_text("image,x,y,label\nb.jpg,4,5,1\na.jpg,3,3,1\n")
    found, nobodys = read_record(sources.source_of(file), None, 1).of_image("a", [target("7")])
    assert [(name, each.said) for name, each in found.items()] == [("7", "a.jpg (row 2)")]
    assert nobodys == []
    for name in ("-a", "'-a"):  # as it is, and as a table writes it that spreadsheets may open
        file.write_text(f"image,x,y,label\n{name}.jpg,4,5,1\n")
        assert clicks(walk(file, "-a", "7")[0]) == [(4, 5, 1)]


def test_every_format_is_read_here(request: pytest.FixtureRequest) -> None:
    assert formats() == ["davis", "export", "grabcut", "medscribble", "rclicks", "sa_1b", "table"]


EXPORTED = "image_id,mask_id,step,point_coords,point_labels,box\n"

BAD = {
    "columns": ("image,step,x,y\na,1,2,3\n", r"no known format; its columns are image, step, x, y"),
    "no mask": ("step,x,y,label\n1,2,3,1\n", r"the columns image or mask.* there are step, x"),
    "label": ("mask,step,x,y,label\nm,1,2,3,2\n", r"row 1 \(m\): label 2.0 is neither 1 .* nor 0"),
    "text": ("mask,step,x,y,label\nm,1,2,3,1\nm,2,2,?,1\n", r"row 2: y is '\?', expected a finite"),
    "nan": ("mask,step,x,y,label\nm,1,nan,3,1\n", r"row 1: x is 'nan', expected a finite number"),
    "no step": ("mask,step,x,y,label\nm,,2,3,1\n", r"row 1: step is '', expected a finite number"),
    "half": ("mask,step,x,y,label\nm,1,2,,1\n", r"row 1 \(m\): y is empty beside x, y, label"),
    "gap": ("mask,step,x,y,label\nm,1,2,3,1\nm,3,2,4,1\n", r"row 2 \(m\): step 3 without a step 2"),
    "zero": ("mask,step,x,y,label\nm,0,2,3,1\n", r"row 1 \(m\): step 0 is no whole number from 1"),
    "twice": ("mask,step,x,y,label\nm,1,2,3,1\nm,1,2,3,1\n", r"row 2 says the same as"),
    "nothing": ("mask,step,x,y,label\n", r"no prompt is in it"),
    "outside": ("mask,step,x,y,label\nm,1,20,3,1\n", r"row 1: mask m: point \(20, 3\) lies out"),
    "box": ("mask,step,x0,y0,x1,y1\nm,1,9,2,3,4\n", r"mask m: box \(9, 2, 3, 4\) is no x0, y0, x1"),
    "far box": ("mask,step,x0,y0,x1,y1\nm,1,1,2,3,40\n", r"box \(1, 2, 3, 40\) reaches outside"),
    "export": ("image_id,mask_id,step,point_coords\na,m,1,[]\n", r"no column point_labels, box"),
    "empty": ("image_id,mask_id,step,point_coords,point_labels,box\na,m,1,[],[],\n",
              r"row 1: it asks nothing"),
    "labels": ("image_id,mask_id,step,point_coords,point_labels,box\na,m,1,\"[[1,2]]\",[],\n",
               r"row 1: 1 point_coords need as many point_labels"),
    "json": (EXPORTED + "a,m,1,[[1,[1],\n", r"row 1: point_coords is '\[\[1', expected JSON such"),
    "object": (EXPORTED + 'a,m,1,"{""a"": 1}",[1],\n', r"row 1: point_coords is .* a list"),
    "number": (EXPORTED + "a,m,1,7,[1],\n", r"row 1: point_coords is '7', expected a list such as"),
    "three": (EXPORTED + 'a,m,1,"[[1,2,3]]",[1],\n', r"row 1: a place of point_coords is \[x, y\]"),
    "word": (EXPORTED + 'a,m,1,"[[1,""x""]]",[1],\n', r"in numbers; found \[1, 'x'\]"),
    "true": (EXPORTED + 'a,m,1,"[[1,true]]",[1],\n', r"in numbers; found \[1, True\]"),
    "one label": (EXPORTED + 'a,m,1,"[[1,2]]",3,\n', r"point_labels is '3', expected a list such"),
    "half a box": (EXPORTED + 'a,m,1,,,"[1,2]"\n', r"box is \[x0, y0, x1, y1\], in numbers; found"),
    "a box of": (EXPORTED + 'a,m,1,,,"{""a"": 1}"\n', r"box is '{\"a\": 1}', expected a list such"),
    "half a step": (EXPORTED + 'a,m,1.5,"[[1,2]]",[1],\n', r"step is '1.5', expected a whole numb"),
    "no step here": (EXPORTED + 'a,m,,"[[1,2]]",[1],\n', r"step is '', expected a whole number"),
    "size": (EXPORTED.replace("box", "box,height,width") + 'a,m,1,"[[1,2]]",[1],,x,3\n',
             r"height is 'x', expected a whole number"),
    "cues": (EXPORTED.replace("box", "box,cues") + 'a,m,1,"[[1,2]]",[1],,xx\n',
             r"cues is 'xx', expected JSON such as"),
    "strokes": (EXPORTED.replace("box", "box,cues")
                + 'a,m,1,"[[1,2]]",[1],,"{""scribble"": 3}"\n',
                r"not the cues of a prompt: .* expected a list of kind, pl"),
    "semicolons": (EXPORTED.replace(",", ";") + "a;m;1;;;\n", r"separated by semicolons, expec"),
    "tabs": ("mask\tstep\tx\ty\tlabel\nm\t1\t2\t3\t1\n", r"separated by tabs, expected commas"),
    "decimal comma": ('mask,step,x,y,label\nm,1,"2,5",3,1\n', r"x is '2,5', expected .* as 3.5"),
    "steps": ("image_id,mask_id,step,point_coords,point_labels,box\na,m,2,\"[[1,2]]\",[1],\n",
              r"row 1: mask m: step 2 without a step 1"),
    "cells": ("mask,step,x,y,label\nm,1,2,3,1,9\n", r"a row has more cells than there are columns"),
    "zip": ("PK\x03\x04mask,step\n", "not a readable table: it is a zip archive"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_damaged_table_is_told_of_in_one_line(tmp_path: Path, name: str) -> None:
    text, says = BAD[name]
    file = tmp_path / "clicks.csv"
    file.write_text(text)
    with pytest.raises(BenchError, match=says) as error:
        walk(file, "a", "m")
    assert "\n" not in str(error.value)
    assert "clicks.csv" in str(error.value)


def test_a_table_in_another_encoding_is_told_of(tmp_path: Path) -> None:
    file = tmp_path / "clicks.csv"
    text = "mask,step,x,y,label\nstraße,1,2,3,1\n"
    for encoding, said in (("utf-16", "it begins as UTF-16"), ("latin-1", "nor in ASCII")):
        file.write_bytes(text.encode(encoding))
        with pytest.raises(BenchError, match=rf"not in UTF-8 \({said}\); save it again") as error:
            walk(file, "a", "m")
        assert "\n" not in str(error.value)
    file.write_bytes(text.encode("utf-8-sig"))
    assert [clicks(prompt) for prompt in walk(file, "a", "straße")] == [[(2, 3, 1)]]


def test_what_is_no_file_of_prompts_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BenchError, match=r"gone.csv: no such file or folder of recorded prompts"):
        walk(tmp_path / "gone.csv", "a", "m")
    with pytest.raises(BenchError, match="no known format; its files are none"):
        walk(tmp_path, "a", "m")
    (tmp_path / "a.json").write_text('{"scribbles": 1}')
    with pytest.raises(BenchError, match=r"a.json: DAVIS' scribbles have a list 'scribbles'"):
        walk(tmp_path, "a", "m")
    (tmp_path / "a.json").write_text('{"image": {}, "annotations": [{"id": 3}]}')
    with pytest.raises(BenchError, match=r"a.json: annotation 3: 'point_coords' must be a list"):
        walk(tmp_path, "a", "m")
    with pytest.raises(BenchError, match="no format of recorded prompts is called 'davs'; did you"):
        walk(tmp_path, "a", "m", format="davs")
    monkeypatch.setattr(sources, "MOST_BYTES", 8)
    with pytest.raises(BenchError, match=r"a.json: .* more than is read at once"):
        walk(tmp_path, "a", "m")
