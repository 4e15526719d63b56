"""The task, the protocol and the strategies that a configuration names."""

from __future__ import annotations

from dataclasses import replace

from bench import prompts, protocol, tasks
from bench.config.component import Component, check_keeps, load_class
from bench.config.composing import RunConfig
from bench.prompts.abilities import PinsFiles
from bench.protocol import Protocol
from bench.tasks.contract import Task
from bench.types import PromptStrategy


def open_task(config: RunConfig) -> Task:
    """The task, made of its arguments; raises ``BenchError`` as ``load_class`` does."""
    found = load_class(config.task, tasks, config.runtime.allow_modules, Task)
    task: Task = found(**config.task.args)
    check_keeps(task, Task, config.task.name)
    return task


def open_protocol(config: RunConfig) -> Protocol:
    """The protocol; raises ``BenchError`` for a choice that doesn't exist."""
    found = load_class(config.protocol, protocol, config.runtime.allow_modules)
    made: Protocol = found(**config.protocol.args)
    return made


def pinned_prompts(config: RunConfig) -> dict[str, Component]:
    """The prompts as they enter the run key: files replaced by hashes of their content."""
    pinned: dict[str, Component] = {}
    for name, each in config.prompts.items():
        found = load_class(each, prompts, config.runtime.allow_modules, PromptStrategy)
        pins = issubclass(found, PinsFiles)
        pinned[name] = replace(each, args=found.pin(each.args)) if pins else each
    return pinned


def open_strategies(config: RunConfig) -> dict[str, PromptStrategy]:
    """The prompt strategies by name, under the protocol."""
    chosen = open_protocol(config)
    strategies: dict[str, PromptStrategy] = {}
    for name, each in config.prompts.items():
        found = load_class(each, prompts, config.runtime.allow_modules, PromptStrategy)
        strategies[name] = found(**each.args, protocol=chosen)
        check_keeps(strategies[name], PromptStrategy, name)
    return strategies
