"""The miniature Sam: the official predictor works on it, and our batched decoder agrees."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from segment_anything import SamPredictor
from segment_anything.modeling import Sam

import bench.demo
from bench.config.folders import conf_dir
from bench.demo.network import SIZES, SizeName, build_demo_sam, grow_from, local_init
from bench.demo.scenes.scene import render_scene
from bench.demo.training.clicks import Click
from bench.demo.training.decoding import PromptBatch, answer
from bench.demo.training.episodes import Question, encoder_input, first_prompts, padded
from bench.demo.training.holdout import score_scenes, summary
from bench.demo.training.weights import load_demo_sam, read_notes, save_weights

CHECKPOINTS = Path(bench.demo.__file__).parent / "checkpoints"


@pytest.fixture(scope="module")
def sam() -> Sam:
    torch.manual_seed(7)
    model = build_demo_sam("s").eval()
    local_init(model)
    return model


@pytest.mark.parametrize(("size", "most_megabytes"), [("s", 5), ("m", 10), ("l", 30)])
def test_sizes_in_half_precision(size: SizeName, most_megabytes: float) -> None:
    parameters = sum(p.numel() for p in build_demo_sam(size).parameters())
    assert 0.3 * most_megabytes < 2e-6 * parameters < most_megabytes


def test_sizes_grow() -> None:
    counts = [sum(p.numel() for p in build_demo_sam(size).parameters()) for size in SIZES]
    assert counts == sorted(counts)
    assert counts[1] > 2 * counts[0]
    assert counts[2] > 1.2 * counts[1]


@pytest.mark.parametrize("size", list(SIZES))
def test_embedding_has_stride_8(size: SizeName) -> None:
    model = build_demo_sam(size).eval()
    with torch.no_grad():
        embedding = model.image_encoder(torch.zeros(2, 3, 256, 256))
    assert embedding.shape == (2, SIZES[size].dim, 32, 32)


def test_official_predictor_on_a_non_square_image(sam: Sam) -> None:
    predictor = SamPredictor(sam)
    image = np.random.default_rng(0).integers(0, 256, (90, 140, 3), dtype=np.uint8)
    predictor.set_image(image)
    masks, scores, logits = predictor.predict(np.array([[100, 20]]), np.array([1]))
    assert masks.shape == (3, 90, 140)
    assert scores.shape == (3,)
    assert logits.shape == (3, 128, 128)
    again, _, _ = predictor.predict(
        np.array([[100, 20], [3, 80]]), np.array([1, 0]), None, logits[:1], multimask_output=False
    )
    assert again.shape == (1, 90, 140)
    boxed, _, _ = predictor.predict(box=np.array([10, 10, 120, 70]), multimask_output=False)
    assert boxed.shape == (1, 90, 140)


@pytest.mark.parametrize("with_mask", [False, True])
def test_batched_decoder_gives_the_official_numbers(sam: Sam, with_mask: bool) -> None:
    """Two pictures, a click and a box on each, against one call of the predictor per prompt."""
    predictor = SamPredictor(sam)
    scenes = [
        render_scene(s, bank="train", size=size) for s, size in ((1, (256, 171)), (2, (192, 256)))
    ]
    box = np.array([20, 30, 140, 120], np.float32)
    questions = []
    for index, scene in enumerate(scenes):
        mask = padded(scene.objects[0].mask)
        questions += [Question(mask, index, Click(60, 100, True)), Question(mask, index, box)]
    prompts = first_prompts(questions)
    previous = torch.randn(4, 1, 128, 128, generator=torch.Generator().manual_seed(1))
    if with_mask:
        prompts = PromptBatch(prompts.points, prompts.labels, prompts.image_index, previous)
    with torch.no_grad():
        answers = answer(sam, sam.image_encoder(encoder_input(sam, scenes)), prompts)
    for index, question in enumerate(questions):
        predictor.set_image(scenes[question.image_index].image)
        given = previous[index].numpy() if with_mask else None
        for multimask, own in ((True, slice(1, 4)), (False, slice(0, 1))):
            if isinstance(question.start, Click):
                _, scores, logits = predictor.predict(
                    np.array([[60, 100]]), np.array([1]), None, given, multimask
                )
            else:
                _, scores, logits = predictor.predict(None, None, box, given, multimask)
            np.testing.assert_allclose(answers.logits[index, own], logits, atol=2e-5)
            np.testing.assert_allclose(answers.predicted_iou[index, own], scores, atol=2e-5)


def test_local_init_looks_at_the_click() -> None:
    """Before any training the attention of a click peaks near it; without the change it doesn't."""
    errors = []
    for local in (True, False):
        torch.manual_seed(3)
        model = build_demo_sam("s")
        if local:
            local_init(model)
        attention = model.mask_decoder.transformer.final_attn_token_to_image
        dense = model.prompt_encoder.get_dense_pe().flatten(2).transpose(1, 2)
        points = torch.tensor([[[40.0, 200.0]], [[220.0, 30.0]], [[120.0, 120.0]]])
        with torch.no_grad():
            place = model.prompt_encoder.pe_layer.forward_with_coords(points, (256, 256))
            score = attention.q_proj(place) @ attention.k_proj(dense).transpose(1, 2)
        peak = score[:, 0].argmax(dim=1)
        found = torch.stack([peak % 32, peak // 32], dim=1) * 8.0 + 4
        errors.append(float((found - points[:, 0]).norm(dim=1).max()))
    assert errors[0] < 12
    assert errors[1] > 30


def test_checkpoint_round_trip(sam: Sam, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "demo_s.safetensors"
    save_weights(sam.state_dict(), path, "s", {"steps": "12"})
    assert read_notes(path)["steps"] == "12"
    loaded = load_demo_sam(path)
    assert not loaded.training
    for name, tensor in sam.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor.half().float()), name
    assert [p.name for p in path.parent.iterdir()] == ["demo_s.safetensors"]


def test_a_checkpoint_with_a_missing_or_foreign_part_is_refused(sam: Sam, tmp_path: Path) -> None:
    weights = dict(sam.state_dict())
    weights.pop("mask_decoder.iou_token.weight")
    save_weights(weights, tmp_path / "missing.safetensors", "s", {})
    with pytest.raises(RuntimeError, match="iou_token"):
        load_demo_sam(tmp_path / "missing.safetensors")
    save_weights(sam.state_dict(), tmp_path / "other.safetensors", "s", {"format": "other"})
    with pytest.raises(ValueError, match="demo-sam-1"):
        load_demo_sam(tmp_path / "other.safetensors")


def test_a_larger_size_starts_where_the_smaller_one_is() -> None:
    torch.manual_seed(1)
    small, large = build_demo_sam("m").eval(), build_demo_sam("l").eval()
    grow_from(large, small.state_dict())
    x = torch.randn(1, 3, 256, 256)
    with torch.no_grad():
        assert torch.equal(small.image_encoder(x), large.image_encoder(x))
    for name, tensor in small.state_dict().items():
        assert torch.equal(large.state_dict()[name], tensor)
    large.image_encoder(x).square().mean().backward()
    new = [n for n, _ in large.named_parameters() if n not in small.state_dict()]
    moved = [n for n in new if large.get_parameter(n).grad.abs().sum() > 0]
    assert len(moved) >= 7, "every new branch must be able to learn"


def test_another_architecture_is_no_start() -> None:
    with pytest.raises(ValueError, match="cannot grow"):
        grow_from(build_demo_sam("m"), build_demo_sam("s").state_dict())
    with pytest.raises(ValueError, match="cannot grow"):
        grow_from(build_demo_sam("m"), build_demo_sam("l").state_dict())


FILES = sorted(path.stem for path in CHECKPOINTS.glob("*.safetensors"))


def test_the_family_is_complete_and_small() -> None:
    assert FILES == ["demo_l", "demo_m", "demo_s", "demo_s_data_1", "demo_s_data_10"]
    assert sum(path.stat().st_size for path in CHECKPOINTS.glob("*.safetensors")) < 30e6


@pytest.mark.parametrize("name", FILES)
def test_a_card_belongs_to_the_checkpoint_beside_it(name: str) -> None:
    path = CHECKPOINTS / f"{name}.safetensors"
    assert read_notes(path)["size"] == name[5]
    card = (CHECKPOINTS / f"{name}.md").read_text()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest in card
    assert f"{int(read_notes(path)['steps']):,} steps" in card
    model = "demo" if name == "demo_m" else name
    part = yaml.safe_load((conf_dir() / "model" / f"{model}.yaml").read_text())
    assert part["args"]["sha256"] == digest
    loaded = load_demo_sam(path)
    assert part["about"]["parameters"] == sum(p.numel() for p in loaded.parameters())
    encoder = sum(p.numel() for p in loaded.image_encoder.parameters())
    assert part["about"]["encoder_parameters"] == encoder
    assert (conf_dir() / "canary" / f"{digest}.json").is_file()


@pytest.mark.long
def test_the_checkpoint_has_learnt() -> None:
    """Bars far below the card's figures, on other scenes; the orderings are what must hold."""
    model = load_demo_sam(CHECKPOINTS / "demo_m.safetensors")
    torch.set_num_threads(1)
    scores = score_scenes(model, range(20_000, 20_005))
    means = summary([score for score in scores if score.area >= 0.01])
    assert means["objects"] >= 15
    assert means["point_1"] > 0.35
    assert means["box"] > 0.4
    assert means["oracle"] > means["point_1"] + 0.01
    assert means["point_9"] > means["point_3"] > means["point_1"]
