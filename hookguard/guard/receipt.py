"""One delivery that a guard has opened: an event to handle, or a reply to send."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from hookguard.errors import HookguardError, StoreUnavailable
from hookguard.event import Event
from hookguard.reply import Reply
from hookguard.store import StoreKey

if TYPE_CHECKING:  # an application without an inbox loads nothing of it
    from hookguard.guard.entry_transaction import EntryTransaction
    from hookguard.inbox.contract import Held

__all__ = ["Members", "Ran", "Receipt"]


class Ran(NamedTuple):
    """How a worker's run of an entry ended: the handler's status, or what it raised. Neither: it answered nothing.

    With the status and an error, the handler ran well and its transaction could not be committed.
    """

    status: int | None
    error: BaseException | None = None
    committed: bool = False  #: whether the entry is completed, in the handler's own transaction

    @property
    def well(self) -> bool:
        """Whether the entry is to be completed."""
        return self.error is None and self.status is not None and 200 <= self.status < 300


class Members:
    """The events of one delivery: those still to be claimed, and the results of those before."""

    __slots__ = (
        "acknowledgement",
        "claimed",
        "failed",
        "failure_reply",
        "last_error",
        "pending",
        "slot",
        "success_reply",
        "unprotected",
    )

    def __init__(self, events: Iterable[Event], acknowledgement: Reply | None = None) -> None:
        self.acknowledgement = acknowledgement
        self.pending = list(events)[::-1]  #: the next one last
        self.claimed: dict[StoreKey, Event] = {}  #: the first event with each key
        self.slot = False  #: whether they hold a slot of the concurrency limit, one for all of them
        self.failure_reply: Reply | None = None  #: the reply to the delivery if an event failed
        self.failed = False  #: whether ``failure_reply`` is about the event that ran last
        self.success_reply = acknowledgement or Reply(200)  #: the reply if no event had to run
        self.unprotected: StoreUnavailable | None = None  #: why the remaining events run without a claim
        self.last_error: Exception | None = None  #: raised by the handler of the event that ran last

    def note(self, reply: Reply, *, ran: bool = False) -> None:
        """Record the reply of an event that failed; a 5xx wins, because every provider retries it."""
        if self.failure_reply is None or (self.failure_reply.status < 500 <= reply.status):
            self.failure_reply, self.failed = reply, ran


class Receipt:
    """The next step for a delivery.

    If ``reply`` is None, handle ``event`` and then settle the receipt. Otherwise send ``reply`` and run nothing.
    """

    __slots__ = (
        "_event",
        "acknowledgement",
        "answer",
        "error",
        "held",
        "key",
        "members",
        "ran",
        "reply",
        "resumed",
        "slot",
        "started",
        "status",
        "token",
        "transaction",
        "unprotected",
    )

    def __init__(
        self, started: float, *, event: Event | None = None, reply: Reply | None = None, error: HookguardError | None = None
    ) -> None:
        self.started = started
        self.reply = reply
        self.status: int | None = None  #: the handler's status, once it answered
        self.answer: Reply | None = None  #: the handler's whole reply, for an endpoint that stores replies
        self.key: StoreKey | None = None  #: set while a claim is held
        self.token = b""
        self.error = error  #: for the operator: why the delivery was rejected, or the event could not be completed
        self.unprotected: StoreUnavailable | None = None  #: why the event runs without a claim, if the endpoint allows that
        self.slot = False  #: whether it holds a slot of the concurrency limit
        self.acknowledgement: Reply | None = None  #: sent on success in place of the handler's own 2xx
        self.members: Members | None = None  #: all events of the delivery, if it may carry several
        self.held: Held | None = None  #: the entry, in a worker's run: the worker settles it, by what ``ran`` says
        self.ran: Ran | None = None  #: how the worker's run ended; None if no guarded view took the receipt to its end
        self.transaction: EntryTransaction | None = None  #: in a worker's run: the one that the handler writes in
        self.resumed = False  #: whether a guarded view has taken it in place of a delivery
        self._event = event

    @property
    def event(self) -> Event:
        """The event to handle; RuntimeError if there is a reply to send instead."""
        if self._event is None or self.reply is not None:
            raise RuntimeError("this receipt carries a reply, not an event: send receipt.reply first")
        return self._event

    def answered(self, status: int, *, content_type: str = "", body: bytes = b"") -> None:
        """Record the handler's answer: 2xx completes the event, any other status releases it for the next try.

        ``content_type`` and ``body`` are for an endpoint with ``store_reply``: a duplicate gets the same answer. TypeError
        if ``body`` is not bytes.
        """
        if not isinstance(body, bytes):
            raise TypeError(f"body is {type(body).__name__}; pass the bytes that are sent")
        self.status = status
        self.answer = Reply(status, (("Content-Type", content_type),) if content_type else (), body)

    @property
    def settled(self) -> bool:
        """Whether the event was settled, or there is no event to handle."""
        return self.key is None and self.unprotected is None and (self.held is None or self.ran is not None)

    def check_answered(self) -> None:
        """Raise RuntimeError if the handler's answer was not recorded: success would only be a guess."""
        if self.status is None and not self.settled:
            raise RuntimeError("the event was handled, but its status is missing: call receipt.answered(status)")

    def __repr__(self) -> str:
        return f"Receipt({self._event if self.reply is None else self.reply!r})"
