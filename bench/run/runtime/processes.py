"""A process per device on this machine, each fed small batches; one may die and loses nothing.

Every process has a pipe of its own: a queue that they share would stay locked when one is killed
at the wrong moment.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import Any

from bench.run.findings import Findings, Progress
from bench.run.plan import Job, Plan
from bench.run.runtime import messages
from bench.run.runtime.hearing import Hearing
from bench.run.runtime.ledger import Ledger
from bench.run.runtime.order import Order, order_for, still_lacking
from bench.run.runtime.stopping import asked_to_stop
from bench.run.runtime.telling import Telling
from bench.store.runs import ImageError
from bench.types import BenchError

PATIENCE = 30.0
"""Seconds that processes have to end by themselves once nothing is left for them."""

PRELOADED = ["bench.run.worker", "bench.run.runtime.account", "bench.models.segment_anything"]
"""What every process imports, with torch."""


@dataclass(eq=False)
class _Hand:
    """One process: its pipe, whether its model is loaded, and images scored of its batch."""

    device: str
    process: BaseProcess
    pipe: Connection
    loaded: bool = False
    scored: int = 0


def drive(
    plan: Plan,
    tasks: Sequence[Job],
    devices: Sequence[str],
    progress: Progress,
    findings: Findings,
) -> None:
    """Does the tasks with a process for each of the devices, see ``bench.run.findings.Runtime``."""
    findings.device = ", ".join(devices)
    ledger = Ledger(tasks, len(devices), plan.setting.runtime.part_images)
    with asked_to_stop() as stop:
        workers = _Workers(plan, ledger, Telling(progress, findings), findings)
        with workers.at_work(devices):
            while not ledger.done:
                workers.hear(1.0)
                if stop():
                    workers.finish_in_hand()
                    raise KeyboardInterrupt


class _Workers:
    """The processes at work: hears what they say, hands them tasks, replaces the dead."""

    def __init__(self, plan: Plan, ledger: Ledger, telling: Telling, findings: Findings) -> None:
        self._plan, self._ledger = plan, ledger
        self._telling, self._findings = telling, findings
        self._hands: list[_Hand] = []
        self._share = 1
        self._died_loading = 0
        self._again = 0  # images that were told of and are done again
        self._hearing = Hearing(plan, ledger, telling, findings)

    @contextmanager
    def at_work(self, devices: Sequence[str]) -> Iterator[None]:
        """Starts a process for each device; at the end none is left, however it comes."""
        self._share = len(devices)
        try:
            for device in devices:
                self._start(device)
            yield
        except BenchError:
            with suppress(BenchError):
                self.finish_in_hand()
            raise
        finally:
            for hand in self._hands:
                hand.pipe.close()
                if self._ledger.in_hand(hand) or not hand.loaded:
                    hand.process.kill()
            for hand in self._hands:
                hand.process.join(PATIENCE)
                hand.process.kill()

    def hear(self, seconds: float) -> None:
        """Waits at most so long for words or deaths, and acts upon them."""
        by_sign: dict[Any, _Hand] = {}
        for hand in self._hands:
            by_sign[hand.pipe] = by_sign[hand.process.sentinel] = hand
        ready = wait(list(by_sign), seconds)
        for hand in dict.fromkeys(by_sign[sign] for sign in ready):
            try:
                while hand.pipe.poll():
                    self._act(hand, hand.pipe.recv())
                died = not hand.process.is_alive() and not hand.pipe.poll()
            except (EOFError, OSError):
                died = True
            if died:
                self._bury(hand)
        for hand in list(self._hands):  # what a dead one left may be for one that waits
            self._feed(hand)

    def finish_in_hand(self) -> None:
        """Asks each process to stop after the image in hand, and hears them out."""
        self._hearing.stopping = True
        for hand in self._hands:
            if self._ledger.in_hand(hand):
                with suppress(OSError):
                    hand.pipe.send(messages.Stop())
        while any(self._ledger.in_hand(hand) for hand in self._hands):
            self.hear(1.0)

    def _start(self, device: str) -> None:
        context = _context(device)
        ours, theirs = context.Pipe()
        order = order_for(self._plan, device, self._share)
        args = order, theirs, time.perf_counter(), dict(os.environ)
        process = context.Process(target=work, args=args, name=device, daemon=True)
        with _signals_held():
            process.start()
        theirs.close()  # else the pipe stays open when the process dies
        self._hands.append(_Hand(device, process, ours))

    def _act(self, hand: _Hand, message: object) -> None:
        """Counts what only processes need; an image that is done again was told of before."""
        if isinstance(message, messages.Loaded):
            self._died_loading = 0
        elif isinstance(message, messages.Scored):
            hand.scored += 1
            if self._again:
                self._again -= 1
                return
        self._hearing.act(hand, message)

    def _feed(self, hand: _Hand) -> None:
        if self._hearing.stopping or not hand.loaded or self._ledger.in_hand(hand):
            return
        hand.scored = 0
        if batch := self._ledger.hand_out(hand):
            with suppress(OSError):  # it has just died, which the next hearing finds
                hand.pipe.send(batch)

    def _bury(self, hand: _Hand) -> None:
        """Gives a dead process's tasks back and starts another in its place."""
        hand.process.join()
        self._hands.remove(hand)
        hand.pipe.close()
        code = hand.process.exitcode
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        if not hand.loaded:
            self._died_loading += 1
            if self._died_loading > self._share + 1:
                raise BenchError(
                    f"the processes on {hand.device} end while they load the model ({how}); "
                    "run it without runtime.devices to see why"
                )
        failed = {error.image_id for error in self._findings.errors}
        tasks = [t for t in self._ledger.in_hand(hand) if t.image_id not in failed]
        left = still_lacking(self._plan.work, tasks)
        self._again += max(0, hand.scored - (len(tasks) - len(left)))
        for task in self._ledger.lost(hand, left):
            reason = f"ended its worker twice (the last time by {how})"
            self._telling.image_failed(ImageError(task.image_id, reason))
        if not self._hearing.stopping and not self._ledger.done:
            self._start(hand.device)


