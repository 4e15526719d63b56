from __future__ import annotations

import inspect
import re
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType

import pytest

from bench import models, prompts, protocol, tasks
from bench.config import folders
from bench.config.component import Component, load_class
from bench.config.composing import RunConfig, Runtime, component_about, load_configs
from bench.config.folders import conf_dir, group_names
from bench.config.run_key import run_key
from bench.config.words import quoted
from bench.data import readers
from bench.data.opening import reader_args
from bench.report.figures.figures import own_figure
from bench.run import runtime as runtimes
from bench.tasks.opening import open_task
from bench.types import BenchError, Reader

ROOMS = {
    "model": models,
    "dataset": readers,
    "prompt": prompts,
    "protocol": protocol,
    "task": tasks,
}


def one(*overrides: str, extra: Path | None = None) -> RunConfig:
    (config,) = load_configs(["model=disk", *overrides], extra)
    return config


def test_the_defaults_are_the_main_job() -> None:
    (config,) = load_configs([])
    assert config.model.name == "demo"
    assert config.dataset.name == "shapes"
    assert list(config.prompts) == ["point_1", "point_3", "box"]
    assert config.protocol.name == "sam"


def test_a_prompt_is_addressed_by_its_name() -> None:
    config = one("prompt=[point_3,box]", "prompts.point_3.args.clicks=5")
    assert config.prompts["point_3"].args["clicks"] == 5
    assert list(one("prompt=point_1").prompts) == ["point_1"]
    for chosen in ("prompt=point_3", "prompt=[point_3]"):
        assert one("prompt.args.clicks=5", chosen).prompts["point_3"].args["clicks"] == 5
    with pytest.raises(BenchError, match=r"the one prompt that prompt=NAME chooses; of several"):
        one("prompt=[point_3,box]", "prompt.args.clicks=5")


def test_commas_sweep_and_the_prompts_stay_together() -> None:
    configs = load_configs(["model=disk,grabcut", "dataset=shapes,photos", "prompt=[point_1,box]"])
    assert [(c.model.name, c.dataset.name) for c in configs] == [
        ("disk", "shapes"),
        ("disk", "photos"),
        ("grabcut", "shapes"),
        ("grabcut", "photos"),
    ]
    assert all(list(c.prompts) == ["point_1", "box"] for c in configs)


def test_an_experiment_is_a_file_and_the_command_line_still_wins() -> None:
    names = [(c.model.name, c.dataset.name) for c in load_configs(["experiment=demo"])]
    assert names == [
        (model, dataset)
        for model in ("demo", "demo_s", "demo_l")
        for dataset in ("shapes", "photos")
    ]
    names = [
        (c.model.name, c.dataset.name)
        for c in load_configs(["experiment=demo", "model=disk,grabcut"])
    ]
    assert names == [
        ("disk", "shapes"),
        ("grabcut", "shapes"),
        ("disk", "photos"),
        ("grabcut", "photos"),
    ]


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("modle=disk", "'modle'; did you mean model?"),
        ("runtime.wrkers=3", "did you mean runtime.workers"),
        ("+runtime.wrkers=3", "did you mean runtime.workers"),
        ("+model.titel=x", "nothing is called 'model.titel'"),
        ("+nonsense=1", "nothing is called 'nonsense'"),
        ("prompts.point_9.args.clicks=3", "no prompt 'point_9' is chosen"),
        ("model=sam_vit_z", "no model is called 'sam_vit_z'; did you mean sam_vit_"),
        ("runtime.workers=many", "runtime.workers must be a whole number, found many"),
        ("dataset=coco", "dataset.args.annotations is not set"),
        ("model", "model"),
        ("a b=c", "a b=c"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(override: str, says: str) -> None:
    with pytest.raises(BenchError) as caught:
        load_configs([override])
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def user_model(folder: Path, text: str) -> Path:
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "mine.yaml").write_text(text)
    return folder


MINE = 'name: mine\nversion: "1"\ntarget: bench.models.disk.Disk\nargs: {radius: 0.3}\n'


@pytest.mark.parametrize("runtime", group_names("runtime"))
def test_every_runtime_names_a_class_and_refuses_typos(runtime: str) -> None:
    settings = one(f"runtime={runtime}").runtime
    assert callable(load_class(Component("runtime", "1", settings.target), runtimes)())
    for word in ("runtime.ray.adress=auto", "+runtime.ray.adress=auto", "runtime.devises=all"):
        with pytest.raises(BenchError, match=r"adress|devises"):
            one(f"runtime={runtime}", word)


