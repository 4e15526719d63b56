"""Cards: the run's own numbers, exact paired differences, nothing of a machine, no edit unseen."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from finished import disk_run, one_line

from bench.analysis.overview.cards import averages_of, card_of, checked_card, paired
from bench.analysis.selection import select
from bench.analysis.stats import averages_of_sums, paired_averages
from bench.analysis.table import miou_table
from bench.cli import main
from bench.store.cards import DIGITS, read_card, write_card
from bench.types import IOU, BenchError


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, new_bench):
    return new_bench(tmp_path_factory.mktemp("cards") / "results")


@pytest.fixture(scope="module")
def stores(drawn):
    """Two models on the same masks, steps that some masks never reach, and one on fewer images."""
    images = {"rows": None, "dataset": "shapes", "prompt": "points"}
    return [
        drawn.run(model="zeta", skill=2.0, images=9, seed=4, **images),
        drawn.run(model="alpha", skill=1.1, images=9, seed=4, **images),
        drawn.run(model="few", skill=1.1, images=5, seed=4, **images),
    ]


@pytest.fixture(scope="module")
def cards(stores):
    return [card_of(store) for store in stores]


def by_step(card):
    return {each.step: each for each in card.steps}


def many_rows(row, model, shift, images=260):
    """One to four masks in each of many images."""
    rng = np.random.default_rng(7)
    made = []
    for image in range(images):
        level = rng.uniform(0.3, 0.8)
        for mask in range(int(rng.integers(1, 5))):
            value = float(np.clip(level + shift + rng.normal(0, 0.1), 0.001, 0.999))
            named = {"dataset": "many", "model": model, "image_id": f"p{image:04d}"}
            made.append(row(**named, mask_id=f"p{image:04d}/{mask}", iou=value))
    return made


def test_rounding_sums_moves_no_interval_however_skewed_the_images_are():
    """Six decimals moved one by 4e-5: a fresh card was said to be edited."""
    rng = np.random.default_rng(3)
    worst = 0.0
    for _ in range(1_500):
        images = int(rng.integers(3, 14))
        levels = rng.beta(6, 1, images) ** rng.uniform(0.5, 3)
        values = np.clip(levels[:, None] + rng.normal(0, 0.05, (images, 4)), 0, 1)
        sums, means = values.sum(axis=1), values.mean(axis=1)
        found = [
            averages_of_sums((given, [4] * images), (own, [1] * images), reach=IOU.reach)
            for given, own in ((sums, means), (sums.round(DIGITS), means.round(DIGITS)))
        ]
        exact, rounded = ([e.masks.low, e.masks.high, e.images.low, e.images.high] for e in found)
        worst = max(worst, float(np.abs(np.subtract(exact, rounded)).max()))
    assert worst < 1e-6


def test_a_card_has_the_numbers_of_the_run_s_own_table(stores, cards) -> None:
    for store, card in zip(stores, cards, strict=True):
        lines = miou_table(select([store])).lines
        assert [each.step for each in card.steps] == [1, 2, 3, 5, 9]
        for each, (_, line) in zip(card.steps, lines.iterrows(), strict=True):
            found = each.masks, each.images
            for number, name in zip(found, ("miou", "miou_images"), strict=True):
                assert number.mean == line[name]
                assert (number.low, number.high) == (line[f"{name}_low"], line[f"{name}_high"])
            assert each.sums.mean(False) == pytest.approx(line["miou"], abs=1e-6)
            assert sum(each.sums.masks) == line["masks"]
            assert sum(each.sums.images) == line["images"]


def test_intervals_follow_from_the_sums(cards) -> None:
    for card in cards:
        for each in card.steps:
            again = averages_of(card, each)
            for shown, found in ((each.masks, again.masks), (each.images, again.images)):
                assert shown.low == pytest.approx(found.low, abs=2e-6)
                assert shown.high == pytest.approx(found.high, abs=2e-6)
                assert shown.few == found.few


def test_cards_of_the_same_masks_are_compared_as_their_rows_are(stores, cards, tmp_path) -> None:
    for card in cards:
        write_card(card, tmp_path / f"{card.name}.json")
    zeta, alpha, few = (checked_card(tmp_path / f"{card.name}.json") for card in cards)
    assert (zeta, alpha, few) == (zeta, alpha, few)
    rows = select(stores[:2]).rows
    for label, step in (("1 point", 1), ("9 points", 9)):
        of_label = rows[rows["label"] == label]
        sides = [of_label[of_label["model"] == m].set_index("mask_id") for m in ("zeta", "alpha")]
        b = sides[1].loc[sides[0].index]
        plain = paired_averages(
            sides[0]["iou"], b["iou"], sides[0]["image_id"], sides[0]["cluster"]
        )
        found = paired(zeta, by_step(zeta)[step], alpha, by_step(alpha)[step])
        assert found is not None
        for one, other in ((plain.masks, found.masks), (plain.images, found.images)):
            assert found.masks.n == plain.masks.n
            for end in ("mean", "low", "high"):
                assert getattr(one, end) == pytest.approx(getattr(other, end), abs=2e-6)
        assert found.p == pytest.approx(plain.p, rel=1e-3)
    assert paired(zeta, by_step(zeta)[1], few, by_step(few)[1]) is None


def test_many_images_are_put_into_buckets_whose_means_are_exact(drawn, row, tmp_path) -> None:
    shifts = {"ahead": 0.05, "behind": 0.0}
    rows = [many_rows(row, model, shift) for model, shift in shifts.items()]
    made = [
        drawn.run("many", model, "point_1", rows=of_model, images=260)
        for model, of_model in zip(shifts, rows, strict=True)
    ]
    found = [card_of(store) for store in made]
    for card in found:
        path = tmp_path / f"{card.name}.json"
        write_card(card, path)
        assert path.stat().st_size < 8_000
        assert checked_card(path) == card
        assert not card.exact
        (line,) = miou_table(select([made[found.index(card)]])).lines.to_dict("records")
        assert card.steps[0].masks.low == line["miou_low"]
        near = averages_of(card, card.steps[0])
        assert near.masks.mean == pytest.approx(line["miou"], abs=1e-6)
        assert near.images.mean == pytest.approx(line["miou_images"], abs=1e-6)
        width = line["miou_high"] - line["miou_low"]
        assert near.masks.high - near.masks.low == pytest.approx(width, rel=0.35)
    a, b = (np.array([each.iou for each in side]) for side in rows)
    images = [each.image_id for each in rows[0]]
    plain = paired_averages(a, b, images)
    near = paired(found[0], found[0].steps[0], found[1], found[1].steps[0])
    assert near.masks.mean == pytest.approx(plain.masks.mean, abs=1e-6)
    assert near.images.mean == pytest.approx(plain.images.mean, abs=1e-6)
    assert near.masks.high - near.masks.low == pytest.approx(
        plain.masks.high - plain.masks.low, rel=0.35
    )


def test_sums_of_clusters_give_what_the_values_give() -> None:
    rng = np.random.default_rng(3)
    clusters = np.sort(rng.integers(0, 7, 60))
    a, b = rng.uniform(size=(2, 60))
    plain = paired_averages(a, b, clusters)
    counts = np.bincount(clusters)
    sums = np.bincount(clusters, weights=a - b)
    found = averages_of_sums((sums, counts), (sums / counts, np.ones(7)), reach=(-1, 1), lean=False)
    for one, other in ((plain.masks, found.masks), (plain.images, found.images)):
        assert (one.mean, one.low, one.high) == pytest.approx((other.mean, other.low, other.high))


def test_a_card_tells_nothing_of_the_machine(coco_folder, tmp_path, monkeypatch) -> None:
    folder = coco_folder(images=3)
    store = disk_run(folder, "point_3")
    assert str(tmp_path) in json.dumps(store.header())
    assert main(["card", store.folder.name, "--results", str(tmp_path / "results")]) == 0
    (path,) = (tmp_path / "results" / "cards").iterdir()
    text = path.read_text()
    for told in (str(tmp_path), str(Path.home()), platform.node(), "001.png", "iVBOR"):
        assert told not in text
    assert path.stat().st_size < 5_000
    header = store.header()
    card = read_card(path)
    for name in ("key", "dataset_fingerprint", "versions", "masks", "finished"):
        assert card.header[name] == header[name]
    assert card.header["dataset"]["args"]["annotations"] != header["dataset"]["args"]["annotations"]


def rewrite(path: Path, change) -> None:
    """Edits a card by hand, its digest made to fit as who knows the format would."""
    content = json.loads(path.read_text())
    change(content)
    content.pop("digest")
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    content["digest"] = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(json.dumps(content))


def step_of(content, **changes):
    content["steps"][1] |= changes


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: step_of(c, mean=0.99, low=0.98, high=1.0), "step 2 says 0.990000, its sums say"),
        (lambda c: step_of(c, low=0.001), "the interval of step 2 doesn't follow from its sums"),
        (lambda c: step_of(c, low=None), "low and high must be around the mean"),
        (lambda c: step_of(c, mean="0.9"), "mean must be a number"),
        (lambda c: c["steps"][0]["sums"]["masks"].pop(), "masks must be 9 numbers"),
        (lambda c: c["steps"][0]["sums"]["masks"].__setitem__(0, -1), "masks must be 9 numbers"),
        (lambda c: c["steps"][0]["sums"]["images"].__setitem__(0, 0), "a cluster has images"),
        (lambda c: c["steps"].reverse(), "items must be a hash"),
        (lambda c: c.update(card_version=2), "a card of version 2; this release reads version 1"),
        (lambda c: c.update(steps=[]), "steps must be a list"),
        (lambda c: c.update(more=1), "'more' is missing, or nothing of a card"),
        (lambda c: c["header"].update(images="9"), "'images' must be a whole number"),
        (lambda c: c["header"].pop("key"), "its header names no run"),
        (lambda c: c["clusters"].__setitem__(0, c["clusters"][1]), "each once"),
    ],
)
def test_an_edited_card_is_one_line(cards, tmp_path, capsys, change, said) -> None:
    path = tmp_path / "card.json"
    write_card(cards[0], path)
    rewrite(path, lambda content: None)
    assert checked_card(path) == cards[0]
    rewrite(path, change)
    assert main(["card", "--check", str(path)]) == 1
    line = one_line(capsys.readouterr().err)
    assert line.startswith(f"sam-bench: {path}: ")
    assert said in line


def test_what_was_changed_without_a_new_digest_or_is_no_card_is_one_line(cards, tmp_path) -> None:
    path = tmp_path / "card.json"
    write_card(cards[0], path)
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(BenchError, match="changed after it was written: its digest is another"):
        read_card(path)
    for written, said in (
        ("{}", "this is no card"), ("[]", "this is no card"), ("{", "card.json: "),
        ('{"card_version": 1}', "digest"), (" " * (1 << 20) + "{}", "a card has at most"),
    ):  # fmt: skip
        path.write_text(written)
        with pytest.raises(BenchError, match=said):
            read_card(path)


def test_a_folder_of_cards_is_checked_card_by_card(cards, tmp_path, capsys) -> None:
    good = replace(cards[1], steps=cards[1].steps[:2])
    write_card(good, tmp_path / "b.json")
    (tmp_path / "a.json").write_text("{}")
    assert main(["card", "--check", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "a.json: this is no card" in one_line(said.err)
    assert said.out == f"{tmp_path}/b.json: as it was written, sums by cluster\n"
    (tmp_path / "none").mkdir()
    assert main(["card", "--check", str(tmp_path / "none")]) == 2
    assert main(["card", "--check", str(tmp_path / "nowhere.json")]) == 1
