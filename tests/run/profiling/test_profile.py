"""Whole runs that are profiled: the trace, the page, and the rows they leave as they are."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from whole_runs import Silent, Stop, comparable, configure, execute, small_sam_config

from bench.cli import main
from bench.config.composing import load_configs
from bench.run.driver import run
from bench.run.plan import Plan, make_plan
from bench.run.profiling import operators, profile
from bench.run.profiling.profile import Profile

PROMPTS = "prompt=[point_3,box]"
DEMO = ["model=demo", "dataset=shapes", "dataset.args.count=4", PROMPTS]


@pytest.fixture
def folder(coco_folder: Callable[..., Path]) -> Path:
    return coco_folder(images=7, masks=2)


def profiled(plan: Plan) -> Path:
    """The folder of the profile of a run that is done now."""
    watched = Profile(plan.setting.site.device)
    run(plan, Silent(), watched)
    assert watched.folder is not None
    return watched.folder


def phases(trace: Path) -> list[dict[str, Any]]:
    """The complete events, each as the format wants it."""
    document = json.loads(trace.read_text())
    events = [event for event in document["traceEvents"] if event["ph"] == "X"]
    for event in events:
        assert {"name", "cat", "ph", "ts", "dur", "pid", "tid", "args"} == set(event)
        assert event["ts"] >= 0
        assert event["dur"] >= 0
    named = {(e["pid"], e["tid"]) for e in document["traceEvents"] if e["name"] == "thread_name"}
    assert {(event["pid"], event["tid"]) for event in events} == named
    return events


def seconds_by_phase(events: list[dict[str, Any]]) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for event in events:
        found[event["name"]] += event["dur"] / 1e6
    return found


def assert_nested(events: list[dict[str, Any]]) -> None:
    """In one thread an event lies within another or beside it, never across its end."""
    for tid in {(event["pid"], event["tid"]) for event in events}:
        open_ends: list[float] = []
        mine = [event for event in events if (event["pid"], event["tid"]) == tid]
        for event in sorted(mine, key=lambda each: (each["ts"], -each["dur"])):
            end = event["ts"] + event["dur"]
            while open_ends and open_ends[-1] <= event["ts"] + 1e-6:
                open_ends.pop()
            assert not open_ends or end <= open_ends[-1] + 1e-6
            open_ends.append(end)


def table(page: str, title: str) -> dict[str, list[str]]:
    """The lines of the page's table below a title, by their first cell."""
    below = page[page.index(f"## {title}") :].split("\n\n")[1]
    cells = [line.strip("| ").split(" | ") for line in below.splitlines()[2:]]
    return {first: [cell.strip() for cell in rest] for first, *rest in cells}


def assert_seconds_are_the_headers(
    events: list[dict[str, Any]], page: str, seconds: Mapping[str, float]
) -> None:
    found = seconds_by_phase(events)
    found.pop("profile", None)
    assert set(found) == set(seconds)
    shown = table(page, "By phase")
    for name, passed in seconds.items():
        assert found[name] == pytest.approx(passed, abs=0.002), name
        if name != "total":
            assert float(shown[name][0]) == pytest.approx(passed, abs=0.006), name
    shares = [float(cells[1].rstrip("%")) for cells in shown.values() if cells[1]]
    assert sum(shares) == pytest.approx(100, abs=0.5)


@pytest.mark.long
def test_a_command_writes_a_trace_and_a_page_and_the_same_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = [f"runtime.results={tmp_path}/results", "runtime.profile=true", "runtime.device=cpu"]
    assert main(["run", *DEMO, *results]) == 0
    (page_file,) = (tmp_path / "results" / "profiles").glob("shapes-demo-*/profile.md")
    assert f"profile: {page_file}" in capsys.readouterr().err.splitlines()
    plain = load_configs([*DEMO, f"runtime.results={tmp_path}/plain", "runtime.device=cpu"])
    plan = make_plan(load_configs([*DEMO, *results])[0])
    assert comparable(execute(plain[0])) == comparable(plan)

    header, page = plan.work.runs["box"].store.header(), page_file.read_text()
    events = phases(page_file.parent / "trace.json")
    assert_nested(events)
    assert_seconds_are_the_headers(events, page, header["seconds"])
    masks, wall = header["masks"], header["seconds"]["total"]
    assert f"4 images ({4 / wall:.2f}/s)" in page
    assert f"point_3 {masks}, box {masks}), {4 * masks} answers, in {wall:.1f} s on cpu" in page

    of_image: dict[str, set[str]] = defaultdict(set)
    for event in events:
        for image_id in event["args"].get("image", "").split(", "):  # a part is of several images
            of_image[image_id].add(event["name"])
    assert set(of_image) - {""} == set(plan.work.ids)
    for image_id in plan.work.ids:
        assert of_image[image_id] >= {"read", "embed", "prompt", "predict", "score", "write"}
    assert {"load", "total"} <= of_image[""]

    watched = re.search(r"operators in (.*)", page)
    assert watched is not None
    assert set(watched[1].split(", ")) <= set(plan.work.ids)
    shown = table(page, "torch's operators")
    assert len(shown) == 15
    times = [float(cells[0]) for cells in shown.values()]
    assert times == sorted(times, reverse=True)
    assert times[0] > 0
    assert any("addmm" in name or "conv" in name for name in shown)
    assert re.search(r"\| 1, cpu \| [\d,]+ MB \| – \|", page)
    for expected in ("- dtype: float32", "- torch: ", "- sam-bench: "):
        assert expected in page


