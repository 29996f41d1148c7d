"""What became of a delivery: one log line and one call of each observer, with the same facts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

__all__ = ["Observer", "Outcome", "OutcomeName", "report"]

_log = logging.getLogger("hookguard")

#: Every way a delivery can end.
OutcomeName = Literal[
    "handled",  # verified, run, remembered
    "unprotected",  # run although the store was down, as the endpoint says: whether it ran before nobody knows
    "failed",  # the handler raised or answered other than 2xx: given back, the provider will retry
    "duplicate",  # done before: answered, not run
    "in_progress",  # another worker is at it: the provider should come again
    "challenge",  # a handshake was answered
    "refused",  # not genuine, not fresh, or not readable
    "unavailable",  # the store or a key could not be had: nothing was decided
    "overloaded",  # the endpoint's concurrency limit is reached
    "lease_lost",  # the handler outlived its lease
    "abandoned",  # the worker was stopped in the middle: the lease will run out
]

_LEVELS: dict[str, int] = {
    "handled": logging.INFO,
    "duplicate": logging.INFO,
    "challenge": logging.INFO,
    "in_progress": logging.INFO,
    "failed": logging.ERROR,
    "unavailable": logging.ERROR,
    "lease_lost": logging.ERROR,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The facts of one delivery, for the log and for metrics. Never a body, a signature or a secret."""

    endpoint: str
    provider: str
    outcome: OutcomeName
    status: int | None = None  #: what was answered; None where the handler's exception decides
    reason_code: str = ""  #: why, as a word: "signature_mismatch"; empty when all went well
    reason: str = ""  #: why, as a sentence, for people
    event_id: str = ""
    event_type: str = ""
    tenant: str = ""
    secret: str = ""  #: the name of the secret that matched, so that an old one can be retired
    attempt: int = 0
    duration: float = 0.0  #: seconds from the first check to the end


#: Called once for each delivery, in the thread or loop that served it: count, do not wait.
Observer = Callable[[Outcome], None]


def report(outcome: Outcome, observers: tuple[Observer, ...]) -> None:
    """Log the outcome and tell the observers; one that raises is logged and changes nothing for the delivery."""
    level = _LEVELS.get(outcome.outcome, logging.WARNING)
    if _log.isEnabledFor(level):
        # %r keeps line breaks of a provider's text out of the log's lines.
        _log.log(
            level,
            "%s %s: %s%s%s%s",
            outcome.endpoint,
            outcome.outcome,
            f"{outcome.event_type!r} {outcome.event_id!r}" if outcome.event_id else outcome.provider,
            f", attempt {outcome.attempt}" if outcome.attempt > 1 else "",
            f", {outcome.reason_code}" if outcome.reason_code else "",
            f": {outcome.reason}" if outcome.reason else "",
            extra=asdict(outcome),
        )
    for observer in observers:
        try:
            observer(outcome)
        except Exception:
            _log.exception("an observer of webhook outcomes raised")
