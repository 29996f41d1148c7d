"""The worker's side of a hand-off: it gives the keys of due entries to another engine, whose worker runs them.

The entry is due again in ``patience`` seconds before its key is given away: the engine may run it at the same moment, and may
also lose the key. Web processes never do this. A broker that hangs would hold them up.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from functools import partial
from typing import Any, Final

from hookguard.errors import StoreError
from hookguard.inbox.contract import Held
from hookguard.inbox.hand_off import HandOff, find_hand_off
from hookguard.process.threads import OwnThread
from hookguard.work.lanes import OpenLane
from hookguard.work.outage import Outage
from hookguard.work.threads import Threads

__all__ = ["Handing"]

_log = logging.getLogger("hookguard.work")

#: Seconds that the engine gets to take a key.
SECONDS: Final = 5.0

#: Keys that are handed off concurrently, those counted whose call hangs.
AT_ONCE: Final = 8

#: Keys that are remembered, to notice that the engine runs nothing.
REMEMBERED: Final = 10_000

#: Seconds between two lines in the log on that.
QUIET: Final = 600.0


class Handing:
    """Hands the entries of one lane off. Raises ConfigurationError for a ``hand_off`` that cannot be found or used."""

    def __init__(self, lane: OpenLane, given: HandOff | str, *, lease: float, seconds: float = SECONDS) -> None:
        self._lane = lane
        self._hand_off = find_hand_off(given)
        self._lease = lease
        self._seconds = seconds
        self._threads = Threads(OwnThread, "hookguard-hand-off")
        self._under_way = 0
        self._resumes = 0.0  # by time.monotonic(): after a failure nothing is taken until then
        name = lane.endpoint.name
        self._outage = Outage(
            f"the events of {name} stay in the inbox, because hand_off fails; the worker goes on trying: %s",
            f"the events of {name} are handed off again, after %.0f s",
        )
        self._given: dict[str, tuple[int, float]] = {}
        self._logged: float | None = None

    @property
    def room(self) -> int:
        """How many entries may be handed off now: none for a while after a failure, and none while many calls hang."""
        return 0 if time.monotonic() < self._resumes else AT_ONCE - self._under_way

    async def hand_off(self, held: Held) -> bool:
        """Give an entry's key away; return whether the engine has taken it. The entry stays in the inbox in any case."""
        patience = self._lane.settings.patience
        try:
            mine = await self._lane.call(lambda inbox: inbox.give_back(held.key, token=held.token, after=patience))
        except StoreError as error:
            _log.warning("the entry %s is not handed off yet, and is left to its lease: %s", held.key, error)
            return False
        if not mine:
            return False  # its lease was over: another worker has it
        self._miss_runs(held, patience)
        failure = await self._call(held.key)
        if failure is not None:
            await self._take_back(held, failure)
            return False
        self._outage.over()
        kept = held.kept
        _log.info(
            "%s handed off: %r %r",
            kept.endpoint,
            kept.event_type,
            kept.key.id,
            extra={"endpoint": kept.endpoint, "event_type": kept.event_type, "event_id": kept.key.id, "entry": held.key},
        )
        return True

    async def _call(self, key: str) -> BaseException | None:
        """Call ``hand_off``; return the exception that it raised, or TimeoutError."""
        self._under_way += 1
        task: asyncio.Task[BaseException | None] = asyncio.ensure_future(self._steps(key))
        task.add_done_callback(self._ended)
        done, _ = await asyncio.wait({task}, timeout=self._seconds)
        if done:
            return task.result()
        if inspect.iscoroutinefunction(self._hand_off):
            task.cancel()  # a thread cannot be cancelled: it holds its place until the call returns
        return TimeoutError(f"hand_off took longer than {self._seconds:g} s")

    async def _steps(self, key: str) -> BaseException | None:
        call = partial(_result_of, self._hand_off, key)
        result, error = call() if inspect.iscoroutinefunction(self._hand_off) else await self._threads.run(call)
        if error is None and inspect.isawaitable(result):
            try:
                await result
            except asyncio.CancelledError:
                raise
            except BaseException as raised:  # SystemExit would end the event loop
                return raised
        return error

    def _ended(self, _: asyncio.Task[Any]) -> None:
        self._under_way -= 1

    async def _take_back(self, held: Held, error: BaseException) -> None:
        """Let an entry be due soon whose key was not taken. If the engine has it all the same, it may be running it."""
        pause = self._outage.note(error)
        self._resumes = time.monotonic() + pause
        self._given.pop(held.key, None)
        try:
            again: Held | None = await self._lane.call(
                lambda inbox: inbox.take_one(held.key, lease=self._lease, settings=self._lane.settings)
            )
            if again is not None:
                token = again.token
                await self._lane.call(lambda inbox: inbox.give_back(held.key, token=token, after=pause))
        except StoreError as unavailable:
            _log.warning("the entry %s is handed off again in %.0f s: %s", held.key, self._lane.settings.patience, unavailable)

    def _miss_runs(self, held: Held, patience: float) -> None:
        """Log it if the entry was handed off before and did not run. An engine without a worker raises no error."""
        now = time.monotonic()
        attempt, since = self._given.pop(held.key, (0, now))
        self._given[held.key] = (held.attempt, now)
        if len(self._given) > REMEMBERED:
            del self._given[next(iter(self._given))]
        if attempt != held.attempt or now - since < patience:
            return
        if self._logged is not None and now - self._logged < QUIET:
            return
        self._logged = now
        _log.error(
            "an event of %s was handed off %.0f s ago and has not run, so it is handed off again: is the engine's worker running?"
            " If its queue is longer than that, raise patience",
            self._lane.endpoint.name,
            now - since,
            extra={"endpoint": self._lane.endpoint.name, "reason_code": "not_run", "entry": held.key},
        )


def _result_of(call: HandOff, key: str) -> tuple[object, BaseException | None]:
    """Return what the call returns and what it raises."""
    try:
        return call(key), None
    except BaseException as error:  # SystemExit in a thread must not end the event loop
        return None, error