@pytest.mark.long
def test_each_process_is_in_the_trace_and_in_the_sums(folder: Path) -> None:
    two = ["runtime.devices=[cpu,cpu]", "runtime.part_images=2", "runtime.profile=true", PROMPTS]
    plan = make_plan(small_sam_config(folder, *two))
    written = profiled(plan)
    events, page = phases(written / "trace.json"), (written / "profile.md").read_text()
    assert_nested(events)
    assert_seconds_are_the_headers(events, page, plan.work.runs["box"].store.header()["seconds"])
    loading = {event["pid"] for event in events if event["name"] == "load"}
    assert len(loading) == 2
    assert {e["args"]["image"] for e in events if e["name"] == "embed"} == set(plan.work.ids)
    names = {line.split(" | ")[0] for line in page.splitlines() if " MainThread " in line}
    assert names == {"| 1, cpu", "| 2, cpu", "| the command itself"}
    reference = comparable(execute(small_sam_config(folder, PROMPTS, results="plain")))
    assert comparable(plan) == reference


def test_a_run_that_is_stopped_leaves_its_profile(coco_folder: Callable[..., Path]) -> None:
    plan = make_plan(configure(coco_folder(images=20, masks=1), "runtime.profile=true"))
    watched = Profile("cpu")
    with pytest.raises(KeyboardInterrupt):
        run(plan, Stop(after=3), watched)
    assert watched.folder is not None
    header = plan.work.runs["box"].store.header()
    events = phases(watched.folder / "trace.json")
    page = (watched.folder / "profile.md").read_text()
    assert_seconds_are_the_headers(events, page, header["seconds"])


def test_nothing_to_do_is_no_profile(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from bench.run.progress import run_plan

    execute(configure(folder))
    assert run_plan(make_plan(configure(folder, "runtime.profile=true"))) == []
    assert "profile" not in capsys.readouterr().err
    assert not (folder.parent / "results" / "profiles").exists()


def test_two_profiles_of_one_second_lie_apart(folder: Path) -> None:
    one, two = (
        profiled(make_plan(configure(folder, f"prompt={name}", "runtime.profile=true")))
        for name in ("box", "point_1")
    )
    assert one != two
    assert one.parent == two.parent
    assert {path.name for path in one.iterdir()} == {"trace.json", "profile.md"}


@pytest.mark.long
def test_a_profile_is_whole_or_not_there_and_what_was_left_of_one_is_swept(folder: Path) -> None:
    plan = make_plan(configure(folder, "prompt=box", "runtime.profile=true"))
    profiles = folder.parent / "results" / "profiles"
    left = profiles / f".coco-disk.{'0' * 32}"
    left.mkdir(parents=True)
    (left / "trace.json").touch()
    os.utime(left, (0, 0))
    assert profiled(plan).parent == profiles
    assert len(list(profiles.iterdir())) == 1


def test_a_long_run_keeps_its_sums_and_the_first_events(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile, "MOST_EVENTS", 25)
    plan = make_plan(configure(folder, "runtime.limit=2", "runtime.profile=true"))
    written = profiled(plan)
    page = (written / "profile.md").read_text()
    document = json.loads((written / "trace.json").read_text())
    assert len(phases(written / "trace.json")) == 25
    dropped = document["otherData"]["dropped_events"]
    assert f"the first 25 phases; {dropped:,} later ones" in page
    shown = table(page, "By phase")
    calls = sum(int(cells[-1].replace(",", "")) for cells in shown.values())
    assert calls + 1 == 25 + dropped, "one is the total; no operators are watched in so few images"
    for name, passed in plan.work.runs["box"].store.header()["seconds"].items():
        if name != "total":
            assert float(shown[name][0]) == pytest.approx(passed, abs=0.006), name


def test_few_images_have_no_operators(folder: Path) -> None:
    written = profiled(make_plan(configure(folder, "runtime.limit=2", "runtime.profile=true")))
    page = (written / "profile.md").read_text()
    assert f"the first {operators.WARM_UP} images of a process are its warm-up" in page
