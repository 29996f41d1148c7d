"""Signals, sent with the :class:`hookguard.Outcome` of each delivery as ``outcome``; connect to count, mail or trace."""

from __future__ import annotations

from django.dispatch import Signal

from hookguard import Outcome

__all__ = ["send_outcome", "webhook_answered", "webhook_failed", "webhook_handled", "webhook_refused"]

#: Verified, run and remembered.
webhook_handled = Signal()
#: Answered without running: a duplicate, a challenge, or one that another worker is at.
webhook_answered = Signal()
#: Not genuine, not fresh, not readable, or more at once than allowed.
webhook_refused = Signal()
#: Given back or undecided: the handler failed, the store is down, the lease was lost.
webhook_failed = Signal()

_BY_OUTCOME = {
    "handled": webhook_handled,
    "unprotected": webhook_handled,
    "duplicate": webhook_answered,
    "in_progress": webhook_answered,
    "challenge": webhook_answered,
    "refused": webhook_refused,
    "overloaded": webhook_refused,
}


def send_outcome(outcome: Outcome) -> None:
    """Send the signal that belongs to an outcome; an observer of every endpoint."""
    _BY_OUTCOME.get(outcome.outcome, webhook_failed).send(sender=outcome.endpoint, outcome=outcome)
