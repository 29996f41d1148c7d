"""Reports the outcome of each delivery of an endpoint, and makes the receipt that carries the reply."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from hookguard.delivery import Delivery
from hookguard.endpoint import Endpoint
from hookguard.errors import HookguardError, Overloaded, Rejected
from hookguard.event import Event
from hookguard.guard.autopsies import Autopsies
from hookguard.guard.receipt import Receipt
from hookguard.guard.replies import reply_to_error
from hookguard.head.trace_context import read_traceparent
from hookguard.outcome import Ending, Outcome, OutcomeName, is_heard, report
from hookguard.privacy.shown import shown_url
from hookguard.reply import Reply
from hookguard.verifier import VerifierLike

if TYPE_CHECKING:
    from hookguard.guard.recording import Recorder

__all__ = ["Outcomes"]

_log = logging.getLogger("hookguard.autopsy")


class Outcomes:
    """Logs an endpoint's outcomes, passes them to its observers, and has the deliveries recorded.

    ``store`` is the user's own: the records are kept in it. Raises ConfigurationError if it cannot keep any.
    """

    def __init__(self, endpoint: Endpoint, store: object) -> None:
        self._endpoint = endpoint
        self._autopsies = Autopsies.of(endpoint, store)
        self._recorder: Recorder | None = None
        if endpoint.evidence is not None:
            from hookguard.guard.recording import recorder_of  # noqa: PLC0415 - most applications keep no records

            self._recorder = recorder_of(endpoint, endpoint.evidence, store)

    def note_arrival(self, event: Event) -> None:
        """Note when a genuine delivery arrived. Its age later distinguishes a wrong clock from a late delivery, in autopsies."""
        event.received_at = time.time()
        if self._autopsies is not None and event.timestamp is not None:
            self._autopsies.skews.append(event.received_at - event.timestamp)

    def reject(
        self,
        error: HookguardError,
        started: float,
        delivery: Delivery,
        event: Event | None = None,
        verifier: VerifierLike | None = None,
        found: Any = None,
        *,
        body_read: bool = False,
    ) -> Receipt:
        """Report an error, and return the receipt with the reply to it; raise one that is not about the delivery.

        If the signature failed, an autopsy later names the cause in the log. ``verifier`` has the secrets that were tried, and
        ``found`` is the key that was fetched.
        """
        reply = reply_to_error(error, self._endpoint.methods)
        if reply is None:
            raise error
        outcome: OutcomeName = (
            "rejected" if isinstance(error, Rejected) else "overloaded" if isinstance(error, Overloaded) else "unavailable"
        )
        code = getattr(error, "code", "")
        # First: the autopsy may add its findings to the record before this function ends.
        unread = not body_read and event is None and not delivery.body
        name = self._record(outcome, started, event, reply.status, code, delivery, body_read=not unread)
        mark = self._recorder.mark(name) if self._recorder is not None else ""
        if self._autopsies is not None and event is None:
            add = partial(self._recorder.explain, name) if self._recorder is not None and name else None
            try:
                told = self._autopsies.hand_over(error, delivery, verifier, found, body_read=body_read, mark=mark, add=add)
                mark = told or mark
            except Exception as failure:
                # An autopsy is for the operator: nothing of it may change the reply. The traceback could show the delivery.
                _log.error("autopsy_failed: handing the delivery over raised %s", type(failure).__name__)
        reason = f"{error} [url {shown_url(delivery.url)!r}]" if self._signs_url(error) else str(error)
        shown = f"{reason} [delivery {mark}]" if mark else reason
        self._tell(outcome, started, event, reply.status, reason_code=code, reason=shown)
        return Receipt(started, event=event, reply=reply, error=error)

    def _signs_url(self, error: HookguardError) -> bool:
        # If a scheme that signs the URL rejects, the operator needs to see which URL was checked. It is not secret there.
        return isinstance(error, Rejected) and "url" in self._endpoint.preset.scheme.covers

    def answer(
        self,
        started: float,
        outcome: OutcomeName,
        reply: Reply | None,
        event: Event | None = None,
        reason: str = "",
        delivery: Delivery | None = None,
    ) -> Receipt:
        """Report an outcome that needs no handler, and return the receipt with the reply. ``delivery`` had no event."""
        status = reply.status if reply else None
        self._record(outcome, started, event, status, "", delivery)
        self._tell(outcome, started, event, status, reason=reason)
        return Receipt(started, event=event, reply=reply)

    def report(
        self,
        outcome: OutcomeName,
        started: float,
        event: Event | None,
        status: int | None = None,
        *,
        reason_code: str = "",
        reason: str = "",
    ) -> None:
        """Record, log and pass on how an event ended. ``started`` is by ``time.perf_counter()``."""
        self._record(outcome, started, event, status, reason_code)
        self._tell(outcome, started, event, status, reason_code=reason_code, reason=reason)

    def _record(
        self,
        outcome: OutcomeName,
        started: float,
        event: Event | None,
        status: int | None,
        code: str,
        delivery: Delivery | None = None,
        *,
        body_read: bool = True,
    ) -> str:
        """Have a delivery recorded if the endpoint wants that; return its name, or an empty text."""
        recorder = self._recorder
        if recorder is None:
            return ""
        came = event.delivery if event is not None else delivery
        name = recorder.name(outcome, verified=event is not None) if came is not None else ""
        if came is not None and name:
            identifier, kind = _describe(event) if event is not None else ("", "")
            took = time.perf_counter() - started
            recorder.hand_over(name, came, event, Ending(outcome, status, code, identifier, kind, took), body_read=body_read)
        return name

    def _tell(
        self,
        outcome: OutcomeName,
        started: float,
        event: Event | None,
        status: int | None = None,
        *,
        reason_code: str = "",
        reason: str = "",
    ) -> None:
        """Log an outcome and pass it to the observers, if one of them wants it."""
        endpoint = self._endpoint
        if not is_heard(outcome, endpoint.observers):
            return
        report(
            Outcome(
                endpoint=endpoint.name,
                provider=endpoint.preset.name,
                outcome=outcome,
                status=status,
                reason_code=reason_code,
                reason=reason,
                duration=time.perf_counter() - started,
                **({} if event is None else _facts(event)),
            ),
            endpoint.observers,
        )


def _facts(event: Event) -> dict[str, Any]:
    """Return the facts of a verified event."""
    identifier, kind = _describe(event)
    return {
        "event_id": identifier,
        "event_type": kind,
        "tenant": event.tenant or "",
        "secret": event.secret,
        "attempt": event.attempt,
        "size": len(event.body),
        "age": None if event.timestamp is None else event.received_at - event.timestamp,
        "traceparent": read_traceparent(event.headers),
    }


def _describe(event: Event) -> tuple[str, str]:
    """Return the event's id and type for the log; empty where the body is malformed."""
    try:
        identifier = event.id
    except Rejected:
        identifier = ""
    try:
        return identifier, event.type
    except Rejected:
        return identifier, ""
