"""Signals, sent by the app with the :class:`hookguard.Outcome` of each delivery; connect to count, mail or trace."""

from __future__ import annotations

from typing import Any, cast

from blinker import Namespace
from flask import current_app

from hookguard import Outcome

__all__ = [
    "send_outcome",
    "webhook_challenged",
    "webhook_duplicate",
    "webhook_failed",
    "webhook_handled",
    "webhook_refused",
    "webhook_unavailable",
]

_signals = Namespace()

#: Verified, run and remembered.
webhook_handled = _signals.signal("webhook-handled")
#: Not run, because it was handled before or another worker is at it.
webhook_duplicate = _signals.signal("webhook-duplicate")
#: A handshake was answered.
webhook_challenged = _signals.signal("webhook-challenged")
#: Not genuine, not fresh, or not readable.
webhook_refused = _signals.signal("webhook-refused")
#: The handler failed, was stopped, or outlived its lease: the event will run again.
webhook_failed = _signals.signal("webhook-failed")
#: Nothing was decided: the store or a secret cannot be had, or too much is going on at once.
webhook_unavailable = _signals.signal("webhook-unavailable")

_BY_OUTCOME = {
    "handled": webhook_handled,
    "unprotected": webhook_handled,
    "duplicate": webhook_duplicate,
    "in_progress": webhook_duplicate,
    "challenge": webhook_challenged,
    "refused": webhook_refused,
    "failed": webhook_failed,
    "abandoned": webhook_failed,
    "lease_lost": webhook_failed,
    "unavailable": webhook_unavailable,
    "overloaded": webhook_unavailable,
}


def send_outcome(outcome: Outcome) -> None:
    """Send the signal that belongs to an outcome: an observer, which endpoints from the config have already."""
    _BY_OUTCOME[outcome.outcome].send(cast("Any", current_app)._get_current_object(), outcome=outcome)
