"""Errors of a configuration speak of what the user wrote, not of the libraries that read it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.config.composing import load_configs
from bench.types import BenchError
from bench.types.errors import did_you_mean

LIBRARIES = re.compile(
    r"hydra|omegaconf|DictConfig|ListConfig|Optional|full_key|_type|Lexer|EOF|grammar|struct|primary"
    r"|subclass|defaults list|[a-z]Error|NoneType|<class|unicode string",
    re.IGNORECASE,
)


def refused(*words: str, extra: Path | None = None) -> str:
    with pytest.raises(BenchError) as caught:
        load_configs(words, extra)
    said = str(caught.value)
    assert not LIBRARIES.search(said)
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("model=dmo", "no model is called 'dmo'; did you mean demo or demo_s?"),
        ("dataset=5", "no dataset is called '5'; there are ade20k, bbbc038, "),
        ("prompt=[box,pont_1]", "no prompt is called 'pont_1'; did you mean point_1 or point_3?"),
        ("experiment=dem", "no experiment is called 'dem'; did you mean demo?"),
        ("runtime=Loca", "no runtime is called 'Loca'; did you mean local?"),
        ("model=[demo,disk]", "expected model=NAME, or model=ONE,ANOTHER for both in turn"),
        ("model=null", "model=null: expected model=NAME"),
        ("prompt={a: 1}", "prompt={a: 1}: expected prompt=NAME"),
        ("runtime.ray.adress=x", "called 'runtime.ray.adress'; did you mean runtime.ray.address"),
        ("workers=3", "nothing is called 'workers'; did you mean runtime.workers"),
        ("model.titel=x", "'model.titel'; did you mean model.target or model.name?"),
        ("sweep={modle: [a]}", "nothing is called 'sweep.modle'; did you mean sweep?"),
        ("runtime.profile=perhaps", "runtime.profile must be true or false, found perhaps"),
        ("runtime.limit=1.5", "runtime.limit must be a whole number, found 1.5"),
        ("runtime.ray.actors=x", "runtime.ray.actors must be a whole number, found x"),
        (
            "runtime.results=null",
            "runtime.results must not be null: leave it out, or give it a text",
        ),
        ("runtime.ray=5", "runtime.ray must be keys with values, as in {key: value}, found 5"),
        ("model.args=[1]", "model.args must be keys with values, as in {key: value}, found [1]"),
        ("prompts.box=null", "prompts.box must not be null: leave it out"),
        ("figure=[1]", "figure must be a text, found [1]"),
        ("figure=${nothing}", "figure: ${nothing} names nothing; a text with ${ in it is written"),
        ("figure=${nothing:1}", "figure: ${nothing:…} calls nothing that there is"),
        ("figure=${oc.env:NOT_THERE}", "figure: the environment has no NOT_THERE"),
        ("runtime.limit=interval(0,1)", "an interval has no end of values: name each"),
        ("prompt=glob(po*)", "glob(…) isn't understood: name each, as in prompt=[box,point_1]"),
        ("+model=disk", "model is chosen twice: "),
        ("++model=disk", "write model=disk, without a +"),
        ("~modle", "~modle: there is nothing of that name to leave out"),
        ("=5", "'=5': '' is no key: expected words with dots between them"),
    ],
)
def test_a_word_is_refused_in_plain_words(word: str, says: str) -> None:
    assert says in refused(word)


@pytest.mark.parametrize("word", ["hydra.run.dir=x", "+hydra.foo=1", "hydra/launcher=x"])
def test_the_libraries_settings_are_none_of_the_benchs(word: str) -> None:
    with pytest.raises(
        BenchError, match=r"nothing is called 'hydra.*'; there are dataset, experiment"
    ):
        load_configs([word])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("model: {titel: x}", "nothing is called 'model.titel'; did you mean model.target"),
        (
            "runtime: {wrkers: 1}",
            "nothing is called 'runtime.wrkers'; did you mean runtime.workers",
        ),
        ("x: 1", "nothing is called 'x'; there are dataset, experiment, "),
        ("runtime: 5", "runtime must be keys with values, as in {key: value}, found 5"),
        ("model: 5", "keys with values are expected, as in KEY: VALUE, found 5"),
        ("prompts: [1]", "keys with values are expected, as in KEY: VALUE, found a list"),
        ("runtime: {workers: x}", "runtime.workers must be a whole number, found x"),
        ("model: {about: null}", "model.about must not be null: leave it out, or give it keys"),
        ("metrics: x", "metrics must be a list of names, such as metrics=[one,another]; found x"),
        ("defaults: [{override /modle: demo}]", "its defaults override 'modle', which is no group"),
        ("defaults: [nothing]", "no experiment is called 'nothing'; there are concepts, demo, "),
        ("defaults: 5", "its defaults must be a list of names"),
        ("a: b: c", "mapping values are not allowed in this context at line 2, column 5"),
    ],
)
def test_a_yaml_is_refused_in_plain_words(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "theirs.yaml").write_text(f"# @package _global_\n{text}\n")
    said = refused("model=disk", "experiment=theirs", extra=tmp_path)
    assert "experiment/theirs.yaml: " in said
    assert says in said


def test_a_name_of_another_case_is_near() -> None:
    assert did_you_mean("SAM", ["sam", "hq_sam"]) == "did you mean sam or hq_sam?"
    assert did_you_mean("x", []) == "there is none"
    assert did_you_mean("b", ["a"], also=["bb"]) == "did you mean bb?"
