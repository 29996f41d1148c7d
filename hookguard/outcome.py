"""The outcome of a delivery: one log line and one call of each observer, with the same facts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Final, Literal, NamedTuple

from hookguard.privacy.shown import printable

__all__ = ["SIGNALS", "Ending", "Observer", "Outcome", "OutcomeName", "is_heard", "report"]

_log = logging.getLogger("hookguard")

#: Every outcome of a delivery.
OutcomeName = Literal[
    "handled",  # verified, run, remembered
    "stored",  # verified and in the inbox: answered, a worker will run it
    "unprotected",  # run although the store was down, because the endpoint allows it: it may have run before
    "failed",  # the handler raised or answered other than 2xx: released, the provider will retry
    "duplicate",  # completed before: answered, not run
    "in_progress",  # another worker is handling it: the provider should retry
    "challenge",  # a handshake was answered
    "rejected",  # not genuine, not fresh, or malformed
    "unavailable",  # the store or a key is unavailable: the provider should retry
    "overloaded",  # the endpoint's concurrency limit is reached
    "lease_lost",  # the handler outlived its lease
    "dead",  # in the inbox, and not tried any more: its tries are used up, the handler gave it up, or its workers died
    "ignored",  # in the inbox, and no target wants it
    "abandoned",  # the worker was stopped while the handler ran: the lease will run out
]

#: The signal that a framework with signals sends for each outcome.
SIGNALS: Final[Mapping[OutcomeName, str]] = {
    "handled": "webhook_handled",
    "unprotected": "webhook_handled",
    "ignored": "webhook_handled",
    "stored": "webhook_stored",
    "dead": "webhook_dead",
    "duplicate": "webhook_duplicate",
    "in_progress": "webhook_duplicate",
    "challenge": "webhook_challenged",
    "rejected": "webhook_rejected",
    "failed": "webhook_failed",
    "abandoned": "webhook_failed",
    "lease_lost": "webhook_failed",
    "unavailable": "webhook_unavailable",
    "overloaded": "webhook_unavailable",
}

_LEVELS: dict[str, int] = {
    "handled": logging.INFO,
    "stored": logging.INFO,
    "ignored": logging.INFO,
    "duplicate": logging.INFO,
    "challenge": logging.INFO,
    "in_progress": logging.INFO,
    "failed": logging.ERROR,
    "dead": logging.ERROR,
    "unavailable": logging.ERROR,
    "lease_lost": logging.ERROR,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The facts of one delivery, for the log and for metrics. Never a body, a signature or a secret.

    Unprintable characters are escaped, so that no sender can write log lines or names of metrics.
    """

    endpoint: str
    provider: str
    outcome: OutcomeName
    status: int | None = None  #: the reply's status; None if it is not known what the framework answers to an exception
    reason_code: str = ""  #: the reason as a word, such as "signature_mismatch"; empty after success
    reason: str = ""  #: the reason as a sentence, for people
    event_id: str = ""
    event_type: str = ""
    tenant: str = ""
    secret: str = ""  #: the name of the secret that matched: it shows when an old one is not used any more
    attempt: int = 0
    duration: float = 0.0  #: seconds from the first check to the end, or of a worker's run
    part: str = ""  #: of an inbox: the part of the work; empty for the view
    lag: float | None = None  #: of an inbox: seconds from the answer to the first run; None for any other run
    due_again: float | None = None  #: of an inbox: seconds until the next try, if another follows
    by_worker: bool = False  #: of an inbox: whether a worker ran the event; otherwise this is about the answer to the sender
    size: int | None = None  #: bytes of a verified body; of a batch those of the whole delivery, or of the event in a worker
    age: float | None = None  #: seconds from the signed timestamp to the arrival; None without one, and for a worker's run
    traceparent: str = ""  #: the trace context that a verified delivery brought, if it is valid

    def __post_init__(self) -> None:
        for name in ("reason", "event_id", "event_type", "tenant"):
            object.__setattr__(self, name, printable(getattr(self, name)))


class Ending(NamedTuple):
    """How a delivery ended, as its record says it."""

    outcome: OutcomeName
    status: int | None
    reason_code: str
    event_id: str
    event_type: str
    duration: float  #: seconds


#: Called once for each event or rejected delivery, in the thread or event loop that serves it. It must not block. It may have
#: these functions as attributes:
#:
#: - ``listens(name)`` takes the name of an outcome, and returns whether anybody hears of it;
#: - ``explained(endpoint, provider, mark, autopsy)`` gets the result of an autopsy;
#: - ``sent(endpoint, provider, attempt)`` gets each :class:`~hookguard.relay.shipping.Attempt` of a relay, in a worker.
Observer = Callable[[Outcome], None]


def is_heard(name: OutcomeName, observers: tuple[Observer, ...]) -> bool:
    """Whether the log or an observer wants an outcome of this name. Otherwise none is made, which saves 10 us of a delivery."""
    if _log.isEnabledFor(_LEVELS.get(name, logging.WARNING)):
        return True
    for observer in observers:
        listens = getattr(observer, "listens", None)
        try:
            if listens is None or listens(name):
                return True
        except Exception:
            _log.exception("an observer of webhook outcomes raised an exception")
    return False


def report(outcome: Outcome, observers: tuple[Observer, ...]) -> None:
    """Log the outcome and call the observers. An observer's exception is logged and does not affect the delivery."""
    level = _LEVELS.get(outcome.outcome, logging.WARNING)
    if _log.isEnabledFor(level):
        _log.log(
            level,
            "%s %s: %s%s%s%s%s",
            outcome.endpoint,
            outcome.outcome,
            f"{outcome.event_type!r} {outcome.event_id!r}" if outcome.event_id else outcome.provider,
            f", part {outcome.part}" if outcome.part else "",
            f", attempt {outcome.attempt}" if outcome.attempt > 1 else "",
            f", {outcome.reason_code}" if outcome.reason_code else "",
            f": {outcome.reason}" if outcome.reason else "",
            extra=asdict(outcome),
        )
    for observer in observers:
        try:
            observer(outcome)
        except Exception:
            _log.exception("an observer of webhook outcomes raised an exception")
