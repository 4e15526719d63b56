"""Whole runs asked by text: what counts, what is left out, and what comes of the rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from coloured_blocks import BLOCKS, SIZES, write_blocks

from bench.analysis.rescoring import rescore
from bench.cli import main
from bench.data.opening import samples_of_runs
from bench.run import canary
from bench.scoring import measuring
from bench.store.runs import RunStore, find_runs, read_runs
from bench.types import BenchError, Mask, Prompt, Site


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    folder = write_blocks(tmp_path / "blocks")
    model = tmp_path / "conf" / "model" / "colours.yaml"
    model.parent.mkdir(parents=True)
    model.write_text(
        "name: colours\nversion: '1'\ntarget: colour_words.ColourWords\nargs: {}\n"
        "about: {title: Colours}\n"
    )
    return [
        "--config-dir", str(tmp_path / "conf"), "model=colours",
        "runtime.allow_modules=[colour_words]", "runtime.allow_degenerate=few",
        "dataset=coco", f"dataset.args.annotations={folder}/annotations.json",
        f"dataset.args.images={folder}/images", f"runtime.results={tmp_path / 'results'}",
    ]  # fmt: skip


def stores(tmp_path: Path) -> list[RunStore]:
    return find_runs(tmp_path / "results", ["coco-*"])


def pixels(stem: str, block: tuple[int, int, int, int], thinner: int = 0) -> np.ndarray:
    found = np.zeros(SIZES[stem], bool)
    y0, y1, x0, x1 = block
    found[y0 + thinner : y1, x0:x1] = True
    return found


def test_each_target_is_held_against_its_own_instance(words: list[str], tmp_path: Path) -> None:
    assert main(["run", *words, "prompt=[text]"]) == 0
    rows = read_runs(stores(tmp_path)).sort_values("mask_id")
    blocks = [(stem, *block) for stem, some in BLOCKS.items() for block in some]
    named = [each for each in blocks if each[1].strip()]
    assert rows["mask_id"].tolist() == [str(i) for i in range(1, 8)]
    for (_, row), (stem, name, block) in zip(rows.iterrows(), named, strict=True):
        painted, target = pixels(stem, block), pixels(stem, block, 1)
        seen = name != "no colour"
        assert row["iou"] == (target.sum() / painted.sum() if seen else 0.0), "a row was cut off"
        assert len(row["ious"]) == sum(
            other == name and seen and s == stem for s, other, _ in blocks
        )
        cues = json.loads(row["cues"])
        assert [(cue["kind"], cue["plain"]) for cue in cues] == [("text", name)]
        assert (row["n_points"], row["box"], row["multimask"]) == (0, None, False)
    assert pd.isna(rows["selected"].iloc[5]), "nothing was found"


@pytest.mark.parametrize("union", [False, True], ids=["one", "union"])
@pytest.mark.parametrize("straight", [True, False], ids=["cpu", "device"])
def test_all_instances_are_kept_in_the_order_of_their_ious(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, straight: bool, union: bool
) -> None:
    rule = ["prompt=[text]", *(["protocol.args.text=union"] if union else [])]
    assert main(["run", *words, *rule]) == 0
    (plain,) = (read_runs([store]) for store in stores(tmp_path))
    monkeypatch.setattr(measuring, "straight", lambda device: straight)
    again = [*rule, "runtime.keep_candidates=true", f"runtime.results={tmp_path / 'again'}"]
    assert main(["run", *words, *again]) == 0
    rows = read_runs(find_runs(tmp_path / "again"))
    same = [name for name in rows.columns if name != "candidate_rles"]
    assert rows[same].astype(str).equals(plain[same].astype(str))
    painted = {
        (number, name): [pixels(stem, block) for other, block in some if other == name]
        for number, (stem, some) in enumerate(BLOCKS.items())
        for name in ("red", "green", "blue")
    }
    several = 0
    for row in rows.to_dict("records"):
        size = [row["height"], row["width"]]
        found = [Mask.from_rle({"size": size, "counts": c}).dense() for c in row["candidate_rles"]]
        assert len(found) == len(row["ious"])
        expected = painted.get((int(row["image_id"]), row["category"]), [])
        if union:
            expected = [np.any(expected, axis=0)] if expected else []
        assert sorted(mask.tobytes() for mask in found) == sorted(m.tobytes() for m in expected)
        if found:
            assert row["candidate_rles"][0] == row["mask_rle"]
        several += len(found) > 1
    assert several == (0 if union else 2)


def test_what_has_no_category_is_named_and_counted(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *words, "prompt=[text]"]) == 0
    told = capsys.readouterr()
    assert "1 of 8 masks of coco have no category and get no row: 8" in told.err
    said = " ".join(told.out.split())
    assert "text: 1 of 8 masks have no category and are left out." in said
    assert "text: of all that a text finds the mask nearest to the target counts." in said


def test_a_dataset_without_a_category_is_refused(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_blocks(tmp_path / "bare", {"a": [(" ", (4, 14, 5, 25))]})
    bare = [f"dataset.args.{n}={tmp_path}/bare/{n}{end}"
            for n, end in (("annotations", ".json"), ("images", ""))]  # fmt: skip
    assert main(["run", *words, *bare, "prompt=[text]"]) == 2
    said = capsys.readouterr().err
    assert "none of the 1 masks of coco has a category, the first of them 1" in said


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (["model=disk", "prompt=[text]"], "prompt text under protocol sam asks for text too"),
        (["prompt=[point_1]"], "understands text; prompt point_1 under protocol sam asks for"),
        (["prompt=[text]", "prompts.text.args.template=that"], r"a place for the category"),
        (["prompt=[text]", "prompts.text.args.template="], "a place for the category"),
        (["prompt=[text]", "protocol.args.text=all"], "unknown text rule 'all'; there are"),
    ],
)
def test_what_cannot_be_asked_is_one_line(
    words: list[str], extra: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *words, *extra]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told


def test_a_template_reaches_the_model(words: list[str], tmp_path: Path) -> None:
    template = 'prompts.text.args.template="a photo of a {category}"'
    assert main(["run", *words, "prompt=[text]", template]) == 0
    (store,) = stores(tmp_path)
    said = {json.loads(cues)[0]["plain"] for cues in read_runs([store])["cues"]}
    assert said == {f"a photo of a {name}" for name in ("red", "green", "blue", "no colour")}
    assert store.header()["report_steps"]["1"]["name"] == "text “a photo of a {category}”"


@pytest.fixture
def joined(words: list[str], tmp_path: Path) -> RunStore:
    assert main(["run", *words, "prompt=[text]", "protocol.args.text=union"]) == 0
    (store,) = stores(tmp_path)
    return store


def test_a_category_is_scored_as_one(joined: RunStore) -> None:
    rows = read_runs([joined]).set_index("mask_id")
    assert sorted(rows.index) == sorted(
        ["0/all of red", "0/all of green", "1/all of red", "1/all of blue", "1/all of no colour",
         "2/all of green"]
    )  # fmt: skip
    reds = [block for name, block in BLOCKS["a"] if name == "red"]
    painted = np.any([pixels("a", block) for block in reds], axis=0)
    target = np.any([pixels("a", block, 1) for block in reds], axis=0)
    row = rows.loc["0/all of red"]
    assert row["iou"] == target.sum() / painted.sum()
    assert row["area"] == target.sum()
    assert row["ious"].tolist() == [row["iou"]]
    assert rows.loc["1/all of no colour", "iou"] == 0


def test_a_joined_run_is_rescored_and_shown_against_the_whole_category(
    joined: RunStore, tmp_path: Path
) -> None:
    found = rescore(joined, ["dice"], samples_of_runs(tmp_path))
    rows = read_runs([joined], ["iou"])
    assert found["dice"].tolist() == pytest.approx((2 * rows["iou"] / (1 + rows["iou"])).tolist())
    words = [str(joined.folder), "--results", str(tmp_path / "results"), "--name", "page"]
    assert main(["report", *words, "--datasets", str(tmp_path), "--by", "parts"]) == 0
    text = (tmp_path / "results" / "reports" / "page" / "index.html").read_text()
    assert "not available" not in text
    assert '"words":["red"]' in text.replace('": ', '":')
    assert "held against all of the category in the image as one" in " ".join(text.split())


def test_an_exported_text_is_asked_again(words: list[str], tmp_path: Path) -> None:
    assert main(["run", *words, "prompt=[text]"]) == 0
    (first,) = stores(tmp_path)
    file = tmp_path / "prompts.csv"
    assert main(["export", str(first.folder), "--prompts", str(file)]) == 0
    record = ["prompt=[recorded]", f"prompts.recorded.args.file={file}"]
    assert main(["run", *words, *record]) == 0
    (again,) = (store for store in stores(tmp_path) if store.folder != first.folder)
    columns = ["iou", "ious", "cues", "mask_rle"]
    plain = [read_runs([store], columns)[columns].astype(str).to_dict("records")
             for store in (first, again)]  # fmt: skip
    assert plain[0] == plain[1]


def test_a_canary_of_a_model_of_words_is_asked_in_words(tmp_path: Path) -> None:
    from colour_words import COLOURS, ColourWords

    class Kinds(ColourWords):
        """Whose words are any, and which finds one colour's surroundings."""

        def predict(self, embeddings, prompts, multimask):  # type: ignore[no-untyped-def]
            assert all(prompt.kinds == {"text"} for prompt in prompts)
            painted = [np.where(e > e.mean(), COLOURS["red"], 0) for e in embeddings]
            return super().predict(painted, [Prompt(text="red")] * len(prompts), multimask)

    model = Kinds(site=Site())
    cases = canary.record(model)
    assert len(cases) == 3
    file = tmp_path / "c.json"
    canary.save(cases, file)
    loaded = canary.load(file)
    assert [case.prompt for case in loaded] == [case.prompt for case in cases]
    canary.check(model, loaded, file)
    with pytest.raises(BenchError, match="finds nothing on any picture of a canary"):
        canary.record(ColourWords(site=Site()))


