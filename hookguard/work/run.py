"""One run of an entry: its receipt, the call of the application, the verdict, and writing the verdict into the inbox."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Union, cast

from hookguard.errors import LeaseLost, Rejected, StoreError
from hookguard.event import Event
from hookguard.guard.receipt import Receipt
from hookguard.guard.resuming import WORKER, receipt_for
from hookguard.head.trace_context import read_traceparent
from hookguard.headers import Headers
from hookguard.inbox.contract import Held
from hookguard.inbox.kept import UnreadableEntry, brought_back
from hookguard.outcome import Outcome, OutcomeName, report
from hookguard.work.calling import Answer, Call
from hookguard.work.lanes import OpenLane
from hookguard.work.verdict import Verdict, decide, decide_shipped

__all__ = ["Run"]

_log = logging.getLogger("hookguard.work")

#: Seconds between two tries to write a verdict while the store is down: at first, and at most.
SOON: Final = 0.05
LATER: Final = 1.0


class Run:
    """One entry in a worker's hands, from the moment it was taken.

    ``sleep`` waits between tries to write; None for a caller that must not wait, which tries once.
    """

    def __init__(self, lane: OpenLane, held: Held, sleep: Callable[[float], Awaitable[None]] | None = asyncio.sleep) -> None:
        self.lane = lane
        self.held = held
        self.receipt: Receipt | None = None  #: once the run has begun
        self._sleep = sleep
        self._started = time.perf_counter()
        self._began = time.time()

    def extend(self, lease: float, loop: asyncio.AbstractEventLoop | None) -> bool:
        """Let the lease end in so many seconds, from another thread than that of the ``loop``."""
        if self._in_transaction:
            return True  # which keeps the entry for as long as its connection lives
        held = self.held
        extended = self.lane.call_from_thread(
            lambda inbox: inbox.extend(held.key, token=held.token, lease=lease), loop, lease / 3
        )
        # The transaction may have begun meanwhile, and ended too.
        return bool(extended) or self._in_transaction or self._is_committed

    def report_overrun(self, besides: str = "") -> None:
        """Log that the handler has run too long."""
        ends = "its lease is not extended any more, another worker will run the event again"
        if self._in_transaction:
            ends = "no other worker can run the event until its transaction ends"
        _log.error("the handler of entry %s has run for longer than longest_run: %s%s", self.held.key, ends, besides)

    @property
    def _in_transaction(self) -> bool:
        """Whether the handler runs in the entry's own transaction: it has begun, and has not ended."""
        receipt = self.receipt
        return receipt is not None and receipt.transaction is not None and receipt.transaction.begun and receipt.ran is None

    @property
    def _is_committed(self) -> bool:
        """Whether that transaction has completed the entry."""
        return self.receipt is not None and self.receipt.ran is not None and self.receipt.ran.committed

    def begin(self) -> tuple[Receipt, Call]:
        """Return the receipt for the guarded view, and the call that brings it there. Raises UnreadableEntry."""
        held = self.held
        head, event = brought_back(held, self.lane.endpoint.preset)
        self.receipt = receipt = receipt_for(held, event, self._started)
        return receipt, Call(
            head.method,
            head.target,
            head.host,
            Headers(head.headers),
            held.kept.body,
            scheme=head.scheme,
            remote=head.remote,
            root=head.root if self.lane.keeps_root else "",
            extra={WORKER: receipt},
        )

    async def through(self, call: Callable[[Call], Awaitable[Answer]], let_go: Callable[[], float]) -> Outcome:
        """Call the application, or ship, and settle the entry. ``let_go`` stops extending its lease, and returns its rest."""
        try:
            receipt, request = self.begin()
        except UnreadableEntry as error:
            return await self.unreadable(error, let_go())
        shipping = self.lane.shipping
        try:
            if shipping is not None:
                shipped = await shipping.ship(receipt.event, self.held)
                return await self._write(decide_shipped(self.held, shipped, self.lane.settings.schedule), receipt, let_go())
            answer = await call(request)
        except asyncio.CancelledError:
            return self.abandoned(receipt, "the worker was stopped while the handler ran")
        return await self.end(receipt, answer, let_go())

    async def end(self, receipt: Receipt, answer: Answer, lasts: float) -> Outcome:
        """Decide, write the verdict within ``lasts`` seconds, and report the outcome."""
        verdict = decide(self.held, receipt.ran, answer, self.lane.settings.schedule, time.time())
        if receipt.transaction is not None and receipt.ran is not None:
            if receipt.ran.committed:
                return self._report("handled", receipt, verdict)
            if isinstance(receipt.ran.error, LeaseLost):
                return self._report("lease_lost", receipt, verdict)
        return await self._write(verdict, receipt, lasts)

    async def unreadable(self, error: UnreadableEntry, lasts: float) -> Outcome:
        """Release an entry that this version of hookguard cannot read: another worker may."""
        after = self.lane.settings.schedule.wait(self.held.tried)
        return await self._write(Verdict("release", None, after, "unreadable", str(error)), None, lasts)

    def died(self) -> Outcome:
        """Report an entry that is dead, because worker after worker died with it."""
        reason = f"its worker died {self.held.crashes} times"
        return self._report("dead", None, Verdict("give_up", reason_code="worker_died", reason=reason))

    def abandoned(self, receipt: Receipt, why: str) -> Outcome:
        """Report an entry that is left to its lease."""
        return self._report("abandoned", receipt, Verdict("release", reason_code="stopped", reason=why))

    async def _write(self, verdict: Verdict, receipt: Receipt | None, lasts: float) -> Outcome:
        held = self.held
        try:
            written = await self._retry(lambda inbox: _operate(inbox, held, verdict, self.lane), lasts)
        except StoreError as error:
            again = "it was handled, and may run once more" if verdict.operation == "complete" else "it runs again"
            reason = f"{error}; the entry is left to its lease: {again}"
            return self._report("unavailable", receipt, verdict._replace(reason_code="store_unavailable", reason=reason))
        if not written and await self._was_committed(receipt, lasts):
            return self._report("handled", receipt, Verdict("complete", verdict.status))
        if not written:
            reason = "the lease was over before the run was, and the entry may run again: see longest_run"
            return self._report("lease_lost", receipt, verdict._replace(reason_code="lease_lost", reason=reason))
        if verdict.operation == "complete":
            return self._report("ignored" if verdict.ignored else "handled", receipt, verdict)
        if verdict.operation == "give_up":
            return self._report("dead", receipt, verdict)
        if self.lane.settings.schedule.used_up(held.tried):
            tries = "1 try" if held.tried == 1 else f"{held.tried} tries"
            return self._report("dead", receipt, verdict._replace(reason=f"{verdict.reason}; given up after {tries}"))
        again = f"{verdict.reason}; due again in {_in_words(verdict.after)}"
        return self._report("failed", receipt, verdict._replace(reason=again))

    async def _was_committed(self, receipt: Receipt | None, lasts: float) -> bool:
        """Whether the handler's transaction was committed, although the answer of its commit got lost."""
        if receipt is None or receipt.transaction is None:
            return False
        key, token = self.held.key, self.held.token
        try:
            return await self._retry(lambda inbox: cast("bool", inbox.committed(key, token=token)), lasts)
        except StoreError:
            return False  # it is reported as lost, and an entry that is done does not run again

    async def _retry(self, operation: Callable[[Any], Union[bool, Awaitable[bool]]], lasts: float) -> bool:
        """Try to write with the same token until the lease ends. Raises the last StoreError."""
        until, pause = time.monotonic() + lasts, SOON
        while True:
            try:
                return await self.lane.call(operation)
            except StoreError:
                if self._sleep is None or time.monotonic() + pause > until:
                    raise
            await self._sleep(pause)
            pause = min(2 * pause, LATER)

    def _report(self, name: OutcomeName, receipt: Receipt | None, verdict: Verdict) -> Outcome:
        """Log the outcome and pass it to the endpoint's observers."""
        held, endpoint, kept = self.held, self.lane.endpoint, self.held.kept
        event = None if receipt is None else receipt.event
        outcome = Outcome(
            endpoint=endpoint.name,
            provider=endpoint.preset.name,
            outcome=name,
            status=verdict.status,
            reason_code=verdict.reason_code,
            reason=verdict.reason,
            event_id=_id_of(event) or kept.key.id,
            event_type=kept.event_type,
            tenant="" if event is None else event.tenant or "",
            secret="" if event is None else event.secret,
            attempt=held.attempt,
            duration=time.perf_counter() - self._started,
            part=held.lane.part,
            lag=max(0.0, self._began - held.received_at) if held.attempt == 1 else None,
            due_again=verdict.after if name == "failed" else None,
            by_worker=True,
            size=len(held.kept.body),
            traceparent="" if event is None else read_traceparent(event.headers),
        )
        with self.lane.around():
            report(outcome, endpoint.observers)
        return outcome


def _operate(inbox: Any, held: Held, verdict: Verdict, lane: OpenLane) -> Union[bool, Awaitable[bool]]:
    """Write the verdict."""
    settings = lane.settings
    if verdict.operation == "complete":
        return cast("bool", inbox.complete(held.key, token=held.token, settings=settings))
    reason = f"{verdict.reason_code}: {verdict.reason}"
    if verdict.operation == "give_up":
        return cast("bool", inbox.give_up(held.key, token=held.token, reason=reason, settings=settings))
    return cast("bool", inbox.release(held.key, token=held.token, after=verdict.after, reason=reason, settings=settings))


def _id_of(event: Event | None) -> str:
    """Return the event's id; empty if its body is malformed, which the handler found too."""
    if event is None:
        return ""
    try:
        return event.id
    except Rejected:
        return ""


def _in_words(seconds: float) -> str:
    """Return a duration for people."""
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
