"""A worker as a process: its event loop, its signals, and its end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TypeVar

from hookguard.work.worker import Summary, Worker

__all__ = ["leave", "work"]

T = TypeVar("T")

_log = logging.getLogger("hookguard.work")

#: Seconds that tasks of the application get to end when the worker has ended.
LAST_TASKS = 1.0

#: Seconds in which two SIGTERMs are one.
TWICE = 1.0


def work(worker: Worker) -> Summary:
    """Run a worker to its end, on an event loop of its own. Raises ConfigurationError if the application does not start.

    In the main thread, SIGTERM and SIGINT stop the worker. A second signal ends the process: its entries wait for their leases.
    A second SIGTERM within :data:`TWICE` counts as the first: ``timeout`` signals its child, and then the child's group.
    """
    with _stopped_by_signals(worker):
        return _run(worker.run())


def leave(summary: Summary) -> None:
    """End the process: with status 1 if handlers still run. Their threads would keep Python from ending."""
    if summary.left:
        _end(1)


@contextmanager
def _stopped_by_signals(worker: Worker) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, float]] = []

    def receive(number: int, _: FrameType | None) -> None:
        now = time.monotonic()
        if came and number == came[0][0] == signal.SIGTERM and now - came[0][1] < TWICE:
            return
        came.append((number, now))
        if len(came) > 1:
            _log.error("a second signal: the worker ends now, and what still runs is left to its leases")
            _end(128 + number)
        worker.stop()

    before = {number: signal.signal(number, receive) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(status: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(status)


def _run(steps: Coroutine[Any, Any, T]) -> T:
    """Run on a new event loop, like ``asyncio.run``, which a ``sys.exit()`` in a task of the application would end."""
    loop = asyncio.new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        main = loop.create_task(steps)
        while True:
            try:
                return loop.run_until_complete(main)
            except (SystemExit, KeyboardInterrupt) as error:
                if main.done():
                    raise
                _log.error("a task of the application raised %s: the worker goes on", type(error).__name__)
    finally:
        _close(loop)


def _close(loop: asyncio.AbstractEventLoop) -> None:
    try:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:  # one that does not end would hold up the process
            loop.run_until_complete(asyncio.wait(tasks, timeout=LAST_TASKS))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
