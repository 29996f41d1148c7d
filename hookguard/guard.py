"""Verify, claim, hand over, complete or release: the policy, written once, as coroutines.

``AsyncGuard`` runs them on a loop. ``Guard`` gives them a store whose methods never await, so that each coroutine ends in
one step; one that suspends is a mistake and raises.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import secrets
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar, cast

from hookguard.awaited import Awaited, AwaitedKeys, InThread, Kept, at_once, finish, keep
from hookguard.challenge import Offer, Visit
from hookguard.checkup import look_once
from hookguard.delivery import Delivery
from hookguard.endpoint import Endpoint
from hookguard.errors import (
    ConfigurationError,
    EventIdReused,
    HookguardError,
    LeaseLost,
    MethodNotAllowed,
    Overloaded,
    Rejected,
    StoreError,
    StoreMisconfigured,
    StoreUnavailable,
    TransactionFailed,
    UnexpectedSecret,
    UnknownKey,
    UnknownTenant,
    VerificationUnavailable,
)
from hookguard.event import Event
from hookguard.heartbeat import Heartbeat, TaskHeartbeat, ThreadHeartbeat
from hookguard.keys import AsyncHttpKeySource, AsyncKeySource, HttpKeySource, KeySource, Wanted
from hookguard.outcome import Outcome, OutcomeName, report
from hookguard.receipt import Members, Receipt, reply_to_claim, reply_to_error
from hookguard.reply import Reply
from hookguard.store import AsyncStore, ClaimStatus, Store, StoreKey
from hookguard.verifier import Tenant, Verifier

__all__ = ["AsyncGuard", "Guard", "InThread"]

T = TypeVar("T")

_log = logging.getLogger("hookguard")


class AsyncGuard:
    """Receives deliveries of one endpoint on an event loop.

    ``store`` may be asynchronous or not; one that may block is called in a thread, through ``in_thread``. ``keys`` is where
    keys come from that a provider publishes, for the few presets that need one: over HTTPS by default, asynchronous or not.
    """

    def __init__(
        self,
        endpoint: Endpoint | Verifier,
        store: Store | AsyncStore,
        *,
        in_thread: InThread = asyncio.to_thread,
        keys: KeySource | AsyncKeySource | None = None,
    ) -> None:
        self.endpoint = endpoint if isinstance(endpoint, Endpoint) else Endpoint(endpoint)
        self.store = store
        if inspect.iscoroutinefunction(store.claim):
            awaited = cast("AsyncStore", store)
        elif store.capabilities.transactional:
            # Its transaction belongs to the thread that began it, and the handler would run in another.
            raise ConfigurationError(f"{store!r} is transactional and not asynchronous: use the asynchronous one, or Guard")
        elif store.capabilities.blocking:
            awaited = Awaited(cast("Store", store), in_thread)
        else:
            awaited = Awaited(cast("Store", store), at_once)
        heartbeat: Heartbeat | None = None
        if self.endpoint.heartbeat:
            kind = TaskHeartbeat if awaited is store else ThreadHeartbeat
            heartbeat = kind(store.extend, self.endpoint.lease)  # type: ignore[arg-type]  # one awaits, the other does not
        source: AsyncKeySource | None = None
        if self.endpoint.verifier.fetches or self.endpoint.confirm_subscription:
            keys = AsyncHttpKeySource() if keys is None else keys
            awaits = inspect.iscoroutinefunction(keys.get)
            source = cast("AsyncKeySource", keys) if awaits else AwaitedKeys(cast("KeySource", keys), in_thread)
        suspends = awaited is store or store.capabilities.blocking
        if suspends and not store.capabilities.transactional:
            # A transaction must begin in the task that goes on with it; giving it back is its store's to see to.
            awaited = cast("AsyncStore", Kept(awaited))
        self._flow = _Flow(self.endpoint, awaited, store, heartbeat, source)
        self._keep: Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]] = keep if suspends else _as_it_is

    async def start(self) -> None:
        """Look whether the store is well, once in a process; otherwise the first delivery does.

        What is worth knowing is logged, also that it does not answer. Raises StoreMisconfigured for one that would lose
        events or run them twice.
        """
        await self._flow.start()

    def screen(self, delivery: Delivery) -> Receipt | None:
        """Refuse by the head alone, before the body is read; None when it should be read. Never suspends."""
        return self._flow.screen(delivery)

    def refuse(self, error: HookguardError, delivery: Delivery) -> Receipt:
        """Report and answer what the plugin itself found wrong while it read the body."""
        return self._flow.refuse(error, time.perf_counter(), delivery)

    async def open(self, delivery: Delivery) -> Receipt:
        """Take a delivery in: verify and claim it. Never raises for anything the delivery holds."""
        return await self._flow.open(delivery)

    async def settle(
        self,
        receipt: Receipt,
        *,
        status: int | None = None,
        error: BaseException | None = None,
        reply: Reply | None = None,
    ) -> Reply | None:
        """Say how handling went, before the handler's reply leaves; the returned reply, if any, goes out in its place.

        ``reply`` is the handler's own, whole, where the endpoint stores replies: a duplicate is answered the same.
        """
        flow = self._flow
        if receipt.members is not None:
            steps = flow.settle_member(receipt.members, receipt, status, error, reply)
        else:
            steps = flow.settle(receipt, status, error, reply)
        # A sender that hangs up, or a server that stops, must not leave a handled event half settled.
        return cast("Reply | None", await self._keep(steps))

    async def next(self, receipt: Receipt) -> Receipt | None:
        """Return the receipt of the next event that came in the same delivery; None when there is none and all is said.

        For presets with a ``batch``: call it once a receipt is settled. Where it carries a reply, something of the delivery
        failed or is under way elsewhere, and the reply goes out in place of the last handler's, so that the provider tries
        again and only what is not done runs. Otherwise the last handler's answer or exception stands.
        """
        return None if receipt.members is None else await self._flow.next(receipt.members)

    @asynccontextmanager
    async def receive(self, delivery: Delivery) -> AsyncIterator[Receipt]:
        """Open and settle around a block; see :meth:`Guard.receive`."""
        _refuse_batch(self.endpoint)
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

    ``keys`` is where keys come from that a provider publishes, for the few presets that need one: over HTTPS by default.
    """

    def __init__(self, endpoint: Endpoint | Verifier, store: Store, *, keys: KeySource | None = None) -> None:
        self.endpoint = endpoint if isinstance(endpoint, Endpoint) else Endpoint(endpoint)
        self.store = store
        if inspect.iscoroutinefunction(store.claim):
            raise ConfigurationError(f"{store!r} is asynchronous and Guard does not await: use AsyncGuard or another store")
        lookup = self.endpoint.verifier.lookup
        for what, function in (("looks secrets up", lookup), ("accepts secrets", self.endpoint.accept_secret)):
            if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004
                raise ConfigurationError(f"endpoint {self.endpoint.name!r} {what} with a coroutine: use AsyncGuard")
        heartbeat = ThreadHeartbeat(store.extend, self.endpoint.lease) if self.endpoint.heartbeat else None
        source: AsyncKeySource | None = None
        if self.endpoint.verifier.fetches or self.endpoint.confirm_subscription:
            keys = HttpKeySource() if keys is None else keys
            if inspect.iscoroutinefunction(keys.get):
                raise ConfigurationError(f"{keys!r} is asynchronous and Guard does not await: use AsyncGuard or another source")
            source = AwaitedKeys(keys, at_once)
        self._flow = _Flow(self.endpoint, Awaited(store, at_once), store, heartbeat, source)

    def start(self) -> None:
        """Look whether the store is well, once in a process; otherwise the first delivery does.

        What is worth knowing is logged, also that it does not answer. Raises StoreMisconfigured for one that would lose
        events or run them twice.
        """
        finish(self._flow.start())

    def screen(self, delivery: Delivery) -> Receipt | None:
        """Refuse by the head alone, before the body is read; None when it should be read."""
        return self._flow.screen(delivery)

    def refuse(self, error: HookguardError, delivery: Delivery) -> Receipt:
        """Report and answer what the plugin itself found wrong while it read the body."""
        return self._flow.refuse(error, time.perf_counter(), delivery)

    def open(self, delivery: Delivery) -> Receipt:
        """Take a delivery in: verify and claim it. Never raises for anything the delivery holds."""
        return finish(self._flow.open(delivery))

    def settle(
        self,
        receipt: Receipt,
        *,
        status: int | None = None,
        error: BaseException | None = None,
        reply: Reply | None = None,
    ) -> Reply | None:
        """Say how handling went, before the handler's reply leaves; the returned reply, if any, goes out in its place.

        ``reply`` is the handler's own, whole, where the endpoint stores replies: a duplicate is answered the same.
        """
        if receipt.members is not None:
            return finish(self._flow.settle_member(receipt.members, receipt, status, error, reply))
        return finish(self._flow.settle(receipt, status, error, reply))

    def next(self, receipt: Receipt) -> Receipt | None:
        """Return the receipt of the next event that came in the same delivery; None when there is none and all is said.

        For presets with a ``batch``: call it once a receipt is settled. Where it carries a reply, something of the delivery
        failed or is under way elsewhere, and the reply goes out in place of the last handler's, so that the provider tries
        again and only what is not done runs. Otherwise the last handler's answer or exception stands.
        """
        return None if receipt.members is None else finish(self._flow.next(receipt.members))

    @contextmanager
    def receive(self, delivery: Delivery) -> Iterator[Receipt]:
        """Open and settle around a block.

        An exception in the block, an answer other than 2xx, or no answer at all gives the event back. When the event
        cannot be completed at the end of the block, StoreUnavailable or LeaseLost is raised: answer 503 then. One block is one
        event: where a delivery may carry several, ConfigurationError says to use ``open``, ``settle`` and ``next``.
        """
        _refuse_batch(self.endpoint)
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


