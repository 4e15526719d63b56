"""The literals below were copied by hand from the papers' tables, not from the CSV files."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import pytest

from bench.analysis.reference import published

THREE_MASKS = "AR@1000 table, 64 x 64 points, three masks each"

PRINTED = [
    # model, dataset, prompt, metric, source, beginning of the locator, value
    ("sam_vit_h", "ppdls", "point_1", "delta_miou_vs_ritm", "sam", "Fig 9a", 46.9),
    ("sam_vit_h", "lvis_v0_5_val", "point_1", "delta_miou_vs_ritm", "sam", "Fig 9a", 18.5),
    ("sam_vit_h", "ibd", "point_1", "delta_miou_vs_ritm", "sam", "Fig 9a", -0.3),
    ("sam_vit_h", "gtea", "point_1", "delta_miou_vs_ritm", "sam", "Fig 9a", -21.4),
    ("sam_vit_h", "miap_older", "point_1", "miou_ci95_half", "sam", "Table 2", 6.7),
    ("sam_vit_h", "miap_masculine", "point_3", "miou", "sam", "Table 2", 90.1),
    ("sam_vit_h", "skin_tone_6", "point_1", "miou", "sam", "Table 2", 56.7),
    ("sam_vit_h", "miap_clothing_masculine", "point_1", "miou", "sam", "Table 6", 81.0),
    ("sam_vit_h", "bsds500", "edges", "ods", "sam", "Table 3", 0.768),
    ("edetr", "bsds500", "edges", "ap_edges", "sam", "Table 3", 0.896),
    ("sam_vit_h", "bsds500", "edges", "ods", "ymgw55_edges", "issue 4", 0.746),
    ("sam_vit_h", "lvis_v1_val", "proposals", "ar1000", "sam", "Table 4", 59.3),
    ("sam_single_output", "lvis_v1_val", "proposals", "ar1000", "sam", "Table 4", 54.9),
    ("vitdet_h", "lvis_v1_val", "proposals", "ar1000_rare", "sam", "Table 4", 58.3),
    ("sam_vit_h", "lvis_v1_val", "proposals", "ar1000", "mobile_sam_v2", THREE_MASKS, 59.2),
    ("mobile_sam_v2", "lvis_v1_val", "proposals", "ar10", "mobile_sam_v2", "AR@10", 17.6),
    ("sam_vit_h", "coco_val2017", "detector_box_refined", "ap", "sam", "Table 5", 46.5),
    ("vitdet_h", "lvis_v1_val", "detector_box", "ap_large", "sam", "Table 5", 66.3),
    ("sam_vit_h", "ishape", "point_1", "rating", "sam", "Fig 18", 7.1),
    ("ritm_h32", "ndd20", "point_1", "rating_ci95_half", "sam", "Fig 18", 0.17),
    ("coco_ground_truth", "lvis_v1_val", "box", "rating", "sam", "Fig 11", 7.6),
    ("sam_vit_h", "visor", "point_1", "delta_rating_vs_ritm_p", "sam", "Table 8", 7e-98),
    ("sam_vit_b", "sa_23", "point_5", "miou", "sam2", "Table 15", 80.9),
    ("sam2_hiera_b_plus", "sa_23", "point_1", "miou", "sam2", "Table 6, first", 61.4),
    ("sam2_hiera_b_plus", "sa_23", "point_1", "miou", "sam2", "Table 6, later", 61.9),
    ("hq_sam_vit_h", "sa_23_video", "point_5", "miou", "sam2", "Table 15", 78.9),
    ("efficient_tam_ti", "new_video_14", "point_5", "miou", "efficient_tam", "SA-23", 85.0),
    ("sam3", "sa_37", "point_3", "miou", "sam3", "Table 7", 81.3),
    ("sam3_1", "coco_val2017_500", "point_1", "miou", "ultralytics", "pull", 72.8),
    ("efficient_sam3_ev_l", "coco_val2017", "box", "miou", "efficient_sam3", "README", 66.30),
    ("slim_sam_77", "sa_1b", "recorded", "miou", "slim_sam", "images", 67.40),
    ("fast_sam_s", "sa_1b", "recorded", "miou", "slim_sam", "images", 30.72),
    ("repvit_sam", "bsds500", "edges", "ods", "repvit", "RepViT-SAM", 0.764),
    ("repvit_sam", "coco_val2017", "detector_box", "ap_large", "repvit", "RepViT-SAM", 61.4),
    ("sam_vit_b", "davis_2017", "video", "boundary_f", "repvit", "RepViT-SAM", 74.1),
    ("sam2_hiera_s", "tetris", "points_20", "noc90", "rclicks", "compute", 3.02),
    ("simpleclick_vit_xt_sbd", "tetris", "points_20", "noc90_plus_minus", "rclicks", "comp", 1.22),
    ("mobile_sam", "tetris", "points_20", "delta_noc90_group_1_vs_10", "rclicks", "comp", 12.69),
    ("segnext_vit_b_sax1", "davis_345", "points_20", "nof95", "segnext", "README", 177.0),
    ("sam2_1_hiera_l", "lvos_v2", "video", "j_and_f", "sam2", "README", 80.6),
    ("edge_tam", "youtube_vos_2019", "video", "j_and_f", "edge_tam", "README", 86.2),
    (
        "hq_sam2_hiera_l",
        "coco_val2017",
        "detector_box",
        "ap",
        "hq_sam",
        "sam-hq2/README.md, m",
        50.4,
    ),
    ("robust_sam", "robust_sam_degraded", "", "miou", "robust_sam", "results", 81.95),
    ("sam3", "saco_gold_wiki", "text", "il_mcc", "sam3", "scripts", 0.69),
    ("sam3", "saco_veval_yt_1b", "text", "phota", "sam3", "README", 69.9),
    ("sam_vit_l", "", "", "miou", "optimum_intel", "pull", 59.60),
    ("mobile_sam", "lvis_v1_val", "point_3", "miou", "efficient_sam", "Table 4", 54.4),
    ("efficient_sam_s", "coco_val2017", "detector_box", "ap_small", "efficient_sam", "Table", 28.4),
    ("sam_vit_h", "coco_val2017", "point_5", "miou", "efficientvit_sam", "Table 2", 71.4),
    ("sam_vit_h", "lvis_v1_val", "box", "miou_small", "efficientvit_sam", "Table 3", 70.6),
    ("efficientvit_sam_xl1", "lvis_v1_val", "box", "miou", "efficientvit_sam", "README", 79.886),
    ("edge_sam", "sa_1k", "box_and_2_points", "miou", "edge_sam", "table", 84.1),
    ("sam_vit_h", "coco_val2017", "point_1", "miou", "edge_sam", "table", 53.6),
    ("hq_sam_vit_l", "dis_vd", "box", "mboundary_iou", "hq_sam", "table", 70.4),
    ("sam_vit_h", "coco_val2017", "detector_box", "ap_boundary", "hq_sam", "Table 10", 34.0),
    ("light_hq_sam", "hq_4_sets", "box", "miou", "hq_sam", "Table 10", 81.4),
    ("ritm_h32", "berkeley", "points_20", "noc90", "ritm", "README", 2.10),
    ("focalclick_segformer_b3_s2_combined", "sbd", "points_20", "noc90", "clickseg", "", 5.84),
    ("sam_vit_h", "mvtec", "points_20", "noc90", "focsam", "Table 1", 13.97),
    ("sam_vit_h", "sbd", "points_100", "noc95", "focsam", "20NoC", 63.40),
    ("simpleclick_vit_h", "sbd", "point_9", "miou_at_k", "piclick", "curves", 92.91),
    ("ritm_h32", "davis_345", "point_1", "miou_at_k", "piclick", "curves", 72.53),
    ("segnext_vit_b_sax2", "hqseg44k_val", "points_20", "nof95", "segnext", "README", 700),
    ("sam_vit_b", "davis_345", "points_20", "noc90", "segnext", "notebooks/eval_sam", 5.148),
    ("simpleclick_vit_h", "tetris", "points_20", "noc90", "rclicks", "", 2.36),
    ("sam_vit_b", "coco_val2017", "detector_box", "ap", "tiny_sam", "README, single", 41.0),
    ("mobile_sam", "", "point_2_distance_300", "miou_vs_sam_vit_h", "mobile_sam", "", 74.0),
]


@pytest.fixture(scope="module")
def numbers() -> pd.DataFrame:
    return published()


@pytest.mark.parametrize("row", PRINTED, ids=lambda row: "-".join(map(str, row[:4])))
def test_number_as_printed(
    row: tuple[str, str, str, str, str, str, float], numbers: pd.DataFrame
) -> None:
    *wanted, locator, value = row
    columns = ["model", "dataset", "prompt", "metric", "source"]
    rows = numbers[(numbers[columns] == wanted).all(axis=1)]
    rows = rows[rows["locator"].str.startswith(locator)]
    assert list(rows["value"]) == [value]


def test_the_anchors_of_segment_anything_fast() -> None:
    for model, miou in {"sam_vit_b": 53.357, "sam_vit_h": 58.417}.items():
        rows = published(model=model, protocol="segment_anything_fast", metric="miou")
        fp32 = rows[rows["locator"].str.contains("fp32")]
        assert list(fp32["value"]) == [miou, miou]
        assert len(rows) == 7


def test_the_gains_over_ritm_agree_with_the_text() -> None:
    rows = published(metric="delta_miou_vs_ritm", how_read="figure")
    assert len(rows) == rows["dataset"].nunique() == 23
    assert rows["value"].mean() == pytest.approx(9.24, abs=0.005)
    assert (rows["value"] > 0).sum() == 16
    [stated] = published(metric="datasets_above_ritm")["value"]
    assert stated == 16
    [mean] = published(metric="delta_miou_vs_ritm", how_read="derived")["value"]
    assert mean == 9.24


def test_the_anchor_of_ritm_is_derived_from_the_others() -> None:
    [sam] = published(model="sam_vit_h", dataset="sa_23", prompt="point_1", source="sam2")["value"]
    [gain] = published(dataset="sa_23", metric="delta_miou_vs_ritm")["value"]
    [ritm] = published(model="ritm_h32", dataset="sa_23")["value"]
    assert ritm == pytest.approx(sam - gain, abs=0.05)


@pytest.mark.parametrize(("prompt", "mean"), [("point_1", 58.5), ("point_5", 82.1)])
def test_37_datasets_are_23_and_14(prompt: str, mean: float) -> None:
    def value(dataset: str, source: str) -> float:
        rows = published(model="sam_vit_h", dataset=dataset, prompt=prompt, source=source)
        [only] = rows["value"]
        return float(only)

    expected = (23 * value("sa_23", "sam2") + 14 * value("new_video_14", "sam2")) / 37
    assert value("sa_37", "sam3") == mean == round(expected, 1)


def test_23_datasets_are_13_of_images_and_10_of_videos(numbers: pd.DataFrame) -> None:
    miou = numbers[(numbers["protocol"] == "sam2") & (numbers["metric"] == "miou")]
    wide = miou.pivot(index=["model", "locator", "prompt"], columns="dataset", values="value")
    wide = wide[["sa_23", "sa_23_image", "sa_23_video"]].dropna()
    assert len(wide) == 32
    mean = (13 * wide["sa_23_image"] + 10 * wide["sa_23_video"]) / 23
    assert (mean - wide["sa_23"]).abs().max() < 0.11  # three numbers rounded to 0.1


def test_fairness_tables_are_complete() -> None:
    groups = {"feminine", "masculine", "older", "middle", "young"}
    people = {f"miap_{group}" for group in groups} | {f"skin_tone_{kind}" for kind in range(1, 7)}
    clothing = {f"miap_clothing_{group}" for group in groups}
    for locator, datasets in {"Table 2": people, "Table 6": clothing}.items():
        rows = published(protocol="fairness", locator=locator)
        found = Counter(zip(rows["dataset"], rows["prompt"], rows["metric"], strict=True))
        assert found == Counter(
            (dataset, prompt, metric)
            for dataset in datasets
            for prompt in ("point_1", "point_3")
            for metric in ("miou", "miou_ci95_half")
        )


def test_sets_average_to_the_printed_mean() -> None:
    for source, metrics, mean, locator, n in [
        ("hq_sam", ("miou", "mboundary_iou"), "hq_4_sets", "table of the four sets, ViT-L", 4),
        ("focsam", ("noc90",), "focsam_6_sets", "Table 1", 6),
    ]:
        for metric in metrics:
            rows = published(source=source, metric=metric, locator=locator)
            for model, of_model in rows.groupby("model"):
                parts = of_model[of_model["dataset"] != mean]["value"]
                [printed] = of_model[of_model["dataset"] == mean]["value"]
                assert len(parts) == n
                assert parts.mean() == pytest.approx(printed, abs=0.06), (model, metric)


def test_human_ratings_agree_with_their_differences() -> None:
    """The interval of Table 8 holds the difference of the means of Fig 18, to their rounding."""
    ratings = published(metric="rating", locator="Fig 18").pivot(
        index="dataset", columns="model", values="value"
    )
    assert len(ratings) == 7
    for other, model in {"ritm": "ritm_h32", "single_output": "sam_single_output"}.items():
        for end, sign in {"low": 1, "high": -1}.items():
            rows = published(metric=f"delta_rating_vs_{other}_ci99_{end}").set_index("dataset")
            difference = ratings["sam_vit_h"] - ratings[model]
            assert (sign * (difference - rows["value"]) > -0.11).all(), (other, end)
