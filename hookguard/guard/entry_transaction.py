"""A worker's run in transactional mode: the handler's writes and the entry's completion are one commit."""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Final, Union, cast

from hookguard.endpoint import Endpoint
from hookguard.errors import HookguardError, LeaseLost, StoreError, TransactionFailed
from hookguard.guard.inbox_flow import inbox_of
from hookguard.guard.receipt import Ran, Receipt
from hookguard.guard.replies import reply_to_error
from hookguard.inbox.contract import Held
from hookguard.inbox.settings import InboxSettings
from hookguard.inbox.transactional import Transactional
from hookguard.reply import Reply
from hookguard.store import AsyncStore, Store

__all__ = ["EntryTransaction", "begin_entry"]

#: Seconds that a worker has for the release of an entry after the rollback.
SETTLING: Final = 30.0


async def begin_entry(receipt: Receipt, endpoint: Endpoint, store: Store | AsyncStore) -> Receipt:
    """Begin the transaction of a run; return the receipt, or one with a reply if the entry must not run."""
    inbox, held = inbox_of(endpoint, store), cast("Held", receipt.held)
    if not isinstance(inbox, Transactional):
        return receipt
    receipt.transaction = transaction = EntryTransaction(inbox, endpoint.inbox or InboxSettings())
    try:
        if await _done(inbox.begin(held.key, token=held.token)):
            # From here on the worker extends the lease no more: the transaction keeps the entry, and the extension would wait
            # for it. Before, it does: the transaction may have to wait for a connection.
            transaction.begun = True
            return receipt
        error: HookguardError = LeaseLost("the lease was over before the run began, and another worker has the entry")
    except HookguardError as failure:
        error = failure
    receipt.ran = Ran(None, error)
    return Receipt(receipt.started, reply=reply_to_error(error) or Reply.problem(503), error=error)


class EntryTransaction:
    """The transaction of one run."""

    __slots__ = ("_inbox", "_settings", "begun")

    def __init__(self, inbox: Transactional, settings: InboxSettings) -> None:
        self._inbox = inbox
        self._settings = settings
        self.begun = False

    async def end(self, receipt: Receipt, status: int | None, error: BaseException | None) -> Reply | None:
        """Commit what ran well, and roll back what did not; return the reply to send in place of the handler's own, if any."""
        held = cast("Held", receipt.held)
        ran = Ran(status, error)
        if ran.well:
            try:
                if await _done(self._inbox.commit(held.key, token=held.token, settings=self._settings)):
                    ran = Ran(status, committed=True)
                else:
                    ran = Ran(status, LeaseLost("the handler's transaction is not known here, and nothing was committed"))
            except (StoreError, TransactionFailed) as failure:
                ran = Ran(status, failure)
        else:
            with suppress(StoreError):  # its connection is given up, and the server rolls back
                await _done(self._inbox.roll_back(held.key, token=held.token))
                # The lease may be over, and nothing locks the entry now: until it is released, it must not count as a crash.
                await _done(cast("Any", self._inbox).extend(held.key, token=held.token, lease=SETTLING))
        receipt.ran = ran
        return reply_to_error(ran.error) if isinstance(ran.error, HookguardError) else None


async def _done(answer: Union[bool, Awaitable[bool]]) -> bool:
    """Return the answer of a blocking inbox, or await that of an asynchronous one."""
    return answer if isinstance(answer, bool) else await answer
