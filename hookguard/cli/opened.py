"""Opens what a command reads of a store, and closes the store. The awaited calls of an inbox run on one event loop."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hookguard.cli.store import evidence_of, inbox_of
from hookguard.evidence.contract import Evidence

__all__ = ["opened_evidence", "opened_inbox"]


class _OnOneLoop:
    """An awaited inbox whose calls return when they are done."""

    def __init__(self, inbox: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._inbox = inbox
        self._loop = loop

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._inbox, name)
        return lambda *given, **named: self._loop.run_until_complete(call(*given, **named))


@contextmanager
def opened_inbox(store: Any) -> Iterator[Any]:
    """Yield a store's inbox with calls that block. Raises ConfigurationError if the store has none.

    All calls of an awaited inbox run on one loop: the connections in its pool belong to the loop that opened them. They are
    closed before the loop is.
    """
    inbox: Any = inbox_of(store)
    close: Callable[[], Any] = getattr(store, "close", lambda: None)
    if not inspect.iscoroutinefunction(inbox.take):
        try:
            yield inbox
        finally:
            close()
        return
    loop = asyncio.new_event_loop()
    try:
        yield _OnOneLoop(inbox, loop)
    finally:
        loop.run_until_complete(close())
        loop.close()


@contextmanager
def opened_evidence(store: Any) -> Iterator[Evidence]:
    """Yield a store's records of deliveries, whose calls always block. Raises ConfigurationError if the store keeps none."""
    try:
        yield evidence_of(store)
    finally:
        if not inspect.iscoroutinefunction(store.claim):  # the records of an awaited store have connections of their own
            getattr(store, "close", lambda: None)()