def test_a_users_own_folder_adds_names(tmp_path: Path) -> None:
    extra = user_model(tmp_path, MINE + "about: {title: Mine, what: a disc}\n")
    assert one("model=mine", extra=extra).model.args == {"radius": 0.3}
    assert "mine" in group_names("model", extra)
    assert component_about("model", "mine", extra) == "Mine: a disc"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (MINE + "titel: Mine\n", "titel"),
        (MINE + "name: twice\n", "duplicate key name"),
        (MINE.replace("args: {", "args: {["), "mine.yaml"),
        ('name: mine\nversion: "1"\n', "model.target is not set"),
    ],
)
def test_a_mistake_in_a_yaml_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(BenchError) as caught:
        one("model=mine", extra=user_model(tmp_path, text))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_folder_of_yamls_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no such folder"):
        one(extra=tmp_path / "nowhere")


@pytest.mark.long
@pytest.mark.parametrize("group", ["model", "dataset", "prompt", "protocol"])
def test_every_yaml_names_a_class_that_takes_its_arguments(group: str) -> None:
    for name in group_names(group):
        path = conf_dir() / group / f"{name}.yaml"
        assert f"name: {name}\n" in path.read_text(), f"{path} is not called as its file"
        wanted = re.findall(r"^  (\w+): \?\?\?", path.read_text(), re.MULTILINE)
        config = load_configs(
            [f"{group}={name}", *(f"{group}.args.{argument}=x" for argument in wanted)]
        )[0]
        part = config.prompts[name] if group == "prompt" else getattr(config, group)
        own = replace(part, args=reader_args(part)) if group == "dataset" else part
        assert inspect.isclass(load_class(own, ROOMS[group]))
        assert component_about(group, name)


@pytest.mark.parametrize(
    ("part", "room", "says"),
    [
        (Component("x", "1", "os.path.join"), models, "outside the allowed modules"),
        (Component("x", "1", "benchmark.Thing"), models, "outside the allowed modules"),
        (Component("x", "1", "bench.models.no.Thing"), models, "no class 'bench.models.no.Thing'"),
        (Component("x", "1", "bench.models.disk.Nothing"), models, "no class"),
        (Component("x", "1", "bench.prompts.clicks.add_click"), prompts, "is not a class"),
        (
            Component("x", "1", "bench.models.disk.Disk", {"radios": 1}),
            models,
            "unknown argument radios; did you mean radius",
        ),
        (Component("x", "1", "bench.prompts.clicks.Clicks"), prompts, "needs the argument clicks"),
    ],
)
def test_what_is_no_class_of_ours_is_refused(part: Component, room: ModuleType, says: str) -> None:
    with pytest.raises(BenchError, match=says):
        load_class(part, room)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1 / 0", r"fails as it is imported: ZeroDivisionError: division by zero \(.*, line 1\)"),
        ("import sys\n\nsys.exit(3)", r"fails as it is imported: SystemExit: 3 \(.*, line 3\)"),
        ("def broken(:", r"fails as it is imported: SyntaxError: .* line 1\)"),
        ("import nowhere_at_all", r"no class '.*\.Thing' \(No module named 'nowhere_at_all'\)"),
        ("", r"no class '.*\.Thing' \(module '.*' has no 'Thing'\)"),
        ("Thing = 3", "is not a class"),
        ("class Thing:\n    ids = read = 1", r"\.Thing has no fingerprint, as a Reader has"),
    ],
)
def test_a_users_module_that_fails_is_one_line(
    own_module: Callable[[str, str], str], text: str, says: str
) -> None:
    name = own_module("own_thing", text)
    with pytest.raises(BenchError, match=says) as caught:
        load_class(Component("x", "1", f"{name}.Thing"), readers, [name], Reader)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("task.args.foo=1", "unknown argument foo; bench.tasks.prompted_masks.PromptedMasks takes"),
        (
            "protocol.args.foo=1",
            "unknown argument foo; .*Protocol takes area, average, box",
        ),
        ("prompts.point_1.args.foo=1", "point_1: unknown argument foo; .* takes clicks, first"),
    ],
)
def test_an_argument_that_a_class_does_not_take_is_answered_with_those_it_takes(
    word: str, says: str
) -> None:
    config = one(word)
    with pytest.raises(BenchError, match=says):
        open_task(config).ways(config)


@pytest.mark.parametrize("found", ["nan", "inf", "[1.0,-inf]"])
def test_an_argument_that_is_no_number_is_refused(found: str) -> None:
    with pytest.raises(BenchError, match=r"protocol\.args\.threshold: expected finite numbers"):
        one(f"protocol.args.threshold={found}")


@pytest.mark.parametrize("word", ["model.name=", "dataset.name=' '", "prompts.box.name="])
def test_a_component_without_a_name_is_refused(word: str) -> None:
    with pytest.raises(BenchError, match=r"a component's name ' *' is empty"):
        one(word)


def test_a_users_module_can_be_allowed() -> None:
    part = Component("x", "1", "collections.OrderedDict")
    with pytest.raises(BenchError, match=r"runtime.allow_modules=\[collections\]"):
        load_class(part, models)
    assert inspect.isclass(load_class(part, models, ["collections"]))


