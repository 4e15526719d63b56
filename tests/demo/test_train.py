"""Training: clicks, losses, a few real steps, and a resumed run that equals one in one go."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.demo.training import score as score_command
from bench.demo.training.batches import Recipe, draw_batch, drawn_ahead, rounds_of_step
from bench.demo.training.clicks import (
    Click,
    correction,
    deepest_point,
    noisy_box,
    random_point,
    tight_box,
)
from bench.demo.training.decoding import BACKGROUND, BOX_FIRST, BOX_LAST, FOREGROUND, PAD, Answers
from bench.demo.training.episodes import Question, first_prompts, next_prompts, soft_targets
from bench.demo.training.holdout import evaluation_scene, score_scene, summary
from bench.demo.training.loop import (
    State,
    accumulate_gradients,
    apply_gradients,
    balance_of_step,
    learning_rate,
    new_state,
    save_state,
)
from bench.demo.training.losses import LossWeights, hard_iou, mask_losses, round_loss
from bench.demo.training.train import Plan, main, run, train
from bench.demo.training.weights import load_demo_sam, read_notes, save_weights

TINY = Recipe(size="s", images=1, prompts=2, processes=1, warmup_steps=2)


def _mask(height: int, width: int, rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[rows, columns] = True
    return mask


# ------------------------------------------------------------------------------------ clicks


def test_deepest_point_counts_the_border_as_outside() -> None:
    mask = _mask(40, 70, slice(0, 21), slice(50, 70))
    click = deepest_point(mask)
    assert click.positive
    assert abs(click.x - 59.5) <= 1
    assert abs(click.y - 10) <= 1


def test_correction_goes_to_the_deeper_error() -> None:
    target = _mask(40, 60, slice(5, 35), slice(5, 30))
    short = _mask(40, 60, slice(5, 35), slice(5, 18))
    click = correction(target, short)
    assert click.positive
    assert 18 <= click.x < 30
    wide = _mask(40, 60, slice(5, 35), slice(9, 55))
    click = correction(target, wide)
    assert not click.positive
    assert 30 <= click.x < 55


def test_correction_of_a_perfect_mask_stays_inside() -> None:
    target = _mask(30, 30, slice(10, 13), slice(4, 7))
    assert correction(target, target) == Click(5, 11, True)


def test_random_clicks_stay_where_they_belong() -> None:
    rng = np.random.default_rng(0)
    target = _mask(30, 50, slice(3, 9), slice(20, 40))
    prediction = _mask(30, 50, slice(5, 15), slice(25, 45))
    for _ in range(100):
        point = random_point(rng, target)
        assert target[point.y, point.x]
        click = correction(target, prediction, rng)
        assert target[click.y, click.x] != prediction[click.y, click.x]
        assert click.positive == target[click.y, click.x]


def test_boxes() -> None:
    mask = _mask(30, 50, slice(3, 9), slice(20, 40))
    assert tight_box(mask).tolist() == [20, 3, 39, 8]
    rng = np.random.default_rng(1)
    boxes = np.array([noisy_box(rng, mask, 0.3, (30, 50)) for _ in range(200)])
    assert (boxes[:, 2:] >= boxes[:, :2]).all()
    assert (boxes >= 0).all()
    assert (boxes[:, [0, 2]] <= 49).all()
    assert (boxes[:, [1, 3]] <= 29).all()
    assert noisy_box(rng, mask, 0.0, (30, 50)).tolist() == [20, 3, 39, 8]


def test_prompts_grow_by_one_click_a_round() -> None:
    mask = np.zeros((256, 256), bool)
    mask[40:80, 100:180] = True
    questions = [Question(mask, 0, Click(140, 60, True)), Question(mask, 0, tight_box(mask))]
    prompts = first_prompts(questions)
    assert prompts.labels.tolist() == [[FOREGROUND, PAD], [BOX_FIRST, BOX_LAST]]
    assert prompts.points[1].tolist() == [[100, 40], [179, 79]]
    everything = torch.ones(2, 128, 128)
    everything[1] = -1
    later = next_prompts(prompts, questions, everything, None)
    assert later.labels[:, 2].tolist() == [BACKGROUND, FOREGROUND]
    assert later.mask_logits is not None
    assert torch.equal(later.mask_logits[:, 0], everything)


# ------------------------------------------------------------------------------------ losses


def test_soft_target_is_the_share_of_each_cell() -> None:
    mask = np.zeros((256, 256), bool)
    mask[10:13, 20:22] = True
    target = soft_targets([Question(mask, 0, Click(20, 10, True))])
    assert target.shape == (1, 128, 128)
    assert target[0, 5, 10] == 1
    assert target[0, 6, 10] == 0.5
    assert target.sum() == pytest.approx(mask.sum() / 4)


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_mask_loss_prefers_better_masks(balance: float) -> None:
    target = torch.zeros(1, 16, 16)
    target[0, 4:10, 5:9] = 1
    perfect = 20 * target - 10
    shifted = perfect.roll(2, dims=2)
    empty = torch.full_like(perfect, -10)
    logits = torch.stack([perfect, shifted, empty], dim=1)
    good, worse, worst = mask_losses(logits, target, balance)[0].tolist()
    assert good < 0.02 < worse < worst


def test_small_things_have_a_say_in_the_focal_loss() -> None:
    grid = torch.zeros(2, 128, 128)
    grid[0, 60:64, 60:64] = 1
    grid[1, 20:100, 20:100] = 1
    half = (grid + 0.5 * (grid.roll(2, dims=2) - grid).clamp(min=0))[:, None] * 8 - 4
    small, large = mask_losses(half, grid, 0.0)[:, 0].tolist()
    assert small > large > 0, "the same shift is a larger error of a smaller thing"
    flat = torch.full_like(half, -4.0)
    missed_small, missed_large = (mask_losses(flat, grid, 0.0)[:, 0] - 1).tolist()
    assert missed_small / missed_large > 40 * grid[0].sum() / grid[1].sum()


def test_round_loss_trains_only_the_best_candidate() -> None:
    target = torch.zeros(1, 128, 128)
    target[0, 30:60, 40:80] = 1
    logits = torch.stack([4 * target - 2, 2 * target - 1, 4 * target - 2, -(target * 2 - 1)], dim=1)
    logits.requires_grad_()
    answers = Answers(logits, torch.zeros(1, 4))
    nothing, full = torch.zeros(1), torch.ones(1)
    torch.autograd.backward(round_loss(answers, target, LossWeights(0.0, nothing, full)))
    assert logits.grad is not None
    size = logits.grad.abs().sum(dim=(0, 2, 3))
    assert size[0] == 0
    assert size[2] > 0
    assert size[2] > 0.1 * size[3], "the mean term must stay small beside the best one"
    before = size[3]
    logits.grad = None
    torch.autograd.backward(round_loss(answers, target, LossWeights(0.0, full, nothing)))
    assert logits.grad is not None
    assert logits.grad[0, 0].abs().sum() > 0
    assert logits.grad[0, 1:].abs().sum() == 0
    assert before > 0


def test_iou_head_is_trained_to_the_true_iou() -> None:
    target = torch.zeros(1, 8, 8)
    target[0, :4] = 1
    logits = torch.full((1, 4, 8, 8), -5.0)
    logits[0, 0, :4] = 5
    logits[0, 1, :2] = 5
    assert hard_iou(logits, target).tolist() == [[1.0, 0.5, 0.0, 0.0]]
    predicted = torch.tensor([[0.5, 0.5, 0.5, 0.5]], requires_grad=True)
    weights = LossWeights(0.0, torch.zeros(1), torch.zeros(1))
    loss = round_loss(Answers(logits, predicted), target, weights)
    assert float(loss.detach()) == pytest.approx(0.75)
    torch.autograd.backward(loss)
    assert predicted.grad is not None
    assert predicted.grad.tolist() == [[-1.0, 0.0, 1.0, 1.0]]


# ---------------------------------------------------------------------------------- schedule


def test_learning_rate_warms_up_stays_and_decays_to_zero() -> None:
    recipe = Recipe()
    assert learning_rate(recipe, 0, 0.0) < 0.05 * recipe.learning_rate
    assert learning_rate(recipe, 500, 0.1) == pytest.approx(recipe.learning_rate)
    start = 1 - recipe.decay_share
    assert learning_rate(recipe, 500, start) == pytest.approx(recipe.learning_rate)
    half_way = learning_rate(recipe, 500, start + recipe.decay_share / 2)
    assert half_way == pytest.approx(recipe.learning_rate / 2)
    assert learning_rate(recipe, 500, 1.0) == 0


def test_batches_depend_on_step_and_rank_only() -> None:
    recipe = replace(TINY, processes=2)
    first, again, other = (draw_batch(recipe, 5, rank) for rank in (0, 0, 1))
    assert np.array_equal(first.scenes[0].image, again.scenes[0].image)
    assert not np.array_equal(first.scenes[0].image, other.scenes[0].image)
    assert len(again.questions) == recipe.prompts
    for question in again.questions:
        assert question.target.shape == (256, 256)
        assert question.target.any()


def test_a_few_scenes_come_again_with_other_prompts() -> None:
    few = replace(TINY, scenes=3, first_scene=500)
    pictures = [draw_batch(few, step, 0) for step in range(7)]
    for step in range(4):
        first, again = pictures[step], pictures[step + 3]
        assert np.array_equal(first.scenes[0].image, again.scenes[0].image)
        assert str(first.questions) != str(again.questions)
    assert not np.array_equal(pictures[0].scenes[0].image, pictures[1].scenes[0].image)
    endless = draw_batch(replace(TINY, first_scene=500), 3, 0)
    assert not np.array_equal(endless.scenes[0].image, pictures[0].scenes[0].image)


@pytest.mark.long
def test_batches_drawn_ahead_are_the_same() -> None:
    with drawn_ahead(TINY, 0, 2) as batch_of:
        ahead = [batch_of(step) for step in (4, 5, 6)]
    for step, batch in zip((4, 5, 6), ahead, strict=True):
        here = draw_batch(TINY, step, 0)
        assert np.array_equal(batch.scenes[0].image, here.scenes[0].image)
        assert [str(question) for question in batch.questions] == [str(q) for q in here.questions]


def test_the_first_round_and_the_last_two_teach() -> None:
    found = [rounds_of_step(TINY, step) for step in range(400)]
    assert {rounds.number for rounds in found} == {1, 2, 3, 5, 9}
    for rounds in found:
        last = {rounds.number - 1, max(0, rounds.number - 2)}
        assert rounds.teaching == {0} | last


def test_half_of_the_boxes_are_tight() -> None:
    boxed = replace(TINY, box_share=1.0, prompts=8)
    questions = [q for step in range(40) for q in draw_batch(boxed, step, 0).questions]
    tight = [np.array_equal(q.start, tight_box(q.target)) for q in questions]
    assert 0.4 < np.mean(tight) < 0.75  # noise may round to nothing on small things


def test_trained_weights_need_no_balanced_start() -> None:
    assert balance_of_step(TINY, 0) == 1
    assert balance_of_step(replace(TINY, init="5ca1ab1e"), 0) == 0


# ------------------------------------------------------------------------------------ running


def _steps(state: State, number: int) -> list[float]:
    losses = []
    for _ in range(number):
        batch = draw_batch(TINY, state.step, 0)
        losses.append(accumulate_gradients(TINY, state, 0, batch)["loss"])
        apply_gradients(TINY, state)
    return losses


@pytest.mark.long
def test_repeating_one_batch_lowers_its_loss() -> None:
    torch.set_num_threads(1)
    state = new_state(TINY)
    losses = []
    for _ in range(20):
        state.step = 3  # the same scene and prompts each time, at full learning rate
        losses += _steps(state, 1)
    assert losses[-1] < 0.85 * losses[0], losses
    assert np.isfinite(losses).all()


@pytest.mark.long
def test_a_resumed_run_equals_one_in_one_go(tmp_path: Path) -> None:
    plan = Plan(out=tmp_path / "whole", steps=4, holdout_scenes=1, ahead=0)
    half = replace(plan, out=tmp_path / "halves")
    plan.out.mkdir()
    half.out.mkdir()
    whole = run(TINY, plan)

    state = run_until(TINY, half, stop=2)
    assert state.step == 2
    continued = run(TINY, half)

    assert (continued.step, continued.progress) == (whole.step, whole.progress) == (4, 1.0)
    for name, tensor in whole.sam.state_dict().items():
        assert torch.equal(continued.sam.state_dict()[name], tensor), name
    for name, tensor in whole.ema.items():
        assert torch.equal(continued.ema[name], tensor), name
    first = whole.optimiser.state_dict()["state"]
    second = continued.optimiser.state_dict()["state"]
    assert all(torch.equal(first[k]["exp_avg_sq"], second[k]["exp_avg_sq"]) for k in first)
    fresh = new_state(TINY).sam.state_dict()
    assert any(not torch.equal(fresh[name], t) for name, t in whole.sam.state_dict().items())


def run_until(recipe: Recipe, plan: Plan, stop: int) -> State:
    """Train as `run` does, but be stopped after `stop` steps, with the state saved."""
    state = new_state(recipe)
    while state.step < stop:
        state.progress = plan.progress(state)
        accumulate_gradients(recipe, state, 0, draw_batch(recipe, state.step, 0))
        apply_gradients(recipe, state)
    save_state(state, plan.out / "state.pt")
    return state


@pytest.mark.long
def test_two_processes_write_curve_and_checkpoint(tmp_path: Path) -> None:
    out = tmp_path / "run"
    recipe = replace(TINY, processes=2, prompts=1)
    train(recipe, Plan(out=out, steps=1, holdout_scenes=1))
    (line,) = [json.loads(text) for text in (out / "curve.jsonl").read_text().splitlines()]
    assert (line["steps"], line["images"]) == (1, 2)
    for name in ("point_1", "oracle", "point_3", "point_9", "box"):
        assert 0 <= line[name] <= 1
    assert line["oracle"] >= line["point_1"]
    assert load_demo_sam(out / "demo_s.safetensors").image_encoder.img_size == 256
    assert read_notes(out / "demo_s.safetensors")["steps"] == "1"
    with pytest.raises(ValueError, match="another recipe"):
        train(replace(recipe, seed=1), Plan(out=out, steps=1))


@pytest.mark.long
def test_a_run_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    start = tmp_path / "start.safetensors"
    save_weights(new_state(replace(TINY, seed=9)).sam.state_dict(), start, "s", {})
    words = ["--size", "s", "--steps", "1", "--processes", "1", "--images", "1"]
    out = tmp_path / "run"
    main([*words, "--out", str(out), "--init", str(start), "--learning-rate", "1e-5"])
    before, after = load_demo_sam(start).state_dict(), load_demo_sam(out / "demo_s.safetensors")
    for name, tensor in after.state_dict().items():
        assert (tensor - before[name]).abs().max() < 1e-3, name
    recipe = json.loads(read_notes(out / "demo_s.safetensors")["recipe"])
    assert recipe["init"] == hashlib.sha256(start.read_bytes()).hexdigest()


def test_the_command_needs_a_budget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--size", "s", "--out", str(tmp_path)])
    assert stopped.value.code == 2
    assert "--minutes" in capsys.readouterr().err


def test_hold_out_scores_are_of_every_object() -> None:
    scene = evaluation_scene(3)
    assert max(scene.image.shape[:2]) == 256
    scores = score_scene(new_state(TINY).sam.eval(), scene)
    assert len(scores) == len(scene.objects)
    for score, thing in zip(scores, scene.objects, strict=True):
        assert score.area == pytest.approx(thing.mask.mean())
        assert score.oracle >= score.top1 == score.clicks[0]
        assert len(score.clicks) == 9
    assert set(summary(scores)) >= {"point_1", "oracle", "point_3", "point_9", "box"}


def test_the_score_table_has_a_row_per_object_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "demo_s.safetensors"
    save_weights(new_state(TINY).sam.state_dict(), path, "s", {})
    score_command.main([str(path), "--scenes", "2"])
    rows = capsys.readouterr().out.strip().splitlines()[2:]
    assert rows.pop().startswith("rank correlation of predicted and true IoU: ")
    assert rows.pop() == ""
    counts = [int(row.split("|")[2]) for row in rows]
    assert rows[0].startswith("| all |")
    assert len(rows) >= 2
    assert counts[0] == sum(counts[1:]) > 2
