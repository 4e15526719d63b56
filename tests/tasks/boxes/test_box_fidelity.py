"""AP of whole runs against pycocotools, faster-coco-eval and lvis-api, on random detections."""

from __future__ import annotations

from pathlib import Path

import box_fidelity
import numpy as np
import pytest

pytestmark = pytest.mark.long


@pytest.mark.parametrize("federated", [False, True], ids=["coco", "lvis"])
def test_ap_is_that_of_the_others_evaluators(federated: bool, tmp_path: Path) -> None:
    found = box_fidelity.differences(5, tmp_path, federated)
    assert set(found) == ({"lvis-api"} if federated else {"pycocotools", "faster-coco-eval"})
    for name, offs in found.items():
        assert 0.02 < offs.pop("least") < 0.95
        del offs["seconds"]
        assert {"ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "box_ap"} <= set(offs)
        assert ("ap_rare" in offs) == federated
        assert max(offs.values()) < 1e-9, name


def test_a_scene_holds_what_makes_evaluators_differ(tmp_path: Path) -> None:
    scene = box_fidelity.write_scene(tmp_path / "coco", 5, federated=False)
    truth, boxes = scene.truth["annotations"], scene.boxes
    assert 0 < sum(each["iscrowd"] for each in truth) < len(truth) / 2
    assert not any(each["category_id"] == 12 for each in truth)
    assert any(each["category_id"] == 12 for each in boxes)
    assert any(each["category_id"] == 999 for each in boxes)
    assert any(each["bbox"][0] > 210 for each in boxes)
    scores = [each["score"] for each in boxes]
    assert len(set(scores)) < len(scores) / 2
    pairs = [(each["image_id"], each["category_id"]) for each in boxes]
    assert max(map(pairs.count, set(pairs))) > 100
    ids = [each["id"] for each in scene.truth["images"]]
    assert sorted(ids) != ids != sorted(ids, key=str)
    assert {each["image_id"] for each in truth} < set(ids)
    store = box_fidelity.run(scene)
    numbers = box_fidelity.ours(store)
    assert numbers[1]["ap"] != numbers[2]["ap"]
    assert np.isnan(numbers[1]["ap_rare"]) or numbers[1]["ap_rare"] > 0
    notes = " ".join(store.header()["notes"])
    for said in ("hold no pixel", "beyond the most", "doesn't have", "are crowds"):
        assert said in notes, notes
