"""A plugin of pytest: under which test, or shared fixture, each line runs, and each test's time.

Coverage is started by its environment variable ``COVERAGE_PROCESS_START``, in the tests' processes
and in the commands that tests start, whose lines are told apart by ``MUTATIONS_CONTEXT``. A context
is a test's id, or ``fixture:`` and the id of a fixture that several tests share. Every process
writes what it learnt to the folder ``MUTATIONS_GATHERED``, after each file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage

CONTEXT = "MUTATIONS_CONTEXT"
FOLDER = "MUTATIONS_GATHERED"
SHARED = "fixture:"


def fixture_id(definition: pytest.FixtureDef[Any]) -> str:
    """The context of a fixture: where it is defined and its name."""
    return f"{SHARED}{definition.baseid}::{definition.argname}"


class _Gathering:
    def __init__(self) -> None:
        self._contexts = [""]
        self._started = 0.0
        self._tests: dict[str, dict[str, Any]] = {}

    def _enter(self, context: str) -> None:
        self._contexts.append(context)
        self._tell()

    def _leave(self) -> None:
        self._contexts.pop()
        self._tell()

    def _tell(self) -> None:
        os.environ[CONTEXT] = self._contexts[-1]
        if (coverage := Coverage.current()) is not None:
            coverage.switch_context(self._contexts[-1])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Iterator[None]:
        self._started = _processor_seconds()
        self._enter(item.nodeid)
        try:
            return (yield)
        finally:
            self._leave()
            shared = [
                fixture_id(definitions[-1])
                for definitions in _fixtures(item).values()
                if definitions[-1].scope != "function"
            ]
            said = self._tests.setdefault(item.nodeid, {"passed": False})
            said |= {"seconds": _processor_seconds() - self._started, "shares": shared}
            if nextitem is None or nextitem.path != item.path:
                self._keep()

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Iterator[None]:
        if fixturedef.scope == "function":
            return (yield)
        self._enter(fixture_id(fixturedef))
        try:
            return (yield)
        finally:
            self._leave()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        said = self._tests.setdefault(report.nodeid, {"passed": True})
        said["passed"] = said["passed"] and report.passed

    def _keep(self) -> None:
        if (coverage := Coverage.current()) is not None:
            coverage.save()
        file = Path(os.environ[FOLDER], f"tests_{os.getpid()}.json")
        file.write_text(json.dumps(self._tests))


def _processor_seconds() -> float:
    """What this process and the commands that it waited for have used: whoever else runs."""
    return sum(os.times()[:4])


def _fixtures(item: pytest.Item) -> dict[str, Any]:
    info = getattr(item, "_fixtureinfo", None)
    return {} if info is None else dict(info.name2fixturedefs)


def pytest_configure(config: pytest.Config) -> None:
    """Starts to gather, but in the process that only hands out tests."""
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        config.pluginmanager.register(_Gathering(), "gathering")