def test_a_picture_is_segmented_by_words(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, out = tmp_path / "blocks" / "images" / "a.png", tmp_path / "out"
    base = ["segment", "--image_path", str(picture), "--output_dir", str(out), *words]
    assert main([*base, "--input_text", "red"]) == 0
    assert "600 pixels" in capsys.readouterr().out
    assert sorted(p.name for p in out.iterdir()) == sorted(
        f"a_mask_{n}{end}.png" for n in (1, 2) for end in ("", "_overlay")
    )
    assert main([*base, "--input_text", " "]) == 2
    assert "--input_text says nothing" in capsys.readouterr().err
    assert main([*base, "--input_text", "teal"]) == 2
    assert "finds no mask" in capsys.readouterr().err


def test_a_joined_run_is_compared_with_a_networks_maps_and_with_no_single_masks(
    joined: RunStore, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maps = tmp_path / "maps"
    maps.mkdir()
    for number, (stem, some) in enumerate(BLOCKS.items()):
        labels = np.zeros(SIZES[stem], np.uint8)
        for name, block in some:
            labels[pixels(stem, block)] = ["red", "green", "blue", "no colour", " "].index(name) + 1
        np.save(maps / f"{number}.npy", labels)
    names = tmp_path / "names.json"
    names.write_text('{"1": "red", "2": "green", "3": "blue", "4": "no colour"}')
    data = [word for word in words if word.startswith(("dataset", "runtime.results"))]
    assert main(["score", "--predictions", str(maps), "--format", "semantic", "--match",
                 "whole_category", "--categories", str(names), "--model-name", "net",
                 *data, "protocol.args.text=union"]) == 0  # fmt: skip
    (net,) = (store for store in stores(tmp_path) if store.folder != joined.folder)
    results = ["--results", str(tmp_path / "results")]
    capsys.readouterr()
    assert main(["compare", net.folder.name, joined.folder.name, *results]) == 0
    both = read_runs([net])[["mask_id", "iou"]].merge(
        read_runs([joined])[["mask_id", "iou"]], on="mask_id", suffixes=("_net", "_text")
    )
    assert len(both) == 6
    blank = both["mask_id"] == "1/all of no colour"
    assert (both["iou_net"] == both["iou_text"])[~blank].all()
    assert both["iou_net"][blank].item() == 0.9
    assert "6" in capsys.readouterr().out
    assert main(["run", *words, "prompt=[text]"]) == 0
    known = {net.folder.name, joined.folder.name}
    (single,) = {store.folder.name for store in stores(tmp_path)} - known
    assert main(["compare", single, joined.folder.name, *results]) == 2
    assert "Traceback" not in capsys.readouterr().err
