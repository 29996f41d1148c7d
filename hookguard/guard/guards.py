"""The two guards: both run the steps of ``Flow``, which are coroutines.

``AsyncGuard`` runs them on an event loop. ``Guard`` uses a store whose methods never await, so each coroutine ends in one
step. A coroutine that suspends there is a mistake and raises.
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar, cast

from hookguard.delivery import Delivery
from hookguard.endpoint import Endpoint
from hookguard.errors import ConfigurationError, HookguardError
from hookguard.event import Event
from hookguard.guard.bridge import (
    BlockingKeysAdapter,
    BlockingStoreAdapter,
    InlineStoreAdapter,
    ReleaseOnCancel,
    ThreadRunner,
    awaitable_side,
    call_inline,
    run_sync,
    shielded,
    to_thread,
)
from hookguard.guard.flows import make_flow, put_of
from hookguard.guard.hashing import BesideLoop
from hookguard.guard.heartbeat import Heartbeat, TaskHeartbeat, ThreadHeartbeat
from hookguard.guard.receipt import Receipt
from hookguard.guard.replies import Handled, reply_to_handled
from hookguard.guard.resuming import resumed
from hookguard.guard.settling import Settler, wait_here, wait_on_loop
from hookguard.keys import AsyncKeySource, KeySource
from hookguard.reply import Reply
from hookguard.store import AsyncStore, Store
from hookguard.verifier import VerifierLike

__all__ = ["AsyncGuard", "Guard", "ThreadRunner"]

T = TypeVar("T")

_log = logging.getLogger("hookguard")


class AsyncGuard:
    """Receives deliveries of one endpoint on an event loop.

    ``store`` may be asynchronous or not. A blocking store is called in a thread, through ``in_thread``; bodies of 64 KiB and more
    are verified there too. ``keys`` is the source of the keys that a few providers publish, asynchronous or not; by default they
    are fetched over HTTPS.
    """

    def __init__(
        self,
        endpoint: Endpoint | VerifierLike,
        store: Store | AsyncStore,
        *,
        in_thread: ThreadRunner = to_thread,
        keys: KeySource | AsyncKeySource | None = None,
    ) -> None:
        self.endpoint = endpoint if isinstance(endpoint, Endpoint) else Endpoint(endpoint)
        self.store = store
        if inspect.iscoroutinefunction(store.claim):
            awaited = cast("AsyncStore", store)
        elif store.capabilities.transactional:
            # A transaction belongs to the thread that began it, and the handler would run in another thread.
            raise ConfigurationError(f"{store!r} is transactional and not asynchronous: use the asynchronous store, or Guard")
        elif (side := awaitable_side(cast("Store", store), in_thread)) is not None:
            awaited = side
        elif store.capabilities.blocking:
            awaited = BlockingStoreAdapter(cast("Store", store), in_thread)
        else:
            awaited = InlineStoreAdapter(cast("Store", store))
        heartbeat: Heartbeat | None = None
        if self.endpoint.heartbeat:
            kind = TaskHeartbeat if awaited is store else ThreadHeartbeat
            heartbeat = kind(store.extend, self.endpoint.lease)  # type: ignore[arg-type]  # one awaits, the other does not
        source: AsyncKeySource | None = None
        if self.endpoint.verifier.fetches or self.endpoint.confirm_subscription:
            from hookguard.fetch.http import AsyncHttpKeySource  # noqa: PLC0415 - few providers publish keys, and it loads ssl and asyncio

            keys = AsyncHttpKeySource() if keys is None else keys
            awaits = inspect.iscoroutinefunction(keys.get)
            source = cast("AsyncKeySource", keys) if awaits else BlockingKeysAdapter(cast("KeySource", keys), in_thread)
        put = put_of(self.endpoint, awaited if hasattr(awaited, "inbox") else store, in_thread, store)
        #: Whether the store may let other tasks run before it answers, and a cancellation come in between.
        self.suspends = suspends = awaited is store or store.capabilities.blocking
        settler = Settler(awaited, store, self.endpoint.lease, wait_on_loop)
        if suspends and not store.capabilities.transactional:
            # A transaction must begin in the task that continues it, and its store releases it on cancellation.
            awaited = cast("AsyncStore", ReleaseOnCancel(awaited, settler.release))
        beside_loop = BesideLoop(self.endpoint, in_thread)
        self._flow = make_flow(put, self.endpoint, awaited, store, settler, heartbeat, source, beside_loop)
        self._keep: Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]] = shielded if suspends else _as_it_is

    async def start(self) -> None:
        """Check the store, once in each process; see :meth:`Guard.start`."""
        await self._flow.start()

    def resume(self, mark: object) -> Receipt | None:
        """Return the receipt that a worker put under ``WORKER``, to use in place of verifying; None for anything else.

        Only an instance of Receipt counts, made by ``receipt_for`` in this process for an entry of this endpoint, and only once.
        """
        return resumed(mark, self.endpoint)

    async def begin(self, receipt: Receipt) -> Receipt:
        """Begin the transaction of a worker's run, in the task that runs the handler; see :meth:`Guard.begin`."""
        return await self._flow.begin(receipt)

    def screen(self, delivery: Delivery) -> Receipt | None:
        """Return the receipt of a delivery that its head alone rejects, or None: then read the body. Never suspends."""
        return self._flow.screen(delivery)

    def reject(self, error: HookguardError, delivery: Delivery) -> Receipt:
        """Report an error that the plugin found while it read the body, and return the receipt with the reply."""
        return self._flow.reject(error, time.perf_counter(), delivery)

    async def open(self, delivery: Delivery) -> Receipt:
        """Verify and claim a delivery. Never raises for anything the delivery holds."""
        return await self._flow.open(delivery)

    async def settle(
        self,
        receipt: Receipt,
        *,
        status: int | None = None,
        error: BaseException | None = None,
        reply: Reply | None = None,
    ) -> Reply | None:
        """Complete or release the event, before the handler's reply is sent; see :meth:`Guard.settle`."""
        if receipt.settled:
            return None  # no task is needed
        steps = self._flow.settle(receipt, status, error, reply)
        # A sender that hangs up, or a server that stops, must not leave a handled event half settled.
        return cast("Reply | None", await self._keep(steps))

    async def next(self, receipt: Receipt) -> Receipt | None:
        """Return the receipt of the next event of the same delivery, or None; see :meth:`Guard.next`."""
        return await self._flow.next(receipt)

    async def each(self, receipt: Receipt, attempt: Callable[[Receipt], Awaitable[T]]) -> T | Reply:
        """Call ``attempt`` for each event of a delivery; see :meth:`Guard.each`."""
        return await self._each(receipt, attempt, None)

    async def _each(self, receipt: Receipt, attempt: Callable[[Receipt], Awaitable[T]], raised: int | None) -> T | Reply:
        """See ``each``; ``raised`` is the status of the answer to an exception, if that is known."""
        while receipt.reply is None:
            failure: BaseException | None = None
            response: T | None = None
            try:
                response = await attempt(receipt)
                receipt.check_answered()
                reply = await self.settle(receipt, status=receipt.status, reply=receipt.answer)
            except BaseException as error:
                failure = error
                reply = await self.settle(receipt, status=raised, error=error)
                if not isinstance(error, Exception):
                    raise
            following = await self.next(receipt)
            if following is not None:
                receipt = following
            elif reply is not None:
                return reply
            elif failure is not None:
                raise failure
            else:
                return cast("T", response)
        return receipt.reply

    async def run(self, delivery: Delivery, handle: Callable[[Event], Handled | Awaitable[Handled]]) -> Reply:
        """Return the reply for the sender; see :meth:`Guard.run`. ``handle`` may be a coroutine function."""

        async def attempt(receipt: Receipt) -> Reply:
            handled = handle(receipt.event)
            answer = reply_to_handled(await handled if inspect.isawaitable(handled) else handled)
            other = await self.settle(receipt, reply=answer)
            return answer if other is None else other

        receipt = await self.open(delivery)
        try:
            return await self._each(receipt, attempt, 500)
        except Exception:
            return _answer_failure(self.endpoint)

    @asynccontextmanager
    async def receive(self, delivery: Delivery) -> AsyncIterator[Receipt]:
        """Open and settle around a block; see :meth:`Guard.receive`."""
        _reject_batch(self.endpoint)
        receipt = await self.open(delivery)
        try:
            yield receipt
        except BaseException as error:
            await self.settle(receipt, error=error)
            raise
        await self.settle(receipt, status=receipt.status, reply=receipt.answer)
        if receipt.reply is None and receipt.error is not None:
            raise receipt.error

    def __repr__(self) -> str:
        return f"AsyncGuard({self.endpoint!r}, {self.store!r})"


