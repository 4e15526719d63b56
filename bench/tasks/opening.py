"""The task, the protocol and the strategies that a configuration names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

from bench import prompts, protocol, tasks
from bench.config.component import Component, check_keeps, load_class
from bench.config.composing import RunConfig, load_component
from bench.config.folders import group_names
from bench.config.run_key import Question
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
        found = strategy_class(each, config.runtime.allow_modules)
        pins = issubclass(found, PinsFiles)
        pinned[name] = replace(each, args=found.pin(each.args)) if pins else each
    return pinned


def question_of_given(
    config: RunConfig, prompt: str, model: Component, args: Mapping[str, Any]
) -> Question:
    """What is asked where given files stand in the place of a model.

    ``args`` are the task's own that may change a number; ``prompt`` is what the rows say was asked.
    """
    task = config.task
    return Question(
        task=Component(task.name, task.version, task.target, dict(args), task.about),
        seed=0,
        model=model,
        dataset=config.dataset,
        prompts={prompt: Component(prompt, "1", prompt)},
        protocol=config.protocol,
    )


def strategy_class(prompt: Component, allow_modules: Sequence[str] = ()) -> type[Any]:
    """The class of a prompt; raises ``BenchError`` as ``load_class`` does."""
    return load_class(prompt, prompts, allow_modules, PromptStrategy)


def open_strategies(config: RunConfig) -> dict[str, PromptStrategy]:
    """The prompt strategies by name, under the protocol."""
    chosen = open_protocol(config)
    strategies: dict[str, PromptStrategy] = {}
    for name, each in config.prompts.items():
        found = strategy_class(each, config.runtime.allow_modules)
        strategies[name] = found(**each.args, protocol=chosen)
        check_keeps(strategies[name], PromptStrategy, name)
    return strategies


def asked_kinds(strategy: PromptStrategy, protocol: Protocol) -> Set[str]:
    """The kinds of cues that a strategy asks with, the logits among them that are fed back."""
    feeds_back = protocol.feeds_back() and strategy.steps > 1
    return strategy.prompt_kinds | ({"mask_logits"} if feeds_back else set())


def prompts_of(kinds: Set[str], protocol: Protocol) -> list[str]:
    """The names in ``conf/prompt`` of what can be asked of a model, by the kinds of cues it takes.

    Those that want files or further words of the user are left out.
    """
    found = []
    for name in group_names("prompt"):
        component = load_component("prompt", name)
        if "???" in component.args.values():
            continue
        strategy = strategy_class(component)(**component.args, protocol=protocol)
        if asked_kinds(strategy, protocol) <= kinds:
            found.append(name)
    return found