class _Flow:
    """The order of things, for both guards."""

    def __init__(
        self,
        endpoint: Endpoint,
        store: AsyncStore,
        given: Store | AsyncStore,
        heartbeat: Heartbeat | None = None,
        keys: AsyncKeySource | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._store = store
        self._given = given
        self._started = False
        self._heartbeat = heartbeat
        self._keys = keys
        self._running = 0
        self._lock = threading.Lock()

    async def start(self) -> None:
        self._started = await look_once(self._given, self._store)

    def screen(self, delivery: Delivery) -> Receipt | None:
        try:
            self._endpoint.screen(delivery, body_read=False)
        except Rejected as refusal:
            return self.refuse(refusal, time.perf_counter(), delivery)
        return None

    async def open(self, delivery: Delivery) -> Receipt:
        started = time.perf_counter()
        event: Event | None = None
        receipt = Receipt(started)
        try:
            self._endpoint.screen(delivery)
            challenge = self._endpoint.preset.challenge
            verifier = self._endpoint.verifier
            asked = challenge if challenge is not None and challenge.comes_unsigned else None
            if asked is not None and not asked.needs_keys and (answer := asked.unsigned(delivery, ())) is not None:
                return await self._meet(answer, started, delivery)
            if verifier.lookup is not None:
                verifier = await self._find_tenant(verifier, delivery)
            if asked is not None and asked.needs_keys and (answer := asked.unsigned(delivery, verifier.keys())) is not None:
                return await self._meet(answer, started, delivery)
            found = None if self._keys is None else await self._fetch(self._keys, verifier, delivery)
            event = verifier.verify(delivery, found=found)
            if challenge is not None and (answer := challenge.signed(event, verifier.key(event.secret))) is not None:
                return await self._meet(answer, started, delivery, event)
            if delivery.method not in self._endpoint.preset.methods:
                raise MethodNotAllowed(f"{delivery.method[:16]!r} is for challenges alone, and this is none")
            if not self._started:
                await self.start()
            preset = self._endpoint.preset
            said = preset.acknowledge
            if said is not None and not isinstance(said, Reply):
                said = said(event, verifier.key(event.secret))
            if preset.batch is not None:
                return await self._open_members(event, started, said)
            key = self._endpoint.key(event)
            receipt = Receipt(started, event=event)
            receipt.acknowledgement = said
            self._take_slot(receipt)
            return await self._claim(receipt, event, key)
        except HookguardError as error:
            self._give_slot(receipt)
            return self.refuse(error, started, delivery, event)
        except BaseException:
            self._give_slot(receipt)
            raise

    async def _meet(
        self, answer: Reply | Offer | Visit, started: float, delivery: Delivery, event: Event | None = None
    ) -> Receipt:
        """Answer a challenge, and hand a secret over where it brings one."""
        if isinstance(answer, Reply):
            return self._answer(started, "challenge", answer, event)
        if isinstance(answer, Visit):
            if self._keys is None or not self._endpoint.confirm_subscription:
                reason = "a subscription is not confirmed: say confirm_subscription=True if it is yours, and send it again"
                return self._answer(started, "challenge", answer.reply, event, reason)
            await self._get(self._keys, answer.address)
            return self._answer(started, "challenge", answer.reply, event, "a subscription was confirmed")
        accept = self._endpoint.accept_secret
        if accept is None:
            raise UnexpectedSecret(
                "the provider's first delivery brings a secret, and nothing here takes it: give the endpoint accept_secret"
            )
        try:
            taken = accept(answer.secret, delivery)
            taken = await taken if inspect.isawaitable(taken) else taken
        except Rejected:
            raise
        except Exception as error:
            raise VerificationUnavailable(f"accept_secret failed: {type(error).__name__}: {error}") from error
        if taken is not True:
            raise UnexpectedSecret("a delivery offers a secret that accept_secret does not take: is no registration under way?")
        return self._answer(started, "challenge", answer.reply, event, "a new secret was taken")

    async def _claim(self, receipt: Receipt, event: Event, key: StoreKey) -> Receipt:
        endpoint = self._endpoint
        token = secrets.token_bytes(16)
        event.idempotency_key = key.idempotency_key
        try:
            claim = await self._store.claim(
                key, token=token, fingerprint=event.fingerprint(), lease=endpoint.lease, retention=endpoint.retention
            )
        except StoreUnavailable as unavailable:
            if not endpoint.runs_unprotected:
                raise
            receipt.unprotected = unavailable
            return receipt
        event.attempt = claim.attempt
        if claim.status == ClaimStatus.ACQUIRED:
            receipt.key, receipt.token = key, token
        if not claim.same_fingerprint and endpoint.reject_reused_id:
            if claim.status == ClaimStatus.ACQUIRED:
                await self._store.release(key, token=token)
            raise EventIdReused("this id came before with another body, and this provider's retries never change theirs")
        if claim.status == ClaimStatus.ACQUIRED:
            if self._heartbeat is not None:
                self._heartbeat.start(key, token)
            return receipt
        self._give_slot(receipt)
        outcome: OutcomeName = "duplicate" if claim.status == ClaimStatus.DONE else "in_progress"
        reply = reply_to_claim(claim if endpoint.store_reply else claim._replace(reply=None), receipt.acknowledgement)
        reason = "" if claim.same_fingerprint else "the body differs from the first one's"
        return self._answer(receipt.started, outcome, reply, event, reason)

    async def _open_members(self, event: Event, started: float, said: Reply | None) -> Receipt:
        """Take in a delivery of several events. One without an identity refuses all of them, before any is run."""
        events = event.events()
        members = Members([(member, self._endpoint.key(member)) for member in events], said)
        if not events:
            return self._answer(started, "challenge", members.done, event, "no event is in it")
        self._take_slot(members)
        following = await self._advance(members)
        if following is not None:
            return following
        return Receipt(started, event=event, reply=members.worst or members.done)

    async def next(self, members: Members) -> Receipt | None:
        following = await self._advance(members)
        raised, members.raised = members.raised, None
        if following is None and (members.worst is None or members.failed):
            return None
        if raised is not None:
            # The framework shows what is raised for the last event alone.
            _log.error("the handler raised for one of several events", exc_info=raised)
        return following or Receipt(time.perf_counter(), reply=members.worst)

    async def _advance(self, members: Members) -> Receipt | None:
        """The next event that is to be run; None when there is none left."""
        try:
            while members.left:
                event, key = members.left.pop()
                receipt = Receipt(time.perf_counter(), event=event)
                receipt.members, receipt.acknowledgement = members, members.acknowledgement
                opened = await self._claim_member(receipt, members, event, key)
                if opened.reply is None:
                    members.failed = False
                    return receipt
                if 200 <= opened.reply.status < 300:
                    members.done = opened.reply
                else:
                    members.note(opened.reply)
        except BaseException:
            self._give_slot(members)
            raise
        self._give_slot(members)
        return None

    async def _claim_member(self, receipt: Receipt, members: Members, event: Event, key: StoreKey) -> Receipt:
        first = members.seen.setdefault(key, event)
        try:
            if first is not event:
                if first.fingerprint() != event.fingerprint() and self._endpoint.reject_reused_id:
                    raise EventIdReused("this id came before in the same delivery, with another content")
                return self._answer(receipt.started, "duplicate", members.done, event, "it came before in the same delivery")
            if members.unprotected is not None:
                event.idempotency_key = key.idempotency_key
                receipt.unprotected = members.unprotected
                return receipt
            opened = await self._claim(receipt, event, key)
        except HookguardError as error:
            if not isinstance(error, Rejected):
                # The store will not answer for the others either: the provider brings them again.
                members.left.clear()
            return self.refuse(error, receipt.started, event.delivery, event)
        members.unprotected = receipt.unprotected
        return opened

    async def settle_member(
        self, members: Members, receipt: Receipt, status: int | None, error: BaseException | None, answer: Reply | None
    ) -> Reply | None:
        """Settle one of several events, and remember what the provider must hear of it."""
        if receipt.key is None and receipt.unprotected is None:
            return None
        if status is None and answer is not None:
            status = answer.status
        if error is not None and not isinstance(error, Exception):
            members.left.clear()
            self._give_slot(members)
        elif error is not None and not isinstance(error, HookguardError):
            members.raised = error
        try:
            reply = await self.settle(receipt, status, error, answer)
        except Exception:
            # Whatever it is, what comes after it must not speak for this event.
            members.note(Reply.problem(503), ran=True)
            raise
        if reply is not None and not 200 <= reply.status < 300:
            members.note(reply, ran=True)
        elif error is not None or status is None or not 200 <= status < 300:
            members.note(Reply.problem(status if error is None and status is not None and status >= 400 else 500), ran=True)
        return reply

    async def settle(
        self, receipt: Receipt, status: int | None, error: BaseException | None, answer: Reply | None = None
    ) -> Reply | None:
        key, receipt.key = receipt.key, None
        unprotected, receipt.unprotected = receipt.unprotected, None
        if key is None and unprotected is None:
            return None  # a reply, or settled before
        if status is None and answer is not None:
            status = answer.status
        if self._heartbeat is not None:
            self._heartbeat.stop(receipt.token)
        self._give_slot(receipt)
        event = receipt.event
        if error is not None and not isinstance(error, Exception):
            # The worker is being stopped; what the handler did so far nobody knows. The lease will run out. What it did in
            # the claim's own transaction is undone, though.
            if key is not None and self._store.capabilities.transactional:
                await self._store.release(key, token=receipt.token)
            self._report("abandoned", receipt.started, event, reason_code=type(error).__name__)
            return None
        if error is None and status is not None and 200 <= status < 300:
            if key is None:
                self._run_unprotected(receipt, event, status, unprotected)
                return receipt.acknowledgement
            return await self._complete(receipt, key, event, status, answer)
        trouble = ""
        try:
            if key is not None and not await self._store.release(key, token=receipt.token):
                trouble = "; its lease had run out"
        except StoreError as unavailable:
            # The handler's own failure is what matters; the lease gives the event back a little later.
            trouble = f"; could not be given back ({unavailable}), so it waits for its lease to run out"
        if isinstance(error, HookguardError) and (reply := reply_to_error(error)) is not None:
            # The handler asked for JSON that is none, or the like.
            self._report(
                "refused" if isinstance(error, Rejected) else "failed",
                receipt.started,
                event,
                reply.status,
                reason_code=getattr(error, "code", ""),
                reason=f"{error}{trouble}",
            )
            return reply
        if error is not None:
            self._report(
                "failed", receipt.started, event, reason_code="handler_raised", reason=f"{type(error).__name__}{trouble}"
            )
        elif status is None:
            self._report(
                "failed", receipt.started, event, reason_code="not_answered", reason=f"receipt.answered() was not called{trouble}"
            )
        else:
            self._report(
                "failed",
                receipt.started,
                event,
                status,
                reason_code="handler_status",
                reason=f"the handler answered {status}{trouble}",
            )
        return None

    async def _complete(self, receipt: Receipt, key: StoreKey, event: Event, status: int, answer: Reply | None) -> Reply | None:
        stored, why_not = self._to_store(answer)
        failure: LeaseLost | StoreUnavailable | StoreMisconfigured | TransactionFailed | None = None
        try:
            if not await self._store.complete(key, token=receipt.token, retention=self._endpoint.retention, reply=stored):
                failure = LeaseLost(
                    f"the handler ran longer than its lease of {self._endpoint.lease:.0f} s and may run again: raise the lease"
                )
        except (StoreUnavailable, StoreMisconfigured, TransactionFailed) as error:
            failure = error
        if failure is None:
            self._report("handled", receipt.started, event, status, reason=why_not)
            return receipt.acknowledgement
        rolled_back = self._store.capabilities.transactional
        if self._endpoint.runs_unprotected and isinstance(failure, StoreUnavailable) and not rolled_back:
            self._run_unprotected(receipt, event, status, failure)
            return receipt.acknowledgement
        receipt.error = failure
        outcome: OutcomeName = (
            "lease_lost"
            if isinstance(failure, LeaseLost)
            else "failed"
            if isinstance(failure, TransactionFailed)
            else "unavailable"
        )
        self._report(outcome, receipt.started, event, failure.status, reason_code=failure.code, reason=str(failure))
        return reply_to_error(failure)

    def _to_store(self, answer: Reply | None) -> tuple[bytes | None, str]:
        """What duplicates will be answered, or why that is the plain 200 although the endpoint stores replies."""
        if not self._endpoint.store_reply:
            return None, ""
        if answer is None:
            return None, "the reply is streamed or over 64 KiB and was not stored"
        try:
            return answer.to_bytes(), ""
        except ValueError as error:
            return None, str(error)

    def _run_unprotected(self, receipt: Receipt, event: Event, status: int, why: StoreUnavailable | None) -> None:
        self._report("unprotected", receipt.started, event, status, reason_code="store_unavailable", reason=str(why))

    def refuse(self, error: HookguardError, started: float, delivery: Delivery, event: Event | None = None) -> Receipt:
        reply = reply_to_error(error, self._endpoint.methods)
        if reply is None:
            raise error
        outcome: OutcomeName = (
            "refused" if isinstance(error, Rejected) else "overloaded" if isinstance(error, Overloaded) else "unavailable"
        )
        self._report(
            outcome,
            started,
            event,
            reply.status,
            reason_code=getattr(error, "code", ""),
            reason=f"{error} [url {delivery.url!r}]" if self._signs_url(error) else str(error),
        )
        return Receipt(started, event=event, reply=reply, error=error)

    def _signs_url(self, error: HookguardError) -> bool:
        # Which URL was checked is what one needs to know when a scheme that signs it refuses; it is not secret there.
        return isinstance(error, Rejected) and "url" in self._endpoint.preset.scheme.covers

    async def _fetch(self, keys: AsyncKeySource, verifier: Verifier, delivery: Delivery) -> Any:
        """The key the delivery needs, if it needs one that is fetched."""
        wanted = verifier.wants(delivery)
        return None if wanted is None else await self._get(keys, wanted)

    async def _get(self, keys: AsyncKeySource, wanted: Wanted) -> Any:
        try:
            found = await keys.get(wanted)
        except HookguardError:
            raise
        except Exception as error:
            # A source of the user's own; unknown is not invalid.
            raise VerificationUnavailable(f"the key source failed: {type(error).__name__}: {error}") from error
        if found is None:
            raise UnknownKey(f"the delivery names the key {wanted.id[:64]!r}, which the provider's list does not hold")
        return found

    async def _find_tenant(self, verifier: Verifier, delivery: Delivery) -> Verifier:
        path = delivery.url.partition("#")[0].partition("?")[0]
        if "://" in path:
            path = "/" + path.partition("://")[2].partition("/")[2]
        try:
            found = verifier.lookup(path, delivery.headers)  # type: ignore[misc]  # the caller saw that it is not None
            tenant = await found if inspect.isawaitable(found) else cast("Tenant | None", found)
            if tenant is None:
                raise UnknownTenant("the secret lookup knows no tenant for this delivery")
            return verifier.for_tenant(tenant)
        except Rejected:
            raise
        except Exception as error:
            # Unknown is not invalid: a database that is down must not turn genuine deliveries away for good.
            raise VerificationUnavailable(f"the secret lookup failed: {type(error).__name__}: {error}") from error

    def _take_slot(self, receipt: Receipt | Members) -> None:
        # Taken after verifying, so that forged deliveries cannot use the places up.
        limit = self._endpoint.max_concurrent
        if limit is None:
            return
        with self._lock:
            if self._running >= limit:
                raise Overloaded(f"{limit} deliveries are being handled, as many as max_concurrent allows")
            self._running += 1
        receipt.slot = True

    def _give_slot(self, receipt: Receipt | Members) -> None:
        if receipt.slot:
            receipt.slot = False
            with self._lock:
                self._running -= 1

    def _answer(
        self, started: float, outcome: OutcomeName, reply: Reply | None, event: Event | None = None, reason: str = ""
    ) -> Receipt:
        self._report(outcome, started, event, reply.status if reply else None, reason=reason)
        return Receipt(started, event=event, reply=reply)

    def _report(
        self,
        outcome: OutcomeName,
        started: float,
        event: Event | None,
        status: int | None = None,
        *,
        reason_code: str = "",
        reason: str = "",
    ) -> None:
        endpoint = self._endpoint
        identifier, kind = _describe(event) if event is not None else ("", "")
        report(
            Outcome(
                endpoint=endpoint.name,
                provider=endpoint.preset.name,
                outcome=outcome,
                status=status,
                reason_code=reason_code,
                reason=reason,
                event_id=identifier,
                event_type=kind,
                tenant=(event.tenant or "") if event is not None else "",
                secret=event.secret if event is not None else "",
                attempt=event.attempt if event is not None else 0,
                duration=time.perf_counter() - started,
            ),
            endpoint.observers,
        )


def _refuse_batch(endpoint: Endpoint) -> None:
    if endpoint.preset.batch is not None:
        raise ConfigurationError(
            f"a delivery of {endpoint.preset.name!r} may carry several events, and receive() is for one: call open(), then"
            " settle() and next() for each, until next() returns None"
        )


def _describe(event: Event) -> tuple[str, str]:
    """The event's id and type for the log, where they can be read."""
    try:
        identifier = event.id
    except Rejected:
        identifier = ""
    try:
        return identifier, event.type
    except Rejected:
        return identifier, ""


def _as_it_is(steps: Coroutine[Any, Any, T]) -> Awaitable[T]:
    """For a store that never suspends: nothing can come in between."""
    return steps
