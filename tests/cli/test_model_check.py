"""``sam-bench check model``: right models keep every promise, wrong ones break theirs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from colour_words import ColourWords

from bench.cli import main
from bench.cli.model_check import measuring
from bench.cli.model_check.promises import ask_canary, try_promises
from bench.models.disk import Disk
from bench.types import Prediction, Prompt, Site


class Swapped(Disk):
    """Takes y for x."""

    def predict(self, embeddings, prompts, multimask):
        """Points turned round."""
        turned = [Prompt(p.points[:, ::-1].copy(), p.labels, box=p.box) for p in prompts]
        return super().predict(embeddings, turned, multimask)


class Current(Disk):
    """Answers on the picture that was embedded last."""

    def embed(self, images):
        """Keeps the last."""
        found = super().embed(images)
        if len(found):
            self._last = found[-1]
        return found

    def predict(self, embeddings, prompts, multimask):
        """Whatever picture was asked for."""
        return super().predict([self._last] * len(prompts), prompts, multimask)


class Painting(Disk):
    """Writes into the picture."""

    def embed(self, images):
        """Blackens the first pixel."""
        for image in images:
            image[0, 0] = 0
        return super().embed(images)


class Unsure(Disk):
    """Answers NaN."""

    def predict(self, embeddings, prompts, multimask):
        """NaN for the predicted IoU."""
        found = super().predict(embeddings, prompts, multimask)
        return Prediction(
            found.logits, [each * torch.nan for each in found.predicted_iou], found.frames
        )


class Drifting(Disk):
    """Answers another thing each time."""

    _asked = 0

    def predict(self, embeddings, prompts, multimask):
        """Logits that rise with every call."""
        self._asked += 1
        found = super().predict(embeddings, prompts, multimask)
        return replace(found, logits=[each + self._asked for each in found.logits])


class Stubborn(Disk):
    """Wants at least one prompt."""

    def predict(self, embeddings, prompts, multimask):
        """Raises for none."""
        if not prompts:
            raise RuntimeError("stack expects a non-empty TensorList\nand more")
        return super().predict(embeddings, prompts, multimask)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Disk, set()),
        (Swapped, {"the right place"}),
        (Current, {"a batch as one by one"}),
        (Painting, {"pictures left alone"}),
        (Unsure, {"masks of the picture", "logits fed back"}),
        (Drifting, {"a batch as one by one", "any order", "the same twice"}),
        (Stubborn, {"nothing asked"}),
    ],
)
def test_each_fault_breaks_its_promise(kind, expected):
    assert {one.name for one in try_promises(kind(site=Site())) if one.holds is False} == expected


def test_what_a_model_raises_is_one_line():
    said = {one.name: one.said for one in try_promises(Stubborn(site=Site()))}
    assert said["nothing asked"] == "raised RuntimeError: stack expects a non-empty TensorList"


class OnlySound(Disk):
    """Understands what is said aloud."""

    prompt_kinds = frozenset({"sound"})


def test_a_model_of_other_cues_is_said_to_be_untried():
    (one,) = try_promises(OnlySound(site=Site()))
    assert (one.holds, one.said) == (None, "takes sound alone: nothing of this was tried")


def test_a_model_of_words_is_asked_in_words():
    found = list(try_promises(ColourWords(site=Site())))
    assert {each.holds for each in found} == {True, None}
    assert [each.name for each in found if each.holds is None] == [
        "logits fed back", "the right place", "embeddings kept",
    ]  # fmt: skip
    cost = measuring.measure(ColourWords(site=Site()), "cpu")
    assert cost.predict.rounds == measuring.ROUNDS


def test_the_demo_model_keeps_them_all_with_its_canary(capsys, monkeypatch):
    monkeypatch.setattr(measuring, "ROUNDS", 3)
    assert main(["check", "model", "model=demo_s", "runtime.device=cpu"]) == 0
    said = capsys.readouterr().out
    assert "demo_s keeps what a model promises." in said
    assert "BROKEN" not in said
    assert "its recorded masks, again" in said
    assert "1.8 M" in said
    assert "GMACs" in said


def test_a_broken_promise_is_the_exit_code(capsys, monkeypatch):
    monkeypatch.setattr(measuring, "ROUNDS", 1)
    words = ["model=disk", "model.target=test_model_check.Swapped", "runtime.device=cpu",
             "runtime.allow_modules=[test_model_check]"]  # fmt: skip
    assert main(["check", "model", *words]) == 1
    assert "disk breaks 1 of 11 promises: the right place." in capsys.readouterr().out


def test_a_model_without_a_checkpoint_has_no_canary(tmp_path):
    assert ask_canary(Disk(site=Site()), [tmp_path]).holds is None


def test_operations_are_those_of_the_products():
    weights = torch.ones(30, 20)

    class Products(Disk):
        """A picture is a product of 10×30 and 30×20, an answer one of 5×30."""

        def embed(self, images):
            torch.ones(10, 30) @ weights
            return super().embed(images)

        def predict(self, embeddings, prompts, multimask):
            torch.ones(5, 30) @ weights
            return super().predict(embeddings, prompts, multimask)

    cost = measuring.measure(Products(site=Site()), "cpu")
    assert cost.embed_gmacs == pytest.approx(10 * 30 * 20 / 1e9)
    assert cost.predict_gmacs == pytest.approx(5 * 30 * 20 / 1e9)
    assert cost.parameters is None
    assert np.isfinite([cost.embed.median, cost.embed.late]).all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model"], "say which model is to be checked"),
        (["model", "model=demo,demo_s"], "one model at a time"),
        (["modle", "model=demo"], "or parity, or model; found 'modle'"),
        (["model", "model=nope"], "nope"),
    ],
)
def test_wrong_words_are_one_line(words, said, capsys):
    assert main(["check", *words]) == 2
    assert said in capsys.readouterr().err
