"""What ratings say, against plain arithmetic and scipy; on raters, models and names in no order."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.analysis.reference import published
from bench.analysis.sections.published_ratings import published_rating_sections
from bench.analysis.sections.ratings import (
    mask_ratings,
    rating_differences,
    rating_means,
    rating_sections,
)
from bench.analysis.stats import averages
from bench.analysis.stats.agreement import agreement
from bench.analysis.stats.paired import paired_bootstrap, paired_t
from bench.store.ratings import COLUMNS
from bench.types import BenchError

QUALITY = {"zeta": 4.6, "alpha": 7.2, "ground_truth": 8.4, "mid": 5.9}
TITLES = {"zeta": "A model", "alpha": "Zebra", "ground_truth": "Ground truth", "mid": "Mid"}


def ratings(seed=0, dataset="d", asked="box", masks=40, models=QUALITY, lacking=0.2):
    """Ratings of two or three raters, some of them missing; two to four masks an image."""
    rng = np.random.default_rng(seed)
    rows, job = [], 1000 * seed
    for mask in range(masks):
        for model in models:
            job += 1
            for rater in ("yan", "bo", "cleo"):
                if rng.random() < lacking:
                    continue
                value = int(np.clip(round(rng.normal(QUALITY.get(model, 6), 1.7)), 1, 10))
                seconds, changes = float(rng.uniform(2, 80)), int(rng.random() < 0.1)
                rows.append(
                    (dataset, asked, f"i{(mask * 7) % 13}", f"m{mask}", f"c{mask % 9}", model,
                     TITLES.get(model, model), model == "ground_truth", job, rater, value, seconds,
                     changes, "t")
                )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


@pytest.fixture(scope="module")
def found():
    return pd.concat([ratings(1), ratings(2, "another", "1 point", masks=23)], ignore_index=True)


def planned(frame):
    return dict.fromkeys(frame.groupby(["dataset", "asked", "model"]).groups, 77)


def plain_mean(frame, **names):
    """The mean over masks of the means over raters, in plain loops."""
    by_mask = {}
    for row in frame.to_dict("records"):
        if all(row[name] == value for name, value in names.items()):
            by_mask.setdefault(row["mask_id"], []).append(row["value"])
    return sum(sum(each) / len(each) for each in by_mask.values()) / len(by_mask)


def test_a_mean_is_over_masks_of_the_means_over_raters(found):
    lines = rating_means(found, planned(found))
    assert len(lines) == 8
    for line in lines.to_dict("records"):
        names = {"dataset": line["dataset"], "asked": line["prompt"], "model": line["model"]}
        assert line["rating"] == pytest.approx(plain_mean(found, **names))
        own = found[(found[list(names)] == pd.Series(names)).all(axis=1)]
        assert line["ratings"] == len(own)
        assert line["masks"] == own["mask_id"].nunique()
        assert line["seconds"] == own["seconds"].median()
        for value in range(1, 11):
            assert line[f"share_{value}"] == pytest.approx((own["value"] == value).mean())
        per_mask = own.groupby(["image_id", "mask_id", "cluster"])["value"].mean().reset_index()
        interval = averages(per_mask["value"], per_mask["image_id"], per_mask["cluster"],
                            reach=(1.0, 10.0)).masks  # fmt: skip
        assert (line["rating_low"], line["rating_high"]) == (interval.low, interval.high)
        assert 1 < line["rating_low"] < line["rating"] < line["rating_high"] < 10
    for _, block in lines.groupby(["dataset", "prompt"]):
        assert block["rating"].is_monotonic_decreasing


def test_differences_are_those_of_the_same_masks_and_their_tests_are_scipys(found):
    lines = rating_differences(found)
    assert len(lines) == 2 * 6
    per_mask = mask_ratings(found)
    for line in lines.to_dict("records"):
        block = per_mask[(per_mask["dataset"] == line["dataset"])]
        sides = [block[block["model"] == line[m]].set_index("mask_id")["rating"]
                 for m in ("model_a", "model_b")]  # fmt: skip
        both = sorted(set(sides[0].index) & set(sides[1].index))
        a, b = (side[both].to_numpy() for side in sides)
        assert line["masks"] == len(both)
        assert line["delta"] == pytest.approx((a - b).mean())
        assert line["p"] == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-9)
        plain = stats.bootstrap((a - b,), np.mean, n_resamples=10_000, method="percentile",
                                confidence_level=0.99, rng=np.random.default_rng(8))  # fmt: skip
        for ours, theirs in zip(
            (line["ci99_low"], line["ci99_high"]), plain.confidence_interval, strict=True
        ):
            assert ours == pytest.approx(theirs, abs=0.06)
        assert (line["a"], line["b"]) == (TITLES[line["model_a"]], TITLES[line["model_b"]])
        assert line["low"] < line["delta"] < line["high"]


def test_a_mask_that_one_of_two_lacks_is_in_no_difference_of_theirs(found):
    lost = found[~((found["model"] == "alpha") & (found["mask_id"] == "m3"))]
    lines = rating_differences(lost)
    here = lines["dataset"] == "d"
    has_alpha = (lines["model_a"] == "alpha") | (lines["model_b"] == "alpha")
    full = rating_differences(found)
    assert (lines[here & has_alpha]["masks"] == full[here & has_alpha]["masks"] - 1).all()
    assert (lines[here & ~has_alpha]["masks"] == full[here & ~has_alpha]["masks"]).all()


def test_few_and_equal_differences_have_no_test():
    assert paired_t([1.0]) is None
    assert paired_t([2.0, 2.0, 2.0]) is None
    assert paired_bootstrap([1.0]) is None
    assert paired_bootstrap([2.0, 2.0]) == (2.0, 2.0)
    many = np.random.default_rng(3).normal(0.4, 2, 6_000)
    assert paired_bootstrap(many, samples=900) == paired_bootstrap(many, samples=900)


def plain_alpha(things):
    """Krippendorff's α by its definition, over ordered pairs, value by value."""
    several = [each for each in things if len(each) > 1]
    everything = [value for each in several for value in each]
    observed = sum((a - b) ** 2 / (len(each) - 1)
                   for each in several for a, b in itertools.permutations(each, 2))  # fmt: skip
    expected = sum((a - b) ** 2 for a, b in itertools.permutations(everything, 2))
    return 1 - observed * (len(everything) - 1) / expected


