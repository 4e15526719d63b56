"""Every family of models in one sweep: none is left out, and the table is of its runs."""

import json
import sys

import family
import pytest
import result_files

from bench.config.composing import load_component
from bench.config.folders import group_names
from bench.models.transformers_models import FAMILIES

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="transformers needs Python 3.11")


@pytest.mark.long
def test_every_family_that_has_a_yaml_is_in_the_sweep(tmp_path):
    models = family.write_models(tmp_path)
    assert len(set(models)) == len(models)
    targets = {load_component("model", name, tmp_path).target for name in models}
    shipped = {load_component("model", name).target for name in group_names("model")}
    # Its weights are at least ViT-B's: official modules, small, stand for it.
    large = "bench.models.segment_anything.SegmentAnything"
    # And the sweep asks no words.
    words = {"bench.models.sam3_text.Sam3Text", "bench.models.lang_sam.LangSam"}
    assert shipped - targets == {large, *words}
    assert "small_sam.SmallSam" in targets
    assert "bench.models.exported.Exported" in targets
    made = [load_component("model", name, tmp_path) for name in models]
    several = "bench.models.transformers_sam.TransformersSam"
    assert {one.args["arch"] for one in made if one.target == several} == set(FAMILIES)


@pytest.mark.long
def test_the_table_is_of_its_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(result_files, "RESULTS", tmp_path)
    monkeypatch.setattr(family, "KINDS", {"torchscript": None})
    assert family.main(["--models", "disk", "tiny_sam2", "--limit", "1"]) == 0
    text = capsys.readouterr().out
    assert (tmp_path / "family.md").read_text() == text
    lines = json.loads((tmp_path / "family.json").read_text())["lines"]
    assert [(line["model"], line["images"]) for line in lines] == [("disk", 1), ("tiny_sam2", 1)]
    disk, sam2 = lines
    assert (disk["parameters"], disk["weights_bytes"]) == (None, None)
    assert 4 * sam2["parameters"] < sam2["weights_bytes"] < 5 * sam2["parameters"]
    row = next(line for line in text.splitlines() if line.startswith("| sam2, tiny |"))
    assert row.endswith(f"| {sam2['weights_bytes'] / 1e6:.1f} |")
    assert f"| {sam2['embed_ms']:,.1f} | {sam2['predict_ms']:,.2f} |" in row
    assert sam2["host_bytes"] > 100_000_000


def test_an_unknown_model_is_refused_before_anything_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(family, "write_models", lambda folder: ["disk"])
    with pytest.raises(SystemExit, match="2"):
        family.main(["--models", "sam9"])
    assert "no model sam9; there are disk" in capsys.readouterr().err
