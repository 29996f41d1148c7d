"""Ships one entry: chooses its target, sends, and says what follows from the answer. The inbox does the waiting."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from hookguard.event import Event
from hookguard.head.trace_context import read_traceparent
from hookguard.inbox.schedule import MalformedRetryAfter, read_retry_after
from hookguard.preset import Preset
from hookguard.privacy.shown import printable
from hookguard.relay.rest import Rest
from hookguard.relay.sending import MOST_HOPS, Sent, Target, TargetGone, hops_of, sending_of
from hookguard.relay.settings import CHOSEN_LATER, RelaySettings, TargetSettings
from hookguard.relay.spread import Chooser

if TYPE_CHECKING:
    from hookguard.inbox.contract import Held

__all__ = ["Attempt", "Shipped", "Shipping", "open_target"]

_log = logging.getLogger("hookguard.relay")

#: Seconds that a Retry-After counts at most, and that a target rests after 410.
DAY = 86_400.0
HOUR = 3_600.0


class Shipped(NamedTuple):
    """How an attempt ended."""

    result: Literal["sent", "ignored", "failed", "dead"]
    reason_code: str = ""
    reason: str = ""
    status: int | None = None
    not_before: float = 0.0  #: seconds that the target asked to be left alone


class Attempt(NamedTuple):
    """How sending one message to one target ended, for observers. Never a body, a signature or a URL."""

    target: str
    outcome: Literal["sent", "not_reached", "target_status", "gone"]  #: any but ``sent`` is a failure
    status: int | None  #: the target's, if it answered with one
    duration: float  #: seconds
    resting: bool  #: whether the target rests, or has rested and no message has arrived since
    traceparent: str  #: the trace context that the delivery brought, if it is valid


def open_target(settings: TargetSettings) -> Target:
    """Return what sends to a target, for the running event loop."""
    if settings.to is not None:
        own: Target = settings.to
        return own
    if settings.scheme in ("https", "http"):
        from hookguard.relay.http import HttpTarget  # noqa: PLC0415 - an extra

        return HttpTarget(settings)
    if settings.scheme in ("amqps", "amqp"):
        from hookguard.relay.rabbitmq import RabbitTarget  # noqa: PLC0415 - an extra

        return RabbitTarget(settings)
    from hookguard.relay.nats import NatsTarget  # noqa: PLC0415 - an extra

    return NatsTarget(settings)


class Shipping:
    """Ships the entries of one endpoint. Its rests and its turns are this process's own, and shared by the endpoint's lanes.

    The function ``sent`` of an observer that has one gets each attempt.
    """

    def __init__(
        self, endpoint: str, preset: Preset, settings: RelaySettings, observers: Sequence[Callable[..., None]] = ()
    ) -> None:
        self._endpoint = endpoint
        self._heard = [sent for each in observers if (sent := getattr(each, "sent", None)) is not None]
        self._preset = preset
        self._settings = settings
        self._rests = {name: Rest() for name in settings.targets}
        weights = {name: target.weight for name, target in settings.targets.items()}
        self._chooser = Chooser(settings.spread if isinstance(settings.spread, str) else "all", weights)
        self._open: dict[str, Target] | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Keep the connections for the messages that are shipped inside of the block, on one event loop."""
        self._open = {}
        try:
            yield
        finally:
            targets, self._open = self._open, None
            for target in targets.values():
                await _close(target)

    def room(self, part: str) -> float:
        """How many messages of a part may be on their way: fewer if a target rests."""
        names = list(self._rests) if part == CHOSEN_LATER else [part]
        return max(self._rests[name].room for name in names if name in self._rests)

    async def ship(self, event: Event, held: Held) -> Shipped:
        """Send one entry. Without an event loop, and outside of ``opened``, it has connections of its own."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self._alone(event, held))
        return await (self._alone(event, held) if self._open is None else self._ship(event, held, self._open))

    async def _alone(self, event: Event, held: Held) -> Shipped:
        targets: dict[str, Target] = {}
        try:
            return await self._ship(event, held, targets)
        finally:
            for name, target in targets.items():
                if self._settings.targets[name].to is None:  # an object of the user's serves the next event too
                    await _close(target)

    async def _ship(self, event: Event, held: Held, targets: dict[str, Target]) -> Shipped:
        if hops_of(event) >= MOST_HOPS:
            return Shipped("dead", "too_many_hops", f"it has passed {MOST_HOPS} relays: the relay passes events back to itself")
        part, settings = held.lane.part, self._settings
        if part != CHOSEN_LATER:
            return await self._send(part, event, held, targets)
        names = settings.wanted(event)
        try:
            names = settings.chosen(event) if callable(settings.spread) and names else names
        except Exception as error:
            return Shipped("failed", "spread_raised", f"the function that spreads events raised {_described(error)}")
        if not names:
            return Shipped("ignored", "no_target", "no target takes this event")
        if callable(settings.spread) or settings.spread == "all":
            return await self._send_to_each(names, event, held, targets)
        return await self._send_to_one(names, event, held, targets)

    async def _send_to_each(self, names: Sequence[str], event: Event, held: Held, targets: dict[str, Target]) -> Shipped:
        """Send an entry that another ``spread`` has stored, or one for which it raised. A failure repeats all of them."""
        results = [await self._send(name, event, held, targets) for name in names]
        # A target that is gone ends nothing for one that failed, whose event would be lost. Of several, the first that is due
        # counts: the others are sent again with it, under the same id.
        failed = sorted((each for each in results if each.result == "failed"), key=lambda each: each.not_before)
        return next(iter(failed), None) or next((each for each in results if each.result != "sent"), results[0])

    async def _send_to_one(self, names: Sequence[str], event: Event, held: Held, targets: dict[str, Target]) -> Shipped:
        """Send to the target whose turn it is; with ``failover`` to the next one if that fails."""
        # All of them may rest by now: then the one that wakes first.
        awake = [name for name in names if not self._rests[name].left] or [min(names, key=lambda each: self._rests[each].left)]
        results: list[Shipped] = []
        order = self._chooser.order(held.key, awake)
        for name in order:
            shipped = await self._send(name, event, held, targets)
            if shipped.result == "sent":
                self._chooser.succeeded(held.key)
                return shipped
            self._chooser.failed(held.key, name)
            results.append(shipped)
            if len(results) < len(order):  # the line of the event will say that it is handled, and not that this target failed
                following = order[len(results)]
                _log.warning("%s; %r is next", shipped.reason, following, extra=self._facts(name, shipped.reason_code))
        last = results[-1]
        if len(names) == 1:
            return last
        # Another target may take it, even if this one is gone: it waits until the first of them may be tried.
        waits = {name: self._rests[name].left for name in names}
        for name, each in zip(order, results, strict=True):
            waits[name] = max(waits[name], each.not_before)
        return last._replace(result="failed", not_before=min(waits.values()))

    async def _send(self, name: str, event: Event, held: Held, targets: dict[str, Target]) -> Shipped:
        """Send to one target, and report it."""
        began = time.perf_counter()
        shipped = await self._try(name, event, held, targets)
        if self._heard:
            attempt = Attempt(
                name,
                cast("Any", shipped.reason_code or "sent"),
                shipped.status,
                time.perf_counter() - began,
                self._rests[name].begun,
                read_traceparent(event.headers),
            )
            for sent in self._heard:
                try:
                    sent(self._endpoint, self._preset.name, attempt)
                except Exception:
                    _log.exception("an observer of what a relay sends raised an exception")
        return shipped

    async def _try(self, name: str, event: Event, held: Held, targets: dict[str, Target]) -> Shipped:
        """Send to one target, and note how that ended."""
        settings, rest = self._settings.targets[name], self._rests[name]
        try:
            if name not in targets:
                targets[name] = open_target(settings)
            sent = await targets[name].send(sending_of(event, held, self._preset, settings, self._settings))
        except TargetGone as error:
            sent = Sent(410)
            _log.error("target %r takes no more events: %s", name, printable(str(error)))
        except Exception as error:
            self._failed(name, rest)
            return Shipped("failed", "not_reached", f"{name} was not reached: {_described(error)}")
        if sent.accepted:
            if rest.begun:
                _log.info("target %r takes events again", name, extra=self._facts(name, "target_awake"))
            rest.succeeded()
            return Shipped("sent", status=sent.status)
        told = _seconds(sent.retry_after)
        if sent.status == 410:
            rest.begin(HOUR)
            return Shipped("dead", "gone", f"{name} answered 410: it takes no more events at this URL", 410)
        if told and sent.status in (429, 503):
            rest.begin(told)
            _log.warning("target %r asked for a rest of %.0f s", name, told, extra=self._facts(name))
        else:
            self._failed(name, rest)
        return Shipped("failed", "target_status", f"{name} answered {sent.status}", sent.status, told)

    def _failed(self, name: str, rest: Rest) -> None:
        if rest.failed():
            _log.error(
                "target %r rests for %.0f s, because it keeps failing; its events wait", name, rest.left, extra=self._facts(name)
            )

    def _facts(self, name: str, reason_code: str = "target_rests") -> dict[str, Any]:
        return {"endpoint": self._endpoint, "target": name, "reason_code": reason_code}


def _seconds(retry_after: str | None) -> float:
    """Return the seconds of a Retry-After, at most a day; 0.0 if it says nothing."""
    if retry_after is None or isinstance(found := read_retry_after(retry_after), MalformedRetryAfter):
        return 0.0
    return min(found.wait(time.time()), DAY)


def _described(error: Exception) -> str:
    first = next(iter(str(error).splitlines()), "")
    name = "" if type(error).__name__ == "NotAnswered" else type(error).__name__
    return printable(": ".join(filter(None, (name, first))))[:200]


async def _close(target: Target) -> None:
    """Close a target's connections, if it has any. A target that does not end must not hold the worker."""
    close = getattr(target, "aclose", None)
    if close is None:
        return
    try:
        await asyncio.wait_for(close(), 5.0)
    except Exception as error:
        _log.warning("the connections of a target could not be closed: %s", _described(error))
