"""The worker: takes due entries, calls the application with each, and settles them, until it is stopped."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from hookguard.errors import ConfigurationError, StoreError
from hookguard.inbox.contract import CRASHES, Held
from hookguard.outcome import Outcome
from hookguard.work.caller import Caller
from hookguard.work.defaults import AT_ONCE, GRACE, LEASE, LONGEST_RUN
from hookguard.work.handing import Handing
from hookguard.work.lanes import Lanes, OpenLane
from hookguard.work.leases import Leases
from hookguard.work.looks import Looks
from hookguard.work.outage import Outage
from hookguard.work.run import Run
from hookguard.work.strays import report_strays
from hookguard.work.wake import Wake

__all__ = ["Summary", "Worker"]

_log = logging.getLogger("hookguard.work")

#: The longest wait for a slot, in seconds: its end wakes the worker.
FULL: Final = 0.5

#: An entry that this many workers died with runs alone.
SUSPECT: Final = 2

#: After so many completions, so many old entries are deleted.
COMPLETIONS: Final = 64
PRUNED: Final = 256


@dataclass
class Summary:
    """The work of one worker: how many runs had each outcome, and the seconds from its start to its end."""

    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    given_back: int = 0  #: entries that were taken and did not begin
    handed_off: int = 0  #: entries whose keys another engine has taken
    left: int = 0  #: entries whose handlers still ran at the end: they are left to their leases

    def __str__(self) -> str:
        counted = [*self.outcomes.most_common(), *([("handed off", self.handed_off)] if self.handed_off else [])]
        runs = ", ".join(f"{number} {name}" for name, number in counted) or "nothing was due"
        left = f", {self.left} left to their leases" if self.left else ""
        return f"{runs}{left}, in {self.seconds:.1f} s"


class Worker:
    """Takes entries of some lanes and calls an application with them. ConfigurationError for an option that is not valid.

    ``at_once`` entries run concurrently. After ``stop``, running handlers get ``grace`` seconds. With ``drain`` the worker ends
    when nothing is due. ``lease`` and ``longest_run`` are seconds. ``run`` is a coroutine for one event loop.
    """

    def __init__(
        self,
        app: Callable[..., Any],
        lanes: Sequence[OpenLane],
        *,
        at_once: int = AT_ONCE,
        grace: float = GRACE,
        drain: bool = False,
        lease: float = LEASE,
        longest_run: float = LONGEST_RUN,
    ) -> None:
        if at_once < 1:
            raise ConfigurationError(f"at_once is {at_once}; give the number of events that run concurrently, 1 or more")
        if not grace >= 0:
            raise ConfigurationError(f"grace is {grace}; give seconds, 0 or more")
        self._caller = Caller(app)
        self._lanes = Lanes(lanes)
        self._handing = {
            lane: Handing(lane, lane.settings.hand_off, lease=lease)
            for lane in lanes
            if lane.settings.hand_off is not None and lane.shipping is None  # a relay's targets need no handler
        }
        self._at_once = at_once
        self._grace = grace
        self._drain = drain
        self._lease = lease
        self._leases = Leases(self._extend, self._overrun, lease=lease, longest_run=longest_run)
        self._outage = Outage()
        self._running: dict[bytes, _Running] = {}
        self._used = 0  # slots; a handler that ran too long has lost its slot, and is still in _running
        self._settling = 0  # handlers that have ended, and whose verdicts are being written
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = Wake()
        self._looks = Looks(lanes, self._has_room, self._wake)
        self._stopping = False
        self._careful = False  # take one entry at a time, because the last ones may have killed their workers
        self._completed = 0
        self._others: set[asyncio.Task[Any]] = set()
        self.summary = Summary()

    async def run(self) -> Summary:
        """Work until ``stop`` is called, or until nothing is due if the worker drains."""
        began = time.monotonic()
        self._loop = asyncio.get_running_loop()
        async with self._lanes.opened(), self._caller.started():
            self._leases.start()
            self._in_background(report_strays(self._lanes))
            try:
                await self._take_until_stopped()
                await self._finish()
            finally:
                self._leases.stop()
        self.summary.seconds = time.monotonic() - began
        return self.summary

    def stop(self) -> None:
        """Take nothing more, and end when the running handlers have ended or the grace is over. Safe to call from a signal."""
        self._stopping = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: the worker has ended
                self._loop.call_soon_threadsafe(self._wake.set)

    async def _take_until_stopped(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                taken = await self._turn()
            except StoreError as error:
                await self._wake.wait(self._outage.note(error))
                continue
            except Exception as error:  # a mistake in a store must not end the worker
                _log.exception("taking events failed")
                await self._wake.wait(self._outage.note(error))
                continue
            self._outage.over()
            if taken:
                continue
            if self._drain and not self._running:
                return
            await self._wait_for_events()

    async def _turn(self) -> int:
        """Take what can begin immediately, from each lane in turn; return how many entries were taken."""
        taken = 0
        share = self._lanes.share(self._free_slots)
        for lane in self._lanes.turn():
            handing = self._handing.get(lane)
            limit = int(min(share, self._free_slots, self._room(lane)))
            if limit < 1 or self._stopping:
                continue
            held = await lane.take(1 if self._careful else limit, self._lease)
            if not held:
                continue
            taken += len(held)
            self._lanes.took(lane)
            held = self._report_dead(lane, held)
            suspects = [each for each in held if each.crashes >= SUSPECT and handing is None]
            if handing is None:
                self._careful = bool(suspects)
            for each in held:
                if each not in suspects:
                    self._begin(lane, each)
            if suspects:
                for other in suspects[1:]:
                    await self._give_back(lane, other)
                await self._run_alone(lane, suspects[0])
                break
        return taken

    def _report_dead(self, lane: OpenLane, held: list[Held]) -> list[Held]:
        """Report the entries that are dead by now, and return the others."""
        for each in held:
            if each.crashes >= CRASHES:
                self.summary.outcomes[Run(lane, each).died().outcome] += 1
        return [each for each in held if each.crashes < CRASHES]

    async def _run_alone(self, lane: OpenLane, held: Held) -> None:
        """Run an entry whose worker died repeatedly while this worker holds nothing else, so that it can take nothing with it.

        A handler that runs for long does not hold it up for more than one lease.
        """
        self._leases.hold(held)
        until = time.monotonic() + self._lease
        while self._running and not self._stopping and (left := until - time.monotonic()) > 0:
            self._wake.clear()
            await self._wake.wait(left)
        running = self._begin(lane, held)
        while running.has_slot and not self._stopping:
            self._wake.clear()
            await self._wake.wait(FULL)

    async def _give_back(self, lane: OpenLane, held: Held) -> None:
        try:
            await lane.call(lambda inbox: inbox.give_back(held.key, token=held.token))
        except StoreError as error:
            _log.warning("the entry %s did not begin, and is left to its lease: %s", held.key, error)
            return
        self.summary.given_back += 1

    def _begin(self, lane: OpenLane, held: Held) -> _Running:
        self._leases.hold(held)
        running = _Running(lane, held)
        self._running[held.token] = running
        self._used += 1
        lane.running += 1
        running.task = asyncio.ensure_future(self._run(running))
        running.task.add_done_callback(lambda task: self._ended(running, task))
        return running

    async def _run(self, running: _Running) -> Outcome | None:
        run, lane, held = running.run, running.lane, running.held
        if self._stopping:
            await self._give_back(lane, held)
            return None
        if (handing := self._handing.get(lane)) is not None:
            self._leases.let_go(held)
            taken = await handing.hand_off(held)
            self.summary.handed_off += taken
            return None
        return await run.through(self._caller.call, lambda: self._settle(running))

    @property
    def _free_slots(self) -> int:
        """How many entries may be taken.

        As many verdicts as slots may wait to be written: a store that writes none must not fill the memory.
        """
        return max(0, self._at_once - self._used - max(0, self._settling - self._at_once))

    def _settle(self, running: _Running) -> float:
        """Note that the handler has ended; return the rest of the lease.

        Its slot is free while the verdict is being written, so that the next entries are taken meanwhile.
        """
        running.is_settling = True
        self._settling += 1
        self._free(running)
        return self._leases.let_go(running.held)

    def _ended(self, running: _Running, task: asyncio.Task[Outcome | None]) -> None:
        self._leases.let_go(running.held)
        self._running.pop(running.held.token, None)
        self._settling -= running.is_settling
        self._free(running)
        self._wake.set()  # its line may go on
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            _log.error("the entry %s is left to its lease", running.held.key, exc_info=error)
            return
        outcome = task.result()
        if outcome is None:
            return
        self.summary.outcomes[outcome.outcome] += 1
        if outcome.outcome in ("handled", "ignored"):
            self._completed += 1
            if self._completed % COMPLETIONS == 0:
                self._prune(running.lane)

    def _free(self, running: _Running) -> None:
        """Free the slot, once."""
        if running.has_slot:
            running.has_slot = False
            running.lane.running -= 1
            self._used -= 1
            self._wake.set()

    def _extend(self, held: Held) -> bool:
        running = self._running.get(held.token)
        if running is None:
            return True  # it has ended in this moment
        return running.run.extend(self._lease, self._loop)

    def _overrun(self, held: Held) -> None:
        running = self._running.get(held.token)
        if running is None or self._loop is None:
            return
        running.run.report_overrun(", and this worker uses its place for another event")
        self._loop.call_soon_threadsafe(self._free, running)

    def _prune(self, lane: OpenLane) -> None:
        async def prune() -> None:
            try:
                await lane.call(lambda inbox: inbox.prune(limit=PRUNED))
            except StoreError as error:
                _log.warning("old entries could not be deleted yet: %s", error)

        self._in_background(prune())

    def _in_background(self, steps: Any) -> None:
        task = asyncio.ensure_future(steps)
        self._others.add(task)
        task.add_done_callback(self._others.discard)

    async def _wait_for_events(self) -> None:
        """Wait until something can be taken, or until a slot is free."""
        if not self._free_slots:
            await self._wake.wait(FULL)
        else:
            await self._looks.wait()

    def _has_room(self, lane: OpenLane) -> bool:
        return self._room(lane) >= 1

    def _room(self, lane: OpenLane) -> float:
        handing = self._handing.get(lane)
        return lane.room if handing is None else handing.room

    async def _finish(self) -> None:
        """Wait for what runs, for the grace; then leave the rest to its leases."""
        if tasks := {running.task for running in self._running.values() if running.task is not None}:
            if self._stopping:
                _log.info("stopping: waiting up to %.0f s for %d handlers", self._grace, len(tasks))
            _, left = await asyncio.wait(tasks, timeout=self._grace)
            await self._leave(left)
        if self._others:
            await asyncio.wait(set(self._others), timeout=1.0)

    async def _leave(self, left: set[asyncio.Task[Any]]) -> None:
        if not left:
            return
        self.summary.left = len(left)
        keys = ", ".join(running.held.key for running in self._running.values() if running.task in left)
        _log.error("%d handlers still run and are left to their leases; their events run again: %s", len(left), keys)
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=1.0)  # a thread cannot be cancelled: the process ends without it


class _Running:
    """One entry that runs."""

    def __init__(self, lane: OpenLane, held: Held) -> None:
        self.lane = lane
        self.held = held
        self.run = Run(lane, held)
        self.task: asyncio.Task[Outcome | None] | None = None
        self.has_slot = True
        self.is_settling = False
