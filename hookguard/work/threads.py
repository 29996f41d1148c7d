"""Threads of a worker: one for each call that runs, used again by later calls."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

__all__ = ["Threads"]

T = TypeVar("T")


class Threads:
    """Runs each call in a daemon thread, so that a handler that hangs does not keep the process from ending.

    There are as many threads as calls that ran concurrently. ``make`` starts one: ``make(run, name)``.
    """

    def __init__(self, make: Callable[[Callable[[], None], str], threading.Thread], name: str) -> None:
        self._make = make
        self._name = name
        self._calls: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0  # threads that wait, less the calls that will wake one

    async def run(self, call: Callable[[], T]) -> T:
        """Run a call in a thread, and await its result."""
        future: Future[T] = Future()
        with self._lock:
            starts = self._idle == 0
            if not starts:
                self._idle -= 1
        self._calls.put((future, call))
        if starts:
            self._make(self._work, self._name).start()
        return await asyncio.wrap_future(future)

    def _work(self) -> None:
        while True:
            future, call = self._calls.get()
            if future.set_running_or_notify_cancel():
                result, error = None, None
                try:
                    result = call()
                except BaseException as raised:
                    error = raised
                self._free()  # before the caller learns of the result: its next call finds this thread
                if error is None:
                    future.set_result(result)
                else:
                    future.set_exception(error)
                del result, error
            else:
                self._free()
            del future, call  # a result may be large, and the next call may be long in coming

    def _free(self) -> None:
        with self._lock:
            self._idle += 1
