"""The task, the protocol and the strategies that a configuration names."""

from __future__ import annotations

from collections.abc import Callable

from bench import prompts, protocol, tasks
from bench.config.component import load_class
from bench.config.composing import RunConfig
from bench.protocol import Protocol
from bench.tasks.contract import Task
from bench.types import PromptStrategy


def open_task(config: RunConfig) -> Task:
    """The task, made of its arguments; raises ``BenchError`` as ``load_class`` does."""
    found: Callable[..., Task] = load_class(config.task, tasks, config.runtime.allow_modules)
    return found(**config.task.args)


def open_protocol(config: RunConfig) -> Protocol:
    """The protocol; raises ``BenchError`` for a choice that doesn't exist."""
    found = load_class(config.protocol, protocol, config.runtime.allow_modules)
    made: Protocol = found(**config.protocol.args)
    return made


def open_strategies(config: RunConfig) -> dict[str, PromptStrategy]:
    """The prompt strategies by name, under the protocol."""
    chosen = open_protocol(config)
    return {
        name: load_class(each, prompts, config.runtime.allow_modules)(**each.args, protocol=chosen)
        for name, each in config.prompts.items()
    }
