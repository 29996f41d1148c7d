"""The mark that lets a guarded view run an entry of the inbox, in place of reading and verifying a delivery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hookguard.endpoint import Endpoint
from hookguard.errors import GiveUp
from hookguard.event import Event
from hookguard.guard.receipt import Receipt

if TYPE_CHECKING:  # an application without an inbox loads nothing of it
    from hookguard.inbox.contract import Held

__all__ = ["WORKER", "gave_up", "receipt_for", "resumed"]

#: The key in a WSGI environ or an ASGI scope under which a worker puts the Receipt of the entry to run. Servers put strings and
#: objects of their own there, so nobody outside of the process can set it. See ``Guard.resume``.
WORKER: Final = "hookguard.worker"


def receipt_for(held: Held, event: Event, started: float) -> Receipt:
    """Return the receipt of an entry, for a worker to put under ``WORKER`` and to read ``ran`` from.

    ``event`` comes from :func:`hookguard.inbox.kept.event_again`; ``started`` is the time by ``time.perf_counter()``.
    """
    receipt = Receipt(started, event=event)
    receipt.held = held
    return receipt


def resumed(mark: object, endpoint: Endpoint) -> Receipt | None:
    """Return a worker's receipt for this endpoint; see ``AsyncGuard.resume``."""
    # Not isinstance(): an object may lie about its class.
    if type(mark) is not Receipt or mark.held is None or mark.resumed or mark.held.lane.endpoint != endpoint.name:
        return None
    mark.resumed = True
    return mark


def gave_up(mark: object, error: object) -> bool:
    """Whether an exception is a worker's run that was given up: a decision, which the worker reports in one line."""
    return isinstance(error, GiveUp) and type(mark) is Receipt and mark.held is not None