class Guard:
    """Receives deliveries of one endpoint, with a store that is not asynchronous. Safe to share between threads.

    ``keys`` is the source of the keys that a few providers publish; by default they are fetched over HTTPS.
    """

    def __init__(self, endpoint: Endpoint | VerifierLike, store: Store, *, keys: KeySource | None = None) -> None:
        self.endpoint = endpoint if isinstance(endpoint, Endpoint) else Endpoint(endpoint)
        self.store = store
        if inspect.iscoroutinefunction(store.claim):
            raise ConfigurationError(f"{store!r} is asynchronous, and Guard never awaits: use AsyncGuard or another store")
        lookup = self.endpoint.verifier.lookup
        for what, function in (("looks secrets up", lookup), ("accepts secrets", self.endpoint.accept_secret)):
            if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004
                raise ConfigurationError(f"endpoint {self.endpoint.name!r} {what} with a coroutine: use AsyncGuard")
        heartbeat = ThreadHeartbeat(store.extend, self.endpoint.lease) if self.endpoint.heartbeat else None
        source: AsyncKeySource | None = None
        if self.endpoint.verifier.fetches or self.endpoint.confirm_subscription:
            from hookguard.fetch.http import HttpKeySource  # noqa: PLC0415 - few providers publish keys, and it loads ssl and asyncio

            keys = HttpKeySource() if keys is None else keys
            if inspect.iscoroutinefunction(keys.get):
                raise ConfigurationError(f"{keys!r} is asynchronous, and Guard never awaits: use AsyncGuard or another source")
            source = BlockingKeysAdapter(keys, call_inline)
        awaited = InlineStoreAdapter(store)
        put = put_of(self.endpoint, store, call_inline, store)
        settler = Settler(awaited, store, self.endpoint.lease, wait_here)
        self._flow = make_flow(put, self.endpoint, awaited, store, settler, heartbeat, source)

    def start(self) -> None:
        """Check the store, once in each process; without this call the first delivery does it.

        Problems are logged, including a store that does not answer. Raises StoreMisconfigured for a store that would lose
        events or run them twice.
        """
        run_sync(self._flow.start())

    def resume(self, mark: object) -> Receipt | None:
        """Return the receipt that a worker put under ``WORKER``; see :meth:`AsyncGuard.resume`."""
        return resumed(mark, self.endpoint)

    def begin(self, receipt: Receipt) -> Receipt:
        """Begin the transaction of a worker's run, in the thread that runs the handler: the counterpart of ``open``.

        ``receipt`` comes from ``resume``; any other is returned as it is. If the returned one carries a reply, send that: the
        entry is another worker's by now, or the store is down. With a store that is not transactional nothing happens.
        """
        return run_sync(self._flow.begin(receipt))

    def screen(self, delivery: Delivery) -> Receipt | None:
        """Return the receipt of a delivery that its head alone rejects, or None: then read the body."""
        return self._flow.screen(delivery)

    def reject(self, error: HookguardError, delivery: Delivery) -> Receipt:
        """Report an error that the plugin found while it read the body, and return the receipt with the reply."""
        return self._flow.reject(error, time.perf_counter(), delivery)

    def open(self, delivery: Delivery) -> Receipt:
        """Verify and claim a delivery. Never raises for anything the delivery holds."""
        return run_sync(self._flow.open(delivery))

    def settle(
        self,
        receipt: Receipt,
        *,
        status: int | None = None,
        error: BaseException | None = None,
        reply: Reply | None = None,
    ) -> Reply | None:
        """Complete or release the event, before the handler's reply is sent; a returned reply is sent in its place.

        With an ``error``, ``status`` is what the framework will answer to it; None if that is not known.
        ``reply`` is the handler's whole reply, for an endpoint that stores replies: a duplicate gets the same one.
        """
        return run_sync(self._flow.settle(receipt, status, error, reply))

    def next(self, receipt: Receipt) -> Receipt | None:
        """Return the receipt of the next event of the same delivery; None if no event is left.

        For presets with a ``batch``: call it after each receipt is settled. If the receipt carries a reply, an event of the
        delivery failed or is being handled elsewhere. Send this reply in place of the last handler's: the provider retries,
        and only the events that are not completed run. On None, send the last handler's answer or raise its exception.
        """
        return run_sync(self._flow.next(receipt))

    def each(self, receipt: Receipt, attempt: Callable[[Receipt], T]) -> T | Reply:
        """Call ``attempt`` for each event of a delivery, and return the answer to the delivery.

        ``receipt`` comes from ``open``. ``attempt`` handles ``receipt.event``, calls ``receipt.answered``, and returns a
        response of the framework. The last response is returned, or a Reply to send in its place: the receipt's own, or one
        that makes the provider retry the events that failed. An exception of ``attempt`` for the last event is raised. An
        ``attempt`` may also settle the receipt itself.
        """
        return self._each(receipt, attempt, None)

    def _each(self, receipt: Receipt, attempt: Callable[[Receipt], T], raised: int | None) -> T | Reply:
        """See ``each``; ``raised`` is the status of the answer to an exception, if that is known."""
        while receipt.reply is None:
            failure: BaseException | None = None
            response: T | None = None
            try:
                response = attempt(receipt)
                receipt.check_answered()
                reply = self.settle(receipt, status=receipt.status, reply=receipt.answer)
            except BaseException as error:
                failure = error
                reply = self.settle(receipt, status=raised, error=error)
                if not isinstance(error, Exception):
                    raise
            following = self.next(receipt)
            if following is not None:
                receipt = following
            elif reply is not None:
                return reply
            elif failure is not None:
                raise failure
            else:
                return cast("T", response)
        return receipt.reply

    def run(self, delivery: Delivery, handle: Callable[[Event], Handled]) -> Reply:
        """Verify, claim, handle and settle each event of a delivery, and return the reply for the sender.

        ``handle`` returns None for 200, a status, or a Reply; only 2xx completes the event. An exception releases it: it is
        logged with its traceback and answered 500. Never raises for anything the delivery holds or the handler does.
        """

        def attempt(receipt: Receipt) -> Reply:
            answer = reply_to_handled(handle(receipt.event))
            other = self.settle(receipt, reply=answer)
            return answer if other is None else other

        receipt = self.open(delivery)
        try:
            return self._each(receipt, attempt, 500)
        except Exception:
            return _answer_failure(self.endpoint)

    @contextmanager
    def receive(self, delivery: Delivery) -> Iterator[Receipt]:
        """Open and settle around a block.

        An exception in the block, an answer other than 2xx, or no answer at all releases the event. If the event cannot
        be completed at the end of the block, StoreUnavailable or LeaseLost is raised: answer 503 then. One block handles one
        event. If a delivery may carry several, ConfigurationError is raised: use ``run`` or ``each``.
        """
        _reject_batch(self.endpoint)
        receipt = self.open(delivery)
        try:
            yield receipt
        except BaseException as error:
            self.settle(receipt, error=error)
            raise
        self.settle(receipt, status=receipt.status, reply=receipt.answer)
        if receipt.reply is None and receipt.error is not None:
            raise receipt.error

    def __repr__(self) -> str:
        return f"Guard({self.endpoint!r}, {self.store!r})"


def _reject_batch(endpoint: Endpoint) -> None:
    if endpoint.preset.batch is not None:
        raise ConfigurationError(
            f"a delivery of {endpoint.preset.name!r} may carry several events, and receive() handles one: use run(), or open()"
            " and each()"
        )


def _answer_failure(endpoint: Endpoint) -> Reply:
    """Log the current exception, as a framework would do."""
    _log.exception("%s: the handler raised, and the delivery is answered 500", endpoint.name)
    return Reply.problem(500)


def _as_it_is(steps: Coroutine[Any, Any, T]) -> Awaitable[T]:
    """Shield nothing: with a store that never suspends, no cancellation can come in between."""
    return steps
