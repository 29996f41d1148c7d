"""Checks whether a store is fit for use, before a guard relies on it."""

from __future__ import annotations

import inspect
import logging
import math
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final
from weakref import WeakKeyDictionary

from hookguard.errors import MissingTable, StoreMisconfigured, StoreUnavailable
from hookguard.store import AsyncStore, Capabilities, Checked, Claim, ClaimStatus, StoreKey
from hookguard.stores.creation import NotYetCreated
from hookguard.stores.statements import Statements, Steps

__all__ = [
    "Problem",
    "ReadOnlyServer",
    "check_before_use",
    "check_claims",
    "check_clock",
    "check_database_server",
    "check_event",
    "check_fitness",
    "describe",
]

_log = logging.getLogger("hookguard.store")

#: How many workers claim the same event concurrently in :func:`check_claims`.
CLAIMS: Final = 8

#: Seconds before a store that did not answer is checked again. Otherwise each delivery would wait for it twice.
PAUSE: Final = 10.0

#: Seconds between two clocks that deserve a remark.
OFFSET: Final = 1.0

#: How many expired events, and how many events in all, deserve a remark.
EXPIRED: Final = 10_000
MANY: Final = 10_000_000

#: Until when a store need not be checked again, by time.monotonic().
_checked: WeakKeyDictionary[Any, float] = WeakKeyDictionary()


class Problem(str):
    """A sentence of a store's check, with the id of the doctor's check that reports it."""

    __slots__ = ("check",)

    check: str

    def __new__(cls, sentence: str, check: str) -> Problem:
        """Return the sentence."""
        problem = super().__new__(cls, sentence)
        problem.check = check
        return problem


class ReadOnlyServer(StoreUnavailable):
    """The server reports that it accepts no writes."""


def describe(capabilities: Capabilities) -> str:
    """Return a store's capabilities in words."""
    return ", ".join(
        (
            "outlives the process" if capabilities.durable else "forgets at a restart",
            "shared by processes" if capabilities.shared else "one process alone",
            "claims in the handler's own transaction" if capabilities.transactional else "claims by leases",
            f"the {'server' if capabilities.clock == 'server' else 'host'}'s clock",
            "may forget early" if capabilities.may_forget else "never forgets early",
        )
    )


async def check_fitness(store: Any) -> list[str]:
    """Return the problems that a store, blocking or asynchronous, finds in its own check.

    Raises StoreUnavailable if the store cannot be reached, and StoreMisconfigured if it must not be used as it is.
    """
    if not isinstance(store, Checked):
        return []
    problems = store.check()
    return await problems if inspect.isawaitable(problems) else problems


async def check_before_use(store: Any, awaited: AsyncStore) -> bool:
    """Check a store before this process relies on it, and log the problems. Returns whether the check is done.

    A store that cannot be reached is logged. It may be up by the next delivery, so it is checked again then, but not sooner
    than :data:`PAUSE` seconds later. The same holds for a missing table: a migration may create it while the application
    runs. StoreMisconfigured is raised every time.
    """
    now = time.monotonic()
    with suppress(TypeError):  # a store without weak references or a hash is checked by each guard
        if (until := _checked.get(store)) is not None and now < until:
            return until == math.inf
        # Deliveries that arrive meanwhile go on, so that a burst of them does not check a hundred times.
        _checked[store] = now + PAUSE
    try:
        problems = await check_fitness(awaited)
    except StoreUnavailable as unavailable:
        if isinstance(unavailable, NotYetCreated):
            pass  # the doctor reports it
        elif isinstance(unavailable, MissingTable):
            _log.warning("%r has no table, so deliveries get 503 until it is there: %s", store, unavailable)
        else:
            _log.warning("%r does not answer, so deliveries get 503 until it does: %s", store, unavailable)
        return False
    except BaseException:
        with suppress(TypeError):
            _checked.pop(store, None)
        raise
    with suppress(TypeError):
        _checked[store] = math.inf
    _log.info("%r: %s", store, describe(store.capabilities))
    for problem in problems:
        _log.warning("%r: %s", store, problem)
    return True


