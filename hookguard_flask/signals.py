"""Signals, sent by the app with the :class:`hookguard.Outcome` of each delivery as ``outcome``: to count, mail or trace."""

from __future__ import annotations

from typing import Any, cast

from blinker import Namespace
from flask import current_app

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

_signals = Namespace()

#: Verified, run and remembered.
webhook_handled = _signals.signal("webhook-handled")
#: Not run, because it was handled before or another worker is at it.
webhook_duplicate = _signals.signal("webhook-duplicate")
#: A challenge was answered.
webhook_challenged = _signals.signal("webhook-challenged")
#: Not genuine, not fresh, or not readable.
webhook_rejected = _signals.signal("webhook-rejected")
#: The handler failed, was stopped, or outlived its lease: the event will run again.
webhook_failed = _signals.signal("webhook-failed")
#: Nothing was decided: the store or a secret is not available, or too many deliveries are being handled.
webhook_unavailable = _signals.signal("webhook-unavailable")
#: Verified and stored in the inbox: a worker will run it.
webhook_stored = _signals.signal("webhook-stored")
#: In the inbox, and not tried any more: an operator must check it.
webhook_dead = _signals.signal("webhook-dead")

_BY_OUTCOME = {outcome: globals()[name] for outcome, name in SIGNALS.items()}


def send_outcome(outcome: Outcome) -> None:
    """Send the signal that belongs to an outcome: an observer, which endpoints from the config have already."""
    if (signal := _BY_OUTCOME[outcome.outcome]).receivers:
        signal.send(cast("Any", current_app)._get_current_object(), outcome=outcome)


def _listens(outcome: OutcomeName) -> bool:
    return bool(_BY_OUTCOME[outcome].receivers)


#: Asked before an outcome is made.
send_outcome.listens = _listens  # type: ignore[attr-defined]  # a function may carry it