def key_of(config: RunConfig, **changes: object) -> str:
    config = replace(config, **changes)  # type: ignore[arg-type]
    return run_key(
        task=config.task,
        seed=config.seed,
        model=config.model,
        dataset=config.dataset,
        prompt=config.prompts["point_3"],
        protocol=config.protocol,
    )


def test_golden_keys() -> None:
    """An accidental change of identity would orphan every stored run."""
    config = one("dataset=shapes", "protocol=sam")
    assert key_of(config) == "70a0245d1727"
    assert key_of(one("protocol=segment_anything_fast")) == "88194ff584c7"


def test_the_key_changes_with_what_may_change_a_number_and_only_then() -> None:
    config = one()
    same = key_of(config)
    assert key_of(config, runtime=Runtime(device="cuda", workers=9, limit=3)) == same
    assert key_of(config, model=replace(config.model, about={"title": "!"})) == same
    assert key_of(config, model=replace(config.model, target="elsewhere.Disk")) == same
    changed = [
        key_of(config, seed=1),
        key_of(config, task=replace(config.task, name="other")),
        key_of(config, task=replace(config.task, version="2")),
        key_of(config, task=replace(config.task, args={"a": 1})),
        key_of(config, model=replace(config.model, version="2")),
        key_of(config, model=replace(config.model, name="disc")),
        key_of(config, dataset=replace(config.dataset, args={"count": 3})),
        key_of(config, protocol=replace(config.protocol, args={})),
        key_of(config, prompts={"point_3": replace(config.prompts["point_3"], version="2")}),
    ]
    assert len({same, *changed}) == 1 + len(changed)


def test_every_runtime_setting_is_outside_the_key() -> None:
    assert "runtime" not in inspect.signature(run_key).parameters
    assert {f.name for f in fields(RunConfig)} - set(inspect.signature(run_key).parameters) == {
        "prompts",
        "metrics",
        "runtime",
        "sweep",
        "figure",
    }


def test_keys_of_mappings_may_be_numbers() -> None:
    part = Component("d", "1", "t", {"categories": {1: "a", "b": "c"}})
    assert run_key(task=part, seed=0, model=part, dataset=part, prompt=part, protocol=part)


def test_the_configuration_is_found_in_a_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "bench"
    shutil.copytree(conf_dir(), package / "conf")
    monkeypatch.setattr(folders, "__file__", str(package / "config" / "folders.py"))
    assert conf_dir() == package / "conf"
    shutil.rmtree(package / "conf")
    with pytest.raises(BenchError, match="reinstall"):
        conf_dir()


def test_one_value_on_the_command_line_takes_the_place_of_an_experiments_sweep() -> None:
    configs = load_configs(["experiment=demo", "model=disk", "dataset=photos"])
    assert [(c.model.name, c.dataset.name) for c in configs] == [("disk", "photos")]
    configs = load_configs(["experiment=demo_zero_shot", "model=disk", "dataset.name=mine"])
    assert [(c.model.name, c.dataset.name) for c in configs] == [("disk", "mine")]


def test_a_figure_changes_no_key() -> None:
    assert one("figure=fig9c").figure == "fig9c"
    assert key_of(one("figure=fig9c")) == key_of(one())


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("metrics=dice", r"metrics must be a list .*, such as metrics=\[one,another\]; found dice"),
        ("metrics=[[dice]]", r"metrics must be a list of names, .*; found \['dice'\] in it"),
        ("metrics=[null]", r"metrics must be a list of names, .*; found \[null\]"),
        ("metrics={dice: 1}", "metrics must be a list of names"),
        ("metrics=null", "metrics must not be null"),
        ("runtime.allow_modules=mine", "runtime.allow_modules must be a list of names"),
    ],
)
def test_what_must_be_a_list_says_so_in_the_benchs_words(word: str, says: str) -> None:
    with pytest.raises(BenchError, match=f"^configuration: {says}") as caught:
        one(word)
    assert "ListConfig" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("raise RuntimeError('two\\nlines')", r"RuntimeError: two lines \(stops\.py, line 1\)"),
        ("import sys; sys.exit(4)", r"SystemExit: 4 \(stops\.py, line 1\)"),
        ("def", r"SyntaxError: "),
    ],
)
def test_a_module_that_cannot_be_imported_is_one_line(
    own_module: Callable[[str, str], str], text: str, says: str
) -> None:
    own_module("stops", text)
    component = Component("x", "1", "stops.Thing")
    for load in (
        lambda: load_class(component, models, ["stops"]),
        lambda: own_figure("stops", ["stops"]),
    ):
        with pytest.raises(BenchError, match=says) as caught:
            load()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["C:\\data\\x", "C:\\data\\", "it's", "\\'", "\\\\", "a\\\\'b\\", "a, b=[c] (d) #e", ""]
)
def test_a_quoted_text_comes_through_as_it_is(text: str) -> None:
    (config,) = load_configs([f"figure={quoted('x' + text)}"])
    assert config.figure == "x" + text
