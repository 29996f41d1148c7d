"""One step of ``hookguard demo``, and what was seen of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from hookguard import Delivery
from hookguard.cli.demo_worker import DemoWorker

__all__ = ["DemoLike", "Seen", "Step", "judge"]


class DemoLike(Protocol):
    """The running demo, as its steps use it."""

    secrets: dict[str, str]
    worker: DemoWorker

    def signed(self, provider: str, body: bytes, *, secret: str = "", age: float = 0.0, **fields: str) -> Delivery:
        """A delivery as the provider would send it, ``age`` seconds ago."""

    def post(self, provider: str, delivery: Delivery) -> int:
        """Send a delivery; return the status."""

    def lines(self, name: str) -> list[dict[str, Any]]:
        """The records that the receiver and the worker have written so far."""


@dataclass(frozen=True)
class Step:
    """One kind of delivery, and the expected result."""

    sent: str
    statuses: tuple[int, ...]  #: the answers that are right
    runs: int  #: how often handlers must have run because of it
    send: Callable[[Any], list[int]]
    body: bytes | None = None  #: what the answer must carry, where that matters


@dataclass(frozen=True)
class Seen:
    """The result of a step."""

    answers: tuple[int, ...]
    runs: int
    why: str
    body: bytes = b""


def judge(step: Step, seen: Seen) -> bool:
    """Whether a step had the expected result."""
    answered = bool(seen.answers) and set(seen.answers) <= set(step.statuses)
    if len(step.statuses) > 1:
        # Of several right answers each must have been seen, or the step proved nothing.
        answered = answered and step.statuses[0] in seen.answers
    return answered and seen.runs == step.runs and (step.body is None or step.body == seen.body)