def check_event() -> tuple[StoreKey, bytes]:
    """Return the key and token of a new event, for a check. No provider sends an event with this key."""
    return StoreKey("hookguard/check", secrets.token_hex(16)), secrets.token_bytes(16)


def check_clock(server: str, offset: float) -> list[str]:
    """Return a remark if the clock of ``server`` is ``offset`` seconds ahead of this process's clock (or behind, if negative)."""
    if abs(offset) < OFFSET:
        return []
    direction = "ahead of" if offset > 0 else "behind"
    remark = (
        f"{server}'s clock is {abs(offset):.1f} s {direction} this process's: leases use the former, the timestamps of deliveries"
        " the latter; synchronise both"
    )
    return [Problem(remark, "T1")]


async def check_claims(store: AsyncStore) -> None:
    """Claim one event many times concurrently, complete it, and forget it. Raises StoreMisconfigured for a wrong answer."""
    import asyncio  # noqa: PLC0415 - a synchronous application never needs it

    key, _ = check_event()
    tokens = [secrets.token_bytes(16) for _ in range(CLAIMS)]

    async def claim(token: bytes) -> Claim:
        return await store.claim(key, token=token, fingerprint=b"\0" * 32, lease=60.0, retention=60.0)

    try:
        # A transaction belongs to the thread or task that began it, and its claims are hidden until it ends.
        claimants = tokens[:1] if store.capabilities.transactional else tokens
        answers = await asyncio.gather(*(claim(token) for token in claimants))
        winners = [token for token, answer in zip(claimants, answers, strict=True) if answer.status == ClaimStatus.ACQUIRED]
        if len(winners) != 1:
            raise StoreMisconfigured(
                f"{len(claimants)} workers claimed one event concurrently and {len(winners)} got it: exactly one must get it"
            )
        if not await store.complete(key, token=winners[0], retention=60.0):
            raise StoreMisconfigured("the store does not let the holder of a claim complete it")
        if (again := (await claim(tokens[-1])).status) != ClaimStatus.DONE:
            raise StoreMisconfigured(f"a completed event was claimed again and the answer was {again.name}: it must be DONE")
    finally:
        await store.forget(key)


def check_database_server(run: Callable[[Steps], Any], steps: Statements, *, purge: str) -> list[str]:
    """Check a database server and its table of events, and return remarks. Leaves no event behind.

    ``run`` executes the steps. ``purge`` names the way to delete a backlog. Raises ReadOnlyServer while the server is
    read-only, which a failover may end. Raises StoreMisconfigured if the table breaks the store contract.
    """
    before = time.time()
    now, events, expired, writable = run(steps.state(EXPIRED))
    if not writable:
        raise ReadOnlyServer(
            f"this {steps.database} server is read-only, perhaps a replica or a demoted primary: claims need the primary server"
        )
    offset = now - (before + time.time()) / 2
    _check_steps(run, steps)
    remarks = check_clock("the database", offset)
    if expired >= EXPIRED:
        remarks.append(Problem(f"at least {expired} expired events wait to be deleted: {purge}", "M8"))
    if events >= MANY:
        upkeep = f"the table {steps.table!r} holds about {events} events: see the page on SQL stores for its upkeep"
        remarks.append(Problem(upkeep, "M8"))
    return remarks


def _check_steps(run: Callable[[Steps], Any], steps: Statements) -> None:
    key, mine = check_event()
    other = secrets.token_bytes(16)
    answers = [run(steps.claim(key, token, b"\0" * 32, 60.0, 60.0)).status for token in (mine, other)]
    done = run(steps.complete(key, mine, 60.0, None))
    answers.append(run(steps.claim(key, other, b"\0" * 32, 60.0, 60.0)).status)
    forgotten = run(steps.forget(key))
    if answers != [ClaimStatus.ACQUIRED, ClaimStatus.IN_PROGRESS, ClaimStatus.DONE] or not (done and forgotten):
        raise StoreMisconfigured(
            f"three claims of one event in {steps.table!r} got {', '.join(status.name for status in answers)}, and must get"
            " ACQUIRED, IN_PROGRESS, DONE: check the table for a trigger or a rule"
        )