def _context(device: str) -> ForkServerContext | SpawnContext:
    """How a process is born: for a CPU from one that has imported everything once, in no time.

    Not where that isn't offered, and not for a GPU, whose libraries stand no fork.
    """
    if device != "cpu" or "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


@contextmanager
def _signals_held() -> Iterator[None]:
    """Holds Ctrl-C back, so that a process born meanwhile never hears it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def work(order: Order, pipe: Connection, asked: float, environment: Mapping[str, str]) -> None:
    """What each process does: loads the model, then batch after batch until the pipe closes.

    ``asked`` is when it was asked for, by ``time.perf_counter``: being born is loading, too. What
    it is born from may be older than the driver's ``environment``.
    """
    import traceback

    from bench.run.runtime.account import Account
    from bench.run.worker import Worker

    for number in (signal.SIGINT, signal.SIGTERM):  # the driver hears them and passes them on
        signal.signal(number, signal.SIG_IGN)
    os.environ.clear()
    os.environ.update(environment)
    try:
        account = Account(order.config.runtime, asked)
        worker = Worker(order.plan(), _Voice(pipe), account.watch)
        account.watch.passed("load", asked, time.perf_counter())
        pipe.send(messages.Loaded(dict(worker.facts)))
        while True:
            batch: list[Job] = pipe.recv()
            if not isinstance(batch, list):
                continue  # asked to stop between two batches
            with suppress(KeyboardInterrupt):
                worker(batch, stop=pipe.poll)  # in a batch the driver says nothing but stop
            pipe.send(account.returned())
    except (EOFError, ConnectionError):
        return  # the driver is gone
    except BenchError as error:
        refused = messages.Refused(str(error), None)
    except BaseException as error:
        refused = messages.Refused(repr(error), traceback.format_exc())
    with suppress(OSError):
        pipe.send(refused)


class _Voice:
    """A process's ``Progress``: tells the driver."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def image_done(self, values: Mapping[str, Sequence[float]]) -> None:
        """Passes it on."""
        self._pipe.send(messages.Scored(values))

    def image_failed(self, error: ImageError) -> None:
        """Passes it on."""
        self._pipe.send(messages.Failed(error))
