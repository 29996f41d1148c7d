"""Checks of the store and of the inbox in it. To see it answer, they claim an event of their own, and forget it."""

from __future__ import annotations

import asyncio
import inspect
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, cast

from hookguard.doctor.application import Application, Finder, remark_on
from hookguard.errors import ConfigurationError, MissingTable, StoreMisconfigured, StoreUnavailable
from hookguard.guard.bridge import BlockingStoreAdapter, call_inline, run_sync
from hookguard.guard.inbox_flow import needs_inbox
from hookguard.guard.recording import needs_evidence
from hookguard.inbox.contract import AsyncInbox, Count, EntryState, HasInbox, Inbox
from hookguard.inbox.hand_off import find_hand_off
from hookguard.inbox.overdue import WAITS, find_overdue
from hookguard.process.server import declared_workers
from hookguard.remarks import Remark
from hookguard.store import AsyncStore, Store
from hookguard.stores.creation import NotYetCreated, creating_nothing
from hookguard.stores.fitness import Problem, check_claims, check_fitness, describe

__all__ = ["STORE_FINDERS"]


def _guarantees(application: Application) -> Iterator[Remark]:
    if application.store is not None and application.every_endpoint():
        said = describe(application.store.capabilities)
        yield Remark("M0", f"webhooks are claimed in {application.store!r}: {said}")


def _kept(application: Application) -> Iterator[Remark]:
    store = application.store
    if store is None or not application.every_endpoint():
        return
    if not store.capabilities.durable:
        yield Remark(
            "M4",
            "webhook claims are kept in memory: a restart forgets them"
            + ("" if store.capabilities.shared else ", and each process has its own"),
        )
    if not store.capabilities.shared and (workers := declared_workers()) > 1:
        yield Remark("M5", f"{store!r} belongs to one process, and the server runs {workers}: each of them would run an event")


def _fits(application: Application) -> Iterator[Remark]:
    for endpoint in application.every_endpoint():
        try:
            if application.store is not None:
                needs_inbox(endpoint, application.store)
                needs_evidence(endpoint, application.store)
            if endpoint.inbox is not None and endpoint.inbox.hand_off is not None:
                find_hand_off(endpoint.inbox.hand_off)
        except ConfigurationError as error:
            yield remark_on(error)


def _answers(application: Application) -> list[Remark]:
    """Ask the store and its inbox, on an event loop of its own if the store is asynchronous."""
    store = application.store
    if store is None or not application.every_endpoint():
        return []
    with application.around(), creating_nothing():
        if inspect.iscoroutinefunction(store.claim):
            return asyncio.run(_ask(application, cast("AsyncStore", store)))
        run = asyncio.to_thread if application.ends else call_inline
        asked = _ask(application, BlockingStoreAdapter(cast("Store", store), run))
        # A thread that goes on would keep its connection, such as Django's: so they are used only before the process ends.
        return asyncio.run(asked) if application.ends else run_sync(asked)


async def _ask(application: Application, store: AsyncStore) -> list[Remark]:
    found: list[Remark] = []
    try:
        try:
            inbox = _inbox_of(application)  # first, so that the store's check covers it
            found += [_remark_on(application, problem) for problem in await check_fitness(store)]
            if application.ends and not store.capabilities.transactional:
                await check_claims(store)
            if inbox is not None:
                found += await _ask_inbox(application, inbox)
        except NotYetCreated as missing:
            later = f"{application.store!r}: {missing}, which the application creates when it starts"
            found.append(Remark("M2", later, level="info"))
        except MissingTable as missing:
            found.append(Remark("M2", f"{application.store!r}: {missing}", application.migration))
        except (StoreUnavailable, OSError) as error:
            found.append(Remark("M1", f"{application.store!r} does not answer: {error}"))
        except StoreMisconfigured as error:
            found.append(remark_on(error, "M3")._replace(sentence=f"{application.store!r}: {error}"))
    finally:
        if application.ends:
            closing = getattr(application.store, "close", lambda: None)()
            if inspect.isawaitable(closing):
                await closing
    return found


def _remark_on(application: Application, problem: str) -> Remark:
    check = problem.check if isinstance(problem, Problem) else "M3"
    return Remark(check, f"{application.store!r}: {problem}", level="warning")


def _inbox_of(application: Application) -> Inbox | AsyncInbox | None:
    stored = any(endpoint.inbox is not None for endpoint in application.every_endpoint())
    opens = callable(getattr(application.store, "inbox", None))
    return cast("HasInbox", application.store).inbox() if stored and opens else None


async def _ask_inbox(application: Application, inbox: Inbox | AsyncInbox) -> list[Remark]:
    counted = inbox.counts()
    counts: Sequence[Count] = await counted if inspect.isawaitable(counted) else counted
    stored = [endpoint for endpoint in application.every_endpoint() if endpoint.inbox is not None]
    found = [Remark("I1", WAITS % late) for each in stored if (late := find_overdue(each.name, inbox, counts)) is not None]
    dead: defaultdict[str, int] = defaultdict(int)
    for count in counts:
        if count.state is EntryState.DEAD:
            dead[count.lane.endpoint] += count.number
    return found + [Remark("I2", f"{number} events of {name} are dead") for name, number in dead.items() if number]


STORE_FINDERS: Final = (
    Finder(("M0",), _guarantees),
    Finder(("M4", "M5"), _kept),
    Finder(("C1",), _fits),
    Finder(("M1", "M2", "M3", "M6", "M8", "M9", "T1", "I1", "I2"), _answers),
)
