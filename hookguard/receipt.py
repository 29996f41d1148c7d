"""One delivery in a guard's hands: an event to handle, or a reply to send."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from typing import Final

from hookguard.errors import (
    HookguardError,
    LeaseLost,
    MethodNotAllowed,
    Overloaded,
    Rejected,
    StoreError,
    StoreUnavailable,
    TransactionFailed,
    VerificationUnavailable,
)
from hookguard.event import Event
from hookguard.reply import Reply
from hookguard.store import Claim, ClaimStatus, StoreKey

__all__ = ["Members", "Receipt", "reply_to_claim", "reply_to_error"]

_log = logging.getLogger("hookguard")

#: Seconds a provider is asked to wait when the store is down, and when too much is going on at once.
STORE_DOWN: Final = 30
BUSY: Final = 1


class Members:
    """The events of one delivery that are still to be looked at, and what became of those before."""

    __slots__ = ("acknowledgement", "done", "failed", "left", "raised", "seen", "slot", "unprotected", "worst")

    def __init__(self, events: Iterable[tuple[Event, StoreKey]], acknowledgement: Reply | None = None) -> None:
        self.acknowledgement = acknowledgement
        self.left = list(events)[::-1]
        self.seen: dict[StoreKey, Event] = {}  #: what was looked at
        self.slot = False  #: whether a place under the concurrency limit is taken, for all of them
        self.worst: Reply | None = None  #: what the provider must hear, if not all is well
        self.failed = False  #: whether that is about the event that ran last
        self.done = acknowledgement or Reply(200)  #: the answer when nothing was left to do
        self.unprotected: StoreUnavailable | None = None  #: why claims are not tried any more, where events run without
        self.raised: Exception | None = None  #: by the handler of the event that ran last

    def note(self, reply: Reply, *, ran: bool = False) -> None:
        """Remember a reply that is no success; one that surely brings a retry wins."""
        if self.worst is None or (self.worst.status < 500 <= reply.status):
            self.worst, self.failed = reply, ran


class Receipt:
    """What to do with a delivery.

    Either ``reply`` is None and ``event`` is to be handled, and then the guard is told how it went; or ``reply`` is to
    be sent and nothing is to be run.
    """

    __slots__ = (
        "_event",
        "acknowledgement",
        "answer",
        "error",
        "key",
        "members",
        "reply",
        "slot",
        "started",
        "status",
        "token",
        "unprotected",
    )

    def __init__(
        self, started: float, *, event: Event | None = None, reply: Reply | None = None, error: HookguardError | None = None
    ) -> None:
        self.started = started
        self.reply = reply
        self.status: int | None = None  #: what the handler answered, once it did
        self.answer: Reply | None = None  #: the same whole, for an endpoint that stores replies
        self.key: StoreKey | None = None  #: set while a claim is held
        self.token = b""
        self.error = error  #: why it was refused, or why a handled event could not be marked as done; for the operator
        self.unprotected: StoreUnavailable | None = None  #: why the event runs without a claim, where the endpoint allows it
        self.slot = False  #: whether a place under the concurrency limit is taken
        self.acknowledgement: Reply | None = None  #: what must be sent on success in place of the handler's own 2xx
        self.members: Members | None = None  #: the other events of the same delivery, where it may carry several
        self._event = event

    @property
    def event(self) -> Event:
        """The event to handle; RuntimeError when there is a reply to send instead."""
        if self._event is None or self.reply is not None:
            raise RuntimeError("this receipt carries a reply, not an event: send receipt.reply first")
        return self._event

    def answered(self, status: int, *, content_type: str = "", body: bytes = b"") -> None:
        """Say what the handler answered: 2xx completes the event, anything else gives it back for the next try.

        ``content_type`` and ``body`` are for an endpoint with ``store_reply``: a duplicate is answered the same. TypeError
        when ``body`` is not bytes.
        """
        if not isinstance(body, bytes):
            raise TypeError(f"body is {type(body).__name__}; give the bytes that are sent")
        self.status = status
        self.answer = Reply(status, (("Content-Type", content_type),) if content_type else (), body)

    def __repr__(self) -> str:
        return f"Receipt({self._event if self.reply is None else self.reply!r})"


def reply_to_claim(claim: Claim, acknowledgement: Reply | None = None) -> Reply | None:
    """The reply for an event that is not to be run; None for one that is."""
    if claim.status == ClaimStatus.ACQUIRED:
        return None
    if claim.status == ClaimStatus.DONE:
        # 200, because one provider (Mailgun) counts nothing else as success.
        first = acknowledgement or Reply(200)
        if acknowledgement is None and claim.reply is not None:
            try:
                first = Reply.from_bytes(claim.reply)
            except ValueError as error:
                _log.warning("a duplicate gets a plain 200: %s", error)
        return first._replace(headers=(*first.headers, ("Hookguard-Duplicate", "1")))
    # Not 2xx, which would acknowledge work that may yet fail; not 4xx, which several providers take as final.
    wait = min(max(math.ceil(claim.retry_after), 1), 60)
    return Reply.problem(503, ("Retry-After", str(wait)))


def reply_to_error(error: HookguardError, methods: frozenset[str] = frozenset()) -> Reply | None:
    """The reply for one of our own errors; None for an error that says nothing about the delivery."""
    if isinstance(error, MethodNotAllowed):
        return Reply.problem(error.status, ("Allow", ", ".join(sorted(methods))))
    if isinstance(error, Rejected):
        return Reply.problem(error.status)
    if isinstance(error, (StoreError, VerificationUnavailable)):
        return Reply.problem(503, ("Retry-After", str(STORE_DOWN)))
    if isinstance(error, TransactionFailed):
        return Reply.problem(error.status)
    if isinstance(error, (Overloaded, LeaseLost)):
        return Reply.problem(503, ("Retry-After", str(BUSY)))
    return None
