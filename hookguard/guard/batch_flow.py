"""Deliveries that carry several events: each is claimed, run and settled on its own."""

from __future__ import annotations

import logging
import time

from hookguard.errors import (
    EventIdReused,
    HookguardError,
    Rejected,
)
from hookguard.event import Event
from hookguard.guard.flow import Flow
from hookguard.guard.hashing import LARGE
from hookguard.guard.receipt import Members, Receipt
from hookguard.reply import Reply

__all__ = ["BatchFlow"]

_log = logging.getLogger("hookguard")


class BatchFlow(Flow):
    """The steps for a preset with a batch."""

    async def _take_in(self, event: Event, started: float, acknowledgement: Reply | None) -> Receipt:
        """Claim the events one after another. A malformed event is rejected alone: it never stops the others."""
        if self._beside_loop is None or len(event.body) < LARGE:
            events = event.events()
        else:
            events = await self._beside_loop.events(event)
        members = Members(events, acknowledgement)
        if not events:
            return self._outcomes.answer(started, "challenge", members.success_reply, event, "the delivery carries no event")
        self._acquire_slot(members)
        following = await self._advance(members)
        if following is not None:
            return following
        return Receipt(started, event=event, reply=members.failure_reply or members.success_reply)

    async def next(self, receipt: Receipt) -> Receipt | None:
        """Return the receipt of the next event of the same delivery; None if no event is left."""
        members = receipt.members
        if members is None:
            return None
        following = await self._advance(members)
        last_error, members.last_error = members.last_error, None
        if following is None and (members.failure_reply is None or members.failed):
            return None
        if last_error is not None:
            # The framework logs only the exception of the last event.
            _log.error("the handler raised for one of several events in a delivery", exc_info=last_error)
        return following or Receipt(time.perf_counter(), reply=members.failure_reply)

    async def _advance(self, members: Members) -> Receipt | None:
        """Return the receipt of the next event to run; None if no event is left."""
        try:
            while members.pending:
                event = members.pending.pop()
                receipt = Receipt(time.perf_counter(), event=event)
                receipt.members, receipt.acknowledgement = members, members.acknowledgement
                opened = await self._claim_member(receipt, members, event)
                if opened.reply is None:
                    members.failed = False
                    return receipt
                if 200 <= opened.reply.status < 300:
                    members.success_reply = opened.reply
                else:
                    members.note(opened.reply)
        except BaseException:
            self._release_slot(members)
            raise
        self._release_slot(members)
        return None

    async def _claim_member(self, receipt: Receipt, members: Members, event: Event) -> Receipt:
        try:
            key = self._endpoint.key(event)
            first = members.claimed.setdefault(key, event)
            if first is not event:
                if first.fingerprint() != event.fingerprint() and self._endpoint.reject_reused_id:
                    raise EventIdReused("this id came before in the same delivery with another content")
                reason = "it came before in the same delivery"
                return self._outcomes.answer(receipt.started, "duplicate", members.success_reply, event, reason)
            if members.unprotected is not None:
                event.store_key = key
                receipt.unprotected = members.unprotected
                return receipt
            opened = await self._claim(receipt, event, key)
        except HookguardError as error:
            if not isinstance(error, Rejected):
                # The store will not answer for the other events either. The provider sends them once more.
                members.pending.clear()
            return self.reject(error, receipt.started, event.delivery, event)
        members.unprotected = receipt.unprotected
        return opened

    async def settle(
        self, receipt: Receipt, status: int | None, error: BaseException | None, answer: Reply | None = None
    ) -> Reply | None:
        """Settle one of several events, and record its reply if it failed."""
        members = receipt.members
        if receipt.held is not None:
            return await super().settle(receipt, status, error, answer)
        if members is None or receipt.settled:
            return None
        if status is None and answer is not None:
            status = answer.status
        if error is not None and not isinstance(error, Exception):
            members.pending.clear()
            self._release_slot(members)
        elif error is not None and not isinstance(error, HookguardError):
            members.last_error = error
        try:
            reply = await super().settle(receipt, status, error, answer)
        except Exception:
            # A later success must not hide that this event failed.
            members.note(Reply.problem(503), ran=True)
            raise
        if reply is not None and not 200 <= reply.status < 300:
            members.note(reply, ran=True)
        elif error is not None or status is None or not 200 <= status < 300:
            members.note(Reply.problem(status if error is None and status is not None and status >= 400 else 500), ran=True)
        return reply
