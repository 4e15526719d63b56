"""Ray actors on one machine or many; a node may go and loses nothing, and may come back."""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench import __version__
from bench.config.composing import RaySettings
from bench.run.findings import Findings, Progress
from bench.run.plan import Job, Plan
from bench.run.runtime import messages
from bench.run.runtime.account import Account
from bench.run.runtime.hearing import Hearing
from bench.run.runtime.ledger import Ledger
from bench.run.runtime.order import Order, order_for, still_lacking
from bench.run.runtime.stopping import asked_to_stop
from bench.run.runtime.telling import Telling
from bench.run.worker import Worker
from bench.store.runs import ImageError
from bench.types import BenchError

log = logging.getLogger(__name__)

QUIET = 60.0
"""Seconds without a word after which it is said that Ray places no worker."""

DOUBT = 10.0
"""Seconds without a word after which it is asked whether any node is left."""

ANSWER = 10.0
"""Seconds in which a running cluster must take a connection."""


class RayActors:
    """A worker per actor, as many as ``runtime.ray`` says or as fit."""

    def __call__(
        self, plan: Plan, tasks: Sequence[Job], progress: Progress, findings: Findings
    ) -> None:
        """Does the tasks, see ``bench.run.findings.Runtime``."""
        settings = plan.setting.runtime.ray
        with _cluster(settings) as ray, asked_to_stop() as stop:
            gpus, actors = _spread(ray.cluster_resources(), settings)
            findings.device = f"{actors} Ray actors, {'cuda' if gpus else 'cpu'}"
            ledger = Ledger(tasks, actors, plan.setting.runtime.part_images)
            workers = _Workers(ray, plan, ledger, Telling(progress, findings), findings, gpus)
            try:
                for _ in range(actors):
                    workers.start()
                while not ledger.done:
                    workers.hear(1.0)
                    if stop():
                        workers.finish_in_hand()
                        raise KeyboardInterrupt
            except BenchError:
                workers.finish_in_hand()
                raise
            finally:
                workers.dismiss()


@dataclass(eq=False, slots=True)
class _Hand:
    """One actor, and whether its model is loaded."""

    actor: Any
    loaded: bool = False


class _Workers:
    """The actors at work: hears what they say, hands them tasks, replaces the lost."""

    def __init__(
        self,
        ray: Any,
        plan: Plan,
        ledger: Ledger,
        telling: Telling,
        findings: Findings,
        gpus: float,
    ) -> None:
        self._ray, self._plan, self._ledger = ray, plan, ledger
        self._telling, self._findings = telling, findings
        self._order = order_for(plan, "cuda" if gpus else "cpu", 1)
        settings = plan.setting.runtime.ray
        self._remote = ray.remote(Actor).options(
            num_cpus=settings.cpus_per_actor,
            num_gpus=gpus,
            max_restarts=0,
            max_concurrency=2,  # a batch, and the word to stop it
            scheduling_strategy="SPREAD",
        )
        self._threads = max(1, int(settings.cpus_per_actor))
        self._asked: dict[Any, _Hand] = {}
        self._heard = self._said = time.monotonic()
        self._hearing = Hearing(plan, ledger, telling, findings)

    def start(self) -> None:
        """Asks Ray for one more actor; it may come once there is room for it."""
        hand = _Hand(self._remote.remote(self._order, self._threads, os.getcwd(), __version__))
        self._asked[hand.actor.load.remote()] = hand

    def hear(self, seconds: float) -> None:
        """Waits at most so long for answers or losses, and acts upon them."""
        ready, _ = self._ray.wait(list(self._asked), timeout=seconds)
        for question in ready:
            self._heard = time.monotonic()
            hand = self._asked.pop(question)
            try:
                answers: list[object] = self._ray.get(question)
            except self._ray.exceptions.RayTaskError as error:
                raise RuntimeError(f"a worker failed: {error}") from error
            except self._ray.exceptions.RayError as error:
                self._bury(hand, type(error).__name__)
                continue
            for answer in answers:
                self._hearing.act(hand, answer)
            self._feed(hand)
        self._mind_silence(time.monotonic())

    def _mind_silence(self, now: float) -> None:
        """Warns of it from time to time; raises ``BenchError`` where no node is left to wait for.

        A node whose agent or raylet ends is dead to Ray, and nothing is ever placed on it again.
        """
        if now - self._heard > DOUBT and not any(node["Alive"] for node in self._ray.nodes()):
            raise BenchError(
                "no node of the Ray cluster is alive any more (its logs say why, on this machine "
                "in /tmp/ray/session_latest/logs); start it again, the same command goes on"
            )
        if now - self._said > QUIET and now - self._heard > QUIET:
            log.warning("nothing heard of any worker for %.0f s; `ray status` says why", QUIET)
            self._said = now

    def finish_in_hand(self) -> None:
        """Asks each actor to stop after the image in hand, and hears them out."""
        self._hearing.stopping = True
        for hand in self._asked.values():
            if self._ledger.in_hand(hand):
                hand.actor.stop.remote()
        while any(self._ledger.in_hand(hand) for hand in self._asked.values()):
            self.hear(1.0)

    def dismiss(self) -> None:
        """Ends every actor that is not idle already; the others end with their handles."""
        for hand in self._asked.values():
            self._ray.kill(hand.actor)
        self._asked.clear()

    def _feed(self, hand: _Hand) -> None:
        if self._hearing.stopping:
            return
        if batch := self._ledger.hand_out(hand):
            self._asked[hand.actor.work.remote(batch)] = hand
        elif not self._ledger.done:  # a loss may bring more: ask again
            self._asked[hand.actor.rest.remote()] = hand

    def _bury(self, hand: _Hand, how: str) -> None:
        """Gives a lost actor's tasks back and asks for another in its place."""
        failed = {error.image_id for error in self._findings.errors}
        tasks = [t for t in self._ledger.in_hand(hand) if t.image_id not in failed]
        if tasks:
            log.warning("a worker is lost (%s); its %d images wait again", how, len(tasks))
        for task in self._ledger.lost(hand, still_lacking(self._plan.work, tasks)):
            reason = f"ended its worker twice (the last time by {how})"
            self._telling.image_failed(ImageError(task.image_id, reason))
        if not self._hearing.stopping and not self._ledger.done:
            self.start()


