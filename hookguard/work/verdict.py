"""Decide how an entry goes on after its run, from the answers of the guarded view and of the whole application. No I/O."""

from __future__ import annotations

from typing import Literal, NamedTuple

from hookguard.errors import GiveUp, LeaseLost, StoreMisconfigured, StoreUnavailable, TransactionFailed
from hookguard.guard.receipt import Ran
from hookguard.inbox.contract import Held
from hookguard.inbox.schedule import MalformedRetryAfter, Schedule, read_retry_after
from hookguard.privacy.shown import printable
from hookguard.relay.shipping import Shipped
from hookguard.work.calling import Answer

__all__ = ["Verdict", "decide", "decide_shipped"]

#: Longest reason that is stored, in characters.
MAX_REASON = 300


class Verdict(NamedTuple):
    """The inbox's operation, and the facts that are stored and logged."""

    operation: Literal["complete", "release", "give_up"]
    status: int | None = None
    after: float = 0.0  #: seconds until the entry is due again
    reason_code: str = ""
    reason: str = ""
    ignored: bool = False  #: whether it is complete because no target takes it


def decide(held: Held, ran: Ran | None, answer: Answer, schedule: Schedule, now: float) -> Verdict:
    """Return the verdict. ``ran`` is the guarded view's end, None if no guarded view took the event. ``now`` is since 1970.

    A 2xx of the view completes the entry, whatever the framework raises afterwards: in direct mode the provider would have heard
    of success by then.
    """
    if ran is not None and ran.well:
        return Verdict("complete", ran.status)
    raised = (ran.error if ran is not None else None) or answer.error
    status = answer.status if ran is None or ran.status is None else ran.status
    if ran is not None and isinstance(raised, GiveUp):
        # A framework may have answered 500 to it, and raised it all the same.
        return Verdict("give_up", status, reason_code="gave_up", reason=_described(raised))
    if ran is None:
        code = "not_settled"
        reason = f"no guarded view took the event: the application answered {answer.status or 'nothing'}"
        if raised is not None:
            reason = f"{reason} and raised {_described(raised)}"
    elif isinstance(raised, (StoreUnavailable, StoreMisconfigured, TransactionFailed, LeaseLost)):
        # The run's own transaction. A Retry-After is ours then, and not the handler's.
        return Verdict("release", status, schedule.wait(held.tried), raised.code, printable(str(raised))[:MAX_REASON])
    elif raised is not None:
        code, reason = "handler_raised", _described(raised)
    elif status is None:
        code, reason = "not_answered", "the handler did not answer"
    else:
        code, reason = "handler_status", f"the handler answered {status}"
    return Verdict("release", status, _wait(held, answer, schedule, now), code, reason)


def decide_shipped(held: Held, shipped: Shipped, schedule: Schedule) -> Verdict:
    """Return the verdict on an entry that a relay has shipped. It is due not before the time that its target asked for."""
    status, code, reason = shipped.status, shipped.reason_code, shipped.reason
    if shipped.result in ("sent", "ignored"):
        return Verdict("complete", status, reason_code=code, reason=reason, ignored=shipped.result == "ignored")
    if shipped.result == "dead":
        return Verdict("give_up", status, reason_code=code, reason=reason)
    return Verdict("release", status, max(schedule.wait(held.tried), shipped.not_before), code, reason)


def _wait(held: Held, answer: Answer, schedule: Schedule, now: float) -> float:
    """Return the seconds until the next attempt: by the handler's Retry-After, or by the schedule."""
    told = answer.headers.all("retry-after")
    if len(told) == 1 and not isinstance(found := read_retry_after(told[0]), MalformedRetryAfter):
        return schedule.wait_as_told(found, now)
    return schedule.wait(held.tried)


def _described(error: BaseException) -> str:
    """Return an exception's class and the first line of its text."""
    first = next(iter(str(error).splitlines()), "")
    name = type(error).__name__
    return printable(f"{name}: {first}" if first else name)[:MAX_REASON]
