"""A name that a user gave is the label; a title is its own component's."""

from pathlib import Path

import pytest

from bench.cli import main
from bench.config.composing import load_configs
from bench.config.folders import conf_dir
from bench.config.labels import shown_label

MODELS = [conf_dir() / "model"]


@pytest.mark.parametrize(
    ("name", "about", "shown"),
    [
        ("sam_vit_b", {"title": "SAM ViT-B"}, "SAM ViT-B"),
        ("mine", {"title": "SAM ViT-B"}, "mine"),
        ("sam_vit_h", {"title": "SAM ViT-B"}, "sam_vit_h"),
        ("demo", {"title": "Demo SAM"}, "Demo SAM"),
        ("demo_s", {"title": "Demo SAM"}, "demo_s"),
        ("mine", {"title": "My own title"}, "My own title"),
        ("mine", {}, "mine"),
        ("mine", {"title": None}, "mine"),
        ("mine", {"title": ""}, "mine"),
    ],
)
def test_a_title_is_its_own_components(name: str, about: dict[str, object], shown: str) -> None:
    assert shown_label(name, about, MODELS) == shown


def test_a_name_on_the_command_line_is_the_label() -> None:
    words = ["model=sam_vit_b", "model.name=mine", "dataset=photos", "dataset.name=ours"]
    (config,) = load_configs(words)
    assert config.model.about["title"] == "mine"
    assert config.dataset.about["title"] == "ours"
    (config,) = load_configs([*words, "model.about.title=Mine tuned", "dataset.name=photos"])
    assert config.model.about["title"] == "Mine tuned"
    assert config.dataset.about["title"] == "Photos"


def test_a_yaml_made_from_another_bears_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "base.yaml").write_text(
        "defaults: [demo]\nname: base\nabout: {title: The base}\n"
    )
    (tmp_path / "model" / "tuned.yaml").write_text("defaults: [base]\nname: tuned\n")
    titles = [load_configs([f"model={m}"], tmp_path)[0].model.about["title"]
              for m in ("base", "tuned")]  # fmt: skip
    assert titles == ["The base", "tuned"]


@pytest.mark.long
def test_own_names_stand_in_every_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    words = ["model=disk", "model.name=mine", "dataset=shapes", "dataset.name=ours"]
    words += ["dataset.args.count=3", "prompt=[point_1]", f"runtime.results={tmp_path}"]
    assert main(["run", *words, "--report", "r"]) == 0
    report = tmp_path / "reports" / "r"
    texts = [(report / name).read_text() for name in ("table.md", "table.tex", "index.html")]
    for text in (*texts, capsys.readouterr().out):
        assert "mine" in text
        assert "ours" in text
        assert "Disk" not in text.replace("disk_", "")
        assert "Shapes" not in text
