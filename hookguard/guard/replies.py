"""The reply to the sender: for a claim that was not acquired, for an error, and for a handler's result."""

from __future__ import annotations

import inspect
import logging
import math
from typing import Final, Union

from hookguard.errors import (
    HookguardError,
    LeaseLost,
    MethodNotAllowed,
    Overloaded,
    Rejected,
    StoreError,
    TransactionFailed,
    VerificationUnavailable,
)
from hookguard.reply import Reply
from hookguard.store import Claim, ClaimStatus

__all__ = [
    "DUPLICATE",
    "Handled",
    "as_duplicate",
    "reply_in_progress",
    "reply_to_claim",
    "reply_to_error",
    "reply_to_handled",
]

_log = logging.getLogger("hookguard")

#: The result of a handler without a framework: a reply, a status, or None for 200.
Handled = Union[Reply, int, None]

#: The Retry-After in seconds when the store is down, and when the concurrency limit is reached.
STORE_DOWN: Final = 30
BUSY: Final = 1

#: The header of the reply to an event that came before.
DUPLICATE: Final = ("Hookguard-Duplicate", "1")


def reply_to_claim(claim: Claim, acknowledgement: Reply | None = None) -> Reply | None:
    """Return the reply for a claim that was not acquired; None for an event that must run."""
    if claim.status == ClaimStatus.ACQUIRED:
        return None
    if claim.status == ClaimStatus.DONE:
        # 200, because one provider (Mailgun) accepts no other status as success.
        first = acknowledgement or Reply(200)
        if acknowledgement is None and claim.reply is not None:
            try:
                first = Reply.from_bytes(claim.reply)
            except ValueError as error:
                _log.warning("a duplicate gets a plain 200: %s", error)
        return as_duplicate(first)
    return reply_in_progress(claim.retry_after)


def as_duplicate(first: Reply) -> Reply:
    """Return the first delivery's reply as that to a duplicate."""
    return first._replace(headers=(*first.headers, DUPLICATE))


def reply_in_progress(lasts: float) -> Reply:
    """Return the reply while a handler runs the event, for ``lasts`` seconds more at most."""
    # 2xx would acknowledge work that may still fail, and several providers take 4xx as final.
    return Reply.problem(503, ("Retry-After", str(min(max(math.ceil(lasts), 1), 60))))


def reply_to_error(error: HookguardError, methods: frozenset[str] = frozenset()) -> Reply | None:
    """Return the reply for one of our own errors; None for an error that is not about the delivery."""
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


def reply_to_handled(handled: Handled) -> Reply:
    """Return the reply for a handler's return value; TypeError unless that is None, a status or a Reply."""
    if handled is None:
        return Reply(200)
    if isinstance(handled, Reply):
        return handled
    if isinstance(handled, int) and not isinstance(handled, bool):
        return Reply(handled)
    if inspect.iscoroutine(handled):
        handled.close()
        raise TypeError("the handler is a coroutine function: use AsyncGuard")
    raise TypeError(f"the handler returned {type(handled).__name__}: return None, a status or a Reply")