def test_agreement_is_krippendorffs():
    rng = np.random.default_rng(5)
    for spread in (0.0, 1.0, 4.0):
        truth = rng.integers(1, 11, 30)
        things = [
            np.clip(np.round(t + spread * rng.normal(size=rng.integers(1, 5))), 1, 10).tolist()
            for t in truth
        ]
        several = [each for each in things if len(each) > 1]
        gaps = [abs(a - b) for each in several for a, b in itertools.combinations(each, 2)]
        measured = agreement(things)
        assert measured.alpha == pytest.approx(plain_alpha(things))
        assert measured.spread == pytest.approx(np.mean([np.std(e, ddof=1) for e in several]))
        assert measured.within_one == pytest.approx(np.mean([gap <= 1 for gap in gaps]))
        assert (measured.things, measured.ratings) == (len(several), sum(map(len, several)))
    assert agreement([[3], [4]]) is None
    assert agreement([[3, 3], [3, 3]]).alpha is None


def test_every_table_shows_what_its_lines_say(found):
    sections = {each.name: each for each in rating_sections(found, planned(found))}
    assert list(sections) == ["ratings", "distribution", "rating_differences", "agreement",
                              "raters"]  # fmt: skip
    for section in sections.values():
        assert len(section.rows) == len(section.lines) > 1
        assert all(len(row) == len(section.heads) for row in section.rows)
    for row, line in zip(
        sections["ratings"].rows, sections["ratings"].lines.to_dict("records"), strict=True
    ):
        assert row[:3] == (line["dataset"], line["prompt"], TITLES[line["model"]])
        assert row[3].startswith(f"{line['rating']:.2f} ({line['rating_low']:.2f}–")
        assert row[4:7] == (str(line["masks"]), "77", str(line["ratings"]))
    raters = sections["raters"].lines.set_index("rater")
    for rater, own in found.groupby("rater"):
        assert raters.at[rater, "mean"] == pytest.approx(own["value"].mean())
        assert raters.at[rater, "changed"] == (own["changes"] > 0).sum()
    alphas = sections["agreement"].lines.set_index("dataset")["alpha"]
    for dataset, block in found.groupby("dataset"):
        things = [each.tolist() for _, each in block.groupby("job")["value"]]
        assert alphas[dataset] == pytest.approx(plain_alpha(things))


def test_nothing_rated_is_one_line(found):
    with pytest.raises(BenchError, match="no mask is rated yet"):
        list(rating_sections(found.iloc[:0], {}))


def test_published_numbers_stand_beside_those_of_the_same_data_model_and_prompt():
    models = ("sam_vit_h", "ritm_h32", "ground_truth")
    own = ratings(4, "ndd20", "1 point", models=models)
    means, differences = rating_means(own, planned(own)), rating_differences(own)
    tables = {s.name: s for s in published_rating_sections(means, differences)}
    lines = tables["published_ratings"].lines
    figure = published(metric="rating", locator="Fig 18")
    assert len(lines) == len(figure) == 28, "all of the figure of one point, none of boxes"
    known = lines[lines["rating"].notna()].set_index("model")
    assert set(known.index) == set(models)
    theirs = published(metric="rating", dataset="ndd20").set_index("model")["value"]
    for model, line in known.iterrows():
        assert line["published"] == theirs[model]
        assert line["rating"] == pytest.approx(plain_mean(own, model=model))
        assert line["difference"] == pytest.approx(line["rating"] - line["published"])
    assert tables["published_ratings"].rows[0][0] == "ndd20", "ours come first"
    table = tables["published_differences"].lines
    assert len(table) == 14
    (line,) = table[table["delta"].notna()].to_dict("records")
    assert (line["dataset"], line["model_a"], line["model_b"]) == ("ndd20", "sam_vit_h", "ritm_h32")
    assert (line["published_ci99_low"], line["published_ci99_high"]) == (1.88, 2.37)
    assert line["published_p"] == 2e-86
    of_model = own.groupby("model")["mask_id"].agg(set)
    shared = own[own["mask_id"].isin(of_model["sam_vit_h"] & of_model["ritm_h32"])]
    sam, ritm = (plain_mean(shared, model=model) for model in ("sam_vit_h", "ritm_h32"))
    assert line["delta"] == pytest.approx(sam - ritm)
    assert line["ci99_low"] < line["delta"] < line["ci99_high"]


def test_boxes_have_the_boxes_figure():
    own = ratings(4, "photos", "box")
    means = rating_means(own, planned(own))
    tables = {s.name: s for s in published_rating_sections(means, rating_differences(own))}
    lines = tables["published_ratings"].lines
    assert set(lines["locator"]) == {"Fig 11"}
    assert lines["rating"].isna().all()
    assert sorted(lines["published"]) == [7.6, 7.9, 8.1, 8.6]
    own = own.assign(asked="scribble")
    means = rating_means(own, planned(own))
    assert not list(published_rating_sections(means, rating_differences(own)))
