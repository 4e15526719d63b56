"""What a driver does with what its workers say, whatever way they live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bench.run.findings import Findings
from bench.run.plan import Plan
from bench.run.runtime import messages
from bench.run.runtime.ledger import Ledger
from bench.run.runtime.order import tidy
from bench.run.runtime.telling import Telling


class Hand(Protocol):
    """A worker as its driver knows it, one and the same as long as it lives."""

    loaded: bool

    def __hash__(self) -> int: ...


@dataclass(slots=True)
class Hearing:
    """Acts upon messages; once ``stopping``, a worker that refuses is no news."""

    plan: Plan
    ledger: Ledger
    telling: Telling
    findings: Findings
    stopping: bool = False

    def act(self, hand: Hand, message: object) -> None:
        """Passes on what a worker says; raises what it refuses."""
        if isinstance(message, messages.Loaded):
            hand.loaded = True
            self.findings.loaded(message.facts)
        elif isinstance(message, messages.Scored):
            self.telling.image_done(message.values)
        elif isinstance(message, messages.Failed):
            self.telling.image_failed(message.error)
        elif isinstance(message, messages.Returned):
            self.findings.returned(message.seconds, message.memory, message.recording)
            self.ledger.returned(hand)
            tidy(self.plan.work, self.ledger.batches)
        elif isinstance(message, messages.Refused):
            self.ledger.returned(hand)
            if not self.stopping:
                raise message.error()
