"""The steps for an endpoint with an inbox: verified events are stored, and the sender is answered when they are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, cast

from hookguard.endpoint import Endpoint
from hookguard.errors import ConfigurationError, EventIdReused, Rejected
from hookguard.event import Event
from hookguard.guard.flow import Flow
from hookguard.guard.receipt import Receipt
from hookguard.guard.replies import DUPLICATE, as_duplicate, reply_in_progress
from hookguard.inbox.contract import AsyncInbox, HasInbox, Inbox, Kept, Put, PutStatus
from hookguard.inbox.kept import Keeper
from hookguard.inbox.settings import InboxSettings
from hookguard.outcome import OutcomeName
from hookguard.reply import Reply

__all__ = ["InboxFlow", "StoreEvents", "inbox_of", "needs_inbox"]

#: Stores events, and returns after the commit.
StoreEvents = Callable[[Sequence[Kept]], Awaitable["list[Put]"]]


def needs_inbox(endpoint: Endpoint, store: object) -> None:
    """Raise ConfigurationError if the endpoint has an inbox, and the store (or its class) cannot keep deliveries."""
    if endpoint.inbox is None or callable(getattr(store, "inbox", None)):
        return
    kind = store if isinstance(store, type) else type(store)
    raise ConfigurationError(
        f"endpoint {endpoint.name!r} has an inbox, and {kind.__name__} cannot keep deliveries: of hookguard's stores, those in"
        " SQLite (sqlite:////path/to/file), PostgreSQL, MySQL, MariaDB and Redis (postgresql://…, mysql://…, redis://…) can, and"
        " Django's ORM stores. Set store to one, or leave inbox out"
    )


def inbox_of(endpoint: Endpoint, store: object) -> Inbox | AsyncInbox:
    """Return the inbox of a store; ConfigurationError if it cannot keep deliveries."""
    needs_inbox(endpoint, store)
    return cast("HasInbox", store).inbox()


class InboxFlow(Flow):
    """Flow, with ``put`` in place of the claim. Every event of a delivery is stored in one transaction, or none of them is.

    The receipt always carries a reply. The handler runs later, in a worker: see :mod:`hookguard.guard.resuming`.
    """

    def __init__(self, *parts: Any, put: StoreEvents) -> None:
        super().__init__(*parts)
        self._put = put
        endpoint = self._endpoint
        self._keeper = Keeper(
            endpoint=endpoint.name,
            preset=endpoint.preset,
            settings=cast("InboxSettings", endpoint.inbox),
            retention=endpoint.retention,
            takes_other_body=not endpoint.reject_reused_id,
            also=frozenset() if endpoint.relay is None else endpoint.relay.kept_headers(endpoint.preset),
        )

    async def _take_in(self, event: Event, started: float, acknowledgement: Reply | None) -> Receipt:
        """Store the events; ``acknowledgement`` is the reply that the provider requires on success."""
        # Receipts of members are for their outcomes. The one that holds the slot is the delivery's.
        receipt = Receipt(started, event=event)
        self._acquire_slot(receipt)
        try:
            return await self._store_all(event, started, acknowledgement or Reply(200))
        finally:
            self._release_slot(receipt)

    async def _store_all(self, event: Event, started: float, stored: Reply) -> Receipt:
        kept: list[tuple[Event, Kept]] = []
        replies: list[Receipt] = []
        for each in event.events():
            try:
                kept.append((each, await self._keep(each)))
            except Rejected as error:
                # The others of the delivery are genuine, and may come only once.
                replies.append(self.reject(error, started, each.delivery, each))
        answers = await self._put([each for _, each in kept]) if kept else []
        for (each, _), put in zip(kept, answers, strict=True):
            replies.append(self._answer_put(each, put, started, stored))
        if not replies:
            return self._outcomes.answer(started, "challenge", stored, event, "the delivery carries no event")
        return _worst(replies)

    async def _keep(self, event: Event) -> Kept:
        key = self._endpoint.key(event)
        event.store_key = key
        event.attempt = 0
        if (nonce := self._endpoint.nonce_key(event)) is not None:
            await self._spend(nonce, event)
        kept = self._keeper.keep(event, key)
        relay = self._endpoint.relay
        return kept if relay is None else replace(kept, parts=relay.parts_of(event))

    def _answer_put(self, event: Event, put: Put, started: float, stored: Reply) -> Receipt:
        """Report what became of an event, and return the receipt with the reply to it."""
        if not put.same_fingerprint and self._endpoint.reject_reused_id and put.status is not PutStatus.IN_PROGRESS:
            error = EventIdReused("this id came before with another body, and this provider's retries never change the body")
            return self.reject(error, started, event.delivery, event)
        outcome: OutcomeName = "stored"
        reply, reason = stored, "" if put.same_fingerprint else "the body differs from the first delivery's"
        if put.status is PutStatus.AGAIN:
            reason = "it was dead, and its provider sent it again"
        elif put.status is PutStatus.KNOWN:
            outcome = "duplicate"
            reply = as_duplicate(stored)
        elif put.status is PutStatus.IN_PROGRESS:
            outcome, reason = "in_progress", "a handler in direct mode is running it"
            reply = reply_in_progress(put.retry_after)
        return self._outcomes.answer(started, outcome, reply, event, reason)


def _worst(receipts: list[Receipt]) -> Receipt:
    """Return the receipt to answer the delivery with: a 5xx, which every provider retries; else a rejection; else a success."""

    def badness(receipt: Receipt) -> tuple[int, bool]:
        reply = cast("Reply", receipt.reply)
        return (2 if reply.status >= 500 else 1 if reply.status >= 400 else 0), DUPLICATE not in reply.headers

    return max(receipts, key=badness)
