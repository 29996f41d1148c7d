"""Replay a recorded delivery: an application handles a verified event once more, whose body was kept.

The event is claimed as a delivery is, so an event that was handled does not run again unless its claim is forgotten first.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from os import urandom
from typing import Any

from hookguard.endpoint import Endpoint
from hookguard.errors import ConfigurationError
from hookguard.event import Event
from hookguard.evidence.contract import DeliveryRecord, KeptBody
from hookguard.guard.bridge import ThreadRunner
from hookguard.guard.heartbeat import Heartbeat, TaskHeartbeat, ThreadHeartbeat
from hookguard.inbox.contract import Held, Kept, Lane
from hookguard.inbox.kept import event_again
from hookguard.outcome import Outcome, OutcomeName, report
from hookguard.store import ClaimStatus, StoreKey
from hookguard.work.calling import Answer, Call
from hookguard.work.lanes import OpenLane
from hookguard.work.run import Run
from hookguard.work.verdict import Verdict, decide

__all__ = ["check_replay", "replay"]


def check_replay(record: DeliveryRecord, kept: KeptBody | None, lane: OpenLane, store: Any, rerun: str) -> KeptBody:
    """Return the body to replay. Raises ConfigurationError for a delivery that cannot be replayed.

    ``rerun`` is the command that makes an entry of an inbox due again.
    """
    endpoint, mark = lane.endpoint, record.mark
    if record.outcome in ("rejected", "challenge"):
        raise ConfigurationError(f"the delivery {mark} is not a verified event ({record.outcome}): only those can be replayed")
    if kept is None:
        raise ConfigurationError(f"no body is kept of the delivery {mark}: set keep_body in evidence of {endpoint.name!r}")
    if not kept.head:
        raise ConfigurationError(f"the delivery {mark} was not verified, or came encrypted: it cannot be replayed")
    if record.provider != endpoint.preset.name:
        raise ConfigurationError(
            f"the delivery {mark} is of {record.provider}, and {endpoint.name!r} is of {endpoint.preset.name}"
        )
    if endpoint.inbox is not None:
        raise ConfigurationError(f"endpoint {endpoint.name!r} has an inbox: rerun the entry with `{rerun}`")
    if store.capabilities.transactional:
        raise ConfigurationError(f"{store!r} is transactional, and a replay cannot be a part of its transaction: ask for a retry")
    return kept


async def replay(
    record: DeliveryRecord,
    kept: KeptBody,
    lane: OpenLane,
    store: Any,
    call: Callable[[Call], Awaitable[Answer]],
    in_thread: ThreadRunner,
    *,
    forget: bool = False,
) -> Outcome:
    """Claim the event, call the application, and complete or release the claim; return the reported outcome.

    ``in_thread`` runs the calls of a blocking store. ``forget`` forgets the claim of an event that was handled. Nothing runs if
    the event was handled, or is being handled. The outcome is "duplicate" or "in_progress" then.
    """
    endpoint, started = lane.endpoint, time.perf_counter()
    event, held = _held(record, kept, lane)
    key = endpoint.key(event)

    async def ask(operation: Callable[[], Any]) -> Any:
        return await (operation() if inspect.iscoroutinefunction(store.claim) else in_thread(operation))

    def take() -> Any:
        return store.claim(
            key,
            token=held.token,
            fingerprint=event.fingerprint(),
            lease=endpoint.lease,
            retention=endpoint.retention,
        )

    claim = await ask(take)
    if forget and claim.status == ClaimStatus.DONE:
        # Only then: to forget the claim of a handler that runs now would let a second one run beside it.
        await ask(lambda: store.forget(key))
        claim = await ask(take)
    if claim.status != ClaimStatus.ACQUIRED:
        done = claim.status == ClaimStatus.DONE
        reason = "it was handled before" if done else "it is being handled"
        return _report(
            lane, event, "duplicate" if done else "in_progress", Verdict("release", reason=reason), claim.attempt, started
        )
    held = held._replace(attempt=claim.attempt, kept=held.kept._replace(key=key))
    run = Run(lane, held)
    receipt, request = run.begin()
    with _extending(endpoint, store, key, held.token):
        answer = await call(request)
    verdict = decide(held, receipt.ran, answer, lane.settings.schedule, time.time())
    outcome: OutcomeName = "failed"
    if verdict.operation != "complete":
        await ask(lambda: store.release(key, token=held.token))
    elif await ask(lambda: store.complete(key, token=held.token, retention=endpoint.retention, reply=None)):
        outcome = "handled"
    else:
        outcome, verdict = "lease_lost", verdict._replace(reason="the handler ran longer than its lease, and may run again")
    return _report(lane, receipt.event, outcome, verdict, claim.attempt, started)


@contextmanager
def _extending(endpoint: Endpoint, store: Any, key: StoreKey, token: bytes) -> Iterator[None]:
    """Extend the claim while the handler runs, if the endpoint asks for that."""
    if not endpoint.heartbeat:
        yield
        return
    kind = TaskHeartbeat if inspect.iscoroutinefunction(store.extend) else ThreadHeartbeat
    beats: Heartbeat = kind(store.extend, endpoint.lease)
    beats.start(key, token)
    try:
        yield
    finally:
        beats.stop(token)


def _held(record: DeliveryRecord, kept: KeptBody, lane: OpenLane) -> tuple[Event, Held]:
    """Return the event and the entry that a worker would hold. Raises UnreadableEntry."""
    entry = Kept(
        key=StoreKey(lane.endpoint.scope, ""),
        endpoint=lane.endpoint.name,
        event_type=record.event_type,
        head=kept.head,
        body=kept.body,
    )
    held = Held(
        key=record.delivery,
        lane=Lane(lane.endpoint.name),
        token=urandom(16),
        attempt=1,
        crashes=0,
        received_at=record.at,
        kept=entry,
    )
    return event_again(held, lane.endpoint.preset), held


def _report(lane: OpenLane, event: Event, name: OutcomeName, verdict: Verdict, attempt: int, started: float) -> Outcome:
    outcome = Outcome(
        endpoint=lane.endpoint.name,
        provider=lane.endpoint.preset.name,
        outcome=name,
        status=verdict.status,
        reason_code=verdict.reason_code,
        reason=verdict.reason,
        event_id=event.id,
        event_type=event.type,
        tenant=event.tenant or "",
        secret=event.secret,
        attempt=attempt,
        duration=time.perf_counter() - started,
    )
    with lane.around():
        report(outcome, lane.endpoint.observers)
    return outcome