class Actor:
    """A worker in an actor: what is said while it scores comes back with the batch."""

    def __init__(self, order: Order, threads: int, home: str, version: str) -> None:
        self._order, self._threads = order, threads
        self._home, self._version = home, version
        self._account = Account(order.config.runtime)
        self._said: list[object] = []
        self._asked_to_stop = threading.Event()

    def load(self) -> list[object]:
        """Loads the model; relative paths start from the driver's folder where it exists here."""
        try:
            self._check_place()
            self._order.config.runtime.workers = self._threads
            with self._account.watch("load"):
                self._worker = Worker(self._order.plan(), self, self._account.watch)
        except BenchError as error:
            return [messages.Refused(str(error), None)]
        return [messages.Loaded(dict(self._worker.facts))]

    def work(self, tasks: Sequence[Job]) -> list[object]:
        """Scores the batch and writes its rows."""
        self._said = []
        try:
            self._worker(tasks, self._asked_to_stop.is_set)
        except KeyboardInterrupt:
            self._asked_to_stop.clear()
        except BenchError as error:
            return [*self._said, messages.Refused(str(error), None)]
        return [*self._said, self._account.returned()]

    def rest(self) -> list[object]:
        """Waits a moment for work that others may leave."""
        time.sleep(0.5)
        return []

    def stop(self) -> None:
        """Asks to stop after the image in hand."""
        self._asked_to_stop.set()

    def image_done(self, values: Mapping[str, Sequence[float]]) -> None:
        """Keeps it for the answer."""
        self._said.append(messages.Scored(values))

    def image_failed(self, error: ImageError) -> None:
        """Keeps it for the answer."""
        self._said.append(messages.Failed(error))

    def _check_place(self) -> None:
        if os.path.isdir(self._home):
            os.chdir(self._home)
        if self._version != __version__:
            raise BenchError(
                f"sam-bench is {__version__} on node {os.uname().nodename}, "
                f"{self._version} where the command runs; install the same everywhere"
            )
        for fence in self._order.fences.values():
            if not fence.folder.is_dir():
                raise BenchError(
                    f"{fence.folder} is not seen on node {os.uname().nodename}: "
                    "runtime.results must lie on a path that all nodes see"
                )


@contextmanager
def _cluster(settings: RaySettings) -> Iterator[Any]:
    """Ray, connected; a cluster that is started here ends here."""
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise BenchError("runtime=ray needs Ray: pip install 'sam-bench[ray]'") from error
    if ray.is_initialized():
        yield ray
        return
    own: dict[str, Any] = {}
    if settings.address is not None:
        _check_answers(settings.address)
    else:
        path = os.pathsep.join(dict.fromkeys(path for path in sys.path if path))
        own = {"include_dashboard": False, "runtime_env": {"env_vars": {"PYTHONPATH": path}}}
    try:
        ray.init(settings.address, log_to_driver=False, logging_level=logging.WARNING, **own)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BenchError(f"runtime.ray.address={settings.address}: {reason}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Raises ``BenchError`` where nothing takes a connection at HOST:PORT: Ray tries for minutes.

    Other forms of an address (``auto``, ``ray://…``) Ray answers at once or in its own time.
    """
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER).close()
    except (OSError, OverflowError) as error:
        raise BenchError(
            f"runtime.ray.address={address}: no cluster answers there ({error}); `ray start "
            "--head` on that machine says its address"
        ) from error


def _spread(resources: Mapping[str, float], settings: RaySettings) -> tuple[float, int]:
    """GPUs of an actor, and the number of actors; raises ``BenchError`` where none fits."""
    there = resources.get("GPU", 0.0)
    gpus = settings.gpus_per_actor
    if gpus is None:
        gpus = 1.0 if there >= 1 else 0.0
    fits = int(there / gpus) if gpus else int(resources.get("CPU", 0.0) / settings.cpus_per_actor)
    actors = settings.actors or fits
    if fits < 1:
        wanted = f"{gpus:g} GPU" if gpus else f"{settings.cpus_per_actor:g} CPU"
        raise BenchError(
            f"no Ray worker fits: it needs {wanted}, the cluster has {there:g} GPU and "
            f"{resources.get('CPU', 0.0):g} CPU (runtime.ray.gpus_per_actor, cpus_per_actor)"
        )
    return gpus, actors
