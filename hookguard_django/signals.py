"""Signals, sent by the endpoint's name with the :class:`hookguard.Outcome` of each delivery as ``outcome``."""

from __future__ import annotations

from django.dispatch import Signal

from hookguard import Outcome
from hookguard.outcome import SIGNALS, OutcomeName

__all__ = [
    "send_outcome",
    "webhook_challenged",
    "webhook_dead",
    "webhook_duplicate",
    "webhook_failed",
    "webhook_handled",
    "webhook_rejected",
    "webhook_stored",
    "webhook_unavailable",
]

#: Verified, run and remembered.
webhook_handled = Signal()
#: Not run, because it was handled before or another worker is at it.
webhook_duplicate = Signal()
#: A challenge was answered.
webhook_challenged = Signal()
#: Not genuine, not fresh, or not readable.
webhook_rejected = Signal()
#: The handler failed, was stopped, or outlived its lease: the event will run again.
webhook_failed = Signal()
#: Nothing was decided: the store or a secret is not available, or too many deliveries are being handled.
webhook_unavailable = Signal()
#: Verified and stored in the inbox: a worker will run it.
webhook_stored = Signal()
#: In the inbox, and not tried any more: an operator must check it.
webhook_dead = Signal()

_BY_OUTCOME = {outcome: globals()[name] for outcome, name in SIGNALS.items()}


def send_outcome(outcome: Outcome) -> None:
    """Send the signal that belongs to an outcome: an observer, which endpoints from the settings have already."""
    _BY_OUTCOME[outcome.outcome].send(sender=outcome.endpoint, outcome=outcome)


def _listens(outcome: OutcomeName) -> bool:
    return bool(_BY_OUTCOME[outcome].receivers)


#: Asked before an outcome is made.
send_outcome.listens = _listens  # type: ignore[attr-defined]  # a function may carry it
