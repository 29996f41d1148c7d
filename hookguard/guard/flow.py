"""The order of steps for a delivery, written once as coroutines, for both guards."""

from __future__ import annotations

import inspect
import logging
import time
from dataclasses import replace
from os import urandom
from typing import Any, cast

from hookguard.challenge import FetchFirst, SecretOffer
from hookguard.delivery import Delivery
from hookguard.endpoint import Endpoint
from hookguard.errors import (
    HookguardError,
    LeaseLost,
    MethodNotAllowed,
    Overloaded,
    Rejected,
    SignatureMismatch,
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
from hookguard.guard.hashing import LARGE, BesideLoop, claim_not_compared, fingerprint_of
from hookguard.guard.heartbeat import Heartbeat
from hookguard.guard.outcomes import Outcomes
from hookguard.guard.receipt import Members, Ran, Receipt
from hookguard.guard.replies import reply_to_claim, reply_to_error
from hookguard.guard.settling import Settler
from hookguard.keys import AsyncKeySource, Wanted
from hookguard.outcome import OutcomeName
from hookguard.process.locks import Lock
from hookguard.reply import Reply
from hookguard.store import AsyncStore, ClaimStatus, Store, StoreKey
from hookguard.stores.fitness import check_before_use
from hookguard.verifier import Tenant, VerifierLike

__all__ = ["Flow"]

_log = logging.getLogger("hookguard")


class Flow:
    """The steps for a preset with one event per delivery. ``given`` is the user's own store, ``store`` its adapter."""

    def __init__(
        self,
        endpoint: Endpoint,
        store: AsyncStore,
        given: Store | AsyncStore,
        settler: Settler,
        heartbeat: Heartbeat | None,
        keys: AsyncKeySource | None,
        beside_loop: BesideLoop | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._store = store
        self._settler = settler
        self._given = given
        self._started = False
        self._outcomes = Outcomes(endpoint, given)
        self._heartbeat = heartbeat
        self._keys = keys
        self._beside_loop = beside_loop
        self._running = 0
        self._lock = Lock()

    async def start(self) -> None:
        """Check the store once in each process, and log what it reports; see Guard.start."""
        self._started = await check_before_use(self._given, self._store)

    def screen(self, delivery: Delivery) -> Receipt | None:
        """Return the receipt of a delivery that its head alone rejects, or None."""
        try:
            self._endpoint.screen(delivery, body_read=False)
        except Rejected as rejection:
            return self.reject(rejection, time.perf_counter(), delivery)
        return None

    async def open(self, delivery: Delivery) -> Receipt:
        """Verify and claim a delivery."""
        started = time.perf_counter()
        event: Event | None = None
        endpoint, preset, found = self._endpoint, self._endpoint.preset, cast("Any", None)
        verifier, challenge = endpoint.verifier, preset.challenge
        try:
            endpoint.screen(delivery)
            asked = challenge if challenge is not None and challenge.comes_unsigned else None
            if asked is not None and not asked.needs_keys and (answer := asked.unsigned(delivery, ())) is not None:
                return await self._answer_challenge(answer, started, delivery)
            if verifier.lookup is not None:
                verifier = await self._find_tenant(verifier, delivery)
            if asked is not None and asked.needs_keys and (answer := asked.unsigned(delivery, verifier.keys())) is not None:
                return await self._answer_challenge(answer, started, delivery)
            found = None if self._keys is None else await self._fetch(self._keys, verifier, delivery)
            if self._beside_loop is None or len(delivery.body) < LARGE:
                event = verifier.verify(delivery, found=found)
            else:
                event = await self._beside_loop.verify(verifier, delivery, found)
            self._outcomes.note_arrival(event)
            if challenge is not None and (answer := challenge.signed(event, verifier.key(event.secret))) is not None:
                return await self._answer_challenge(answer, started, delivery, event)
            if delivery.method not in preset.methods:
                raise MethodNotAllowed(
                    f"the method {delivery.method[:16]!r} is for challenges only, and this delivery is not one",
                    method=delivery.method,
                    allowed=preset.methods,
                )
            if not self._started:
                await self.start()
            acknowledge = preset.acknowledge
            if acknowledge is not None and not isinstance(acknowledge, Reply):
                acknowledge = acknowledge(event, verifier.key(event.secret))
            return await self._take_in(event, started, acknowledge)
        except HookguardError as error:
            return self._outcomes.reject(error, started, delivery, event, verifier, found, body_read=True)

    async def _take_in(self, event: Event, started: float, acknowledgement: Reply | None) -> Receipt:
        """Claim the event; ``acknowledgement`` is the reply that the provider requires on success."""
        key = self._endpoint.key(event)
        receipt = Receipt(started, event=event)
        receipt.acknowledgement = acknowledgement
        if self._endpoint.max_concurrent is not None:
            self._acquire_slot(receipt)
        try:
            return await self._claim(receipt, event, key)
        except BaseException:
            self._release_slot(receipt)
            raise

    async def begin(self, receipt: Receipt) -> Receipt:
        """Begin the transaction of a worker's run, if the store is transactional."""
        if receipt.held is None or not self._store.capabilities.transactional:
            return receipt
        from hookguard.guard.entry_transaction import begin_entry  # noqa: PLC0415 - only workers need it

        return await begin_entry(receipt, self._endpoint, self._given)

    async def next(self, receipt: Receipt) -> Receipt | None:
        """Return None: the delivery carries one event."""
        return None

    async def _answer_challenge(
        self, answer: Reply | SecretOffer | FetchFirst, started: float, delivery: Delivery, event: Event | None = None
    ) -> Receipt:
        """Answer a challenge. If it brings a secret, pass the secret to ``accept_secret``."""
        if isinstance(answer, Reply):
            return self._outcomes.answer(started, "challenge", answer, event, delivery=delivery)
        if isinstance(answer, FetchFirst):
            if self._keys is None or not self._endpoint.confirm_subscription:
                reason = "not confirmed: if the subscription is yours, set confirm_subscription=True and subscribe once more"
                return self._outcomes.answer(started, "challenge", answer.reply, event, reason, delivery)
            await self._get(self._keys, answer.address)
            return self._outcomes.answer(started, "challenge", answer.reply, event, "the subscription was confirmed", delivery)
        accept = self._endpoint.accept_secret
        if accept is None:
            raise UnexpectedSecret(
                "the delivery brings a secret, and the endpoint has no accept_secret: set it to a function that stores the secret"
            )
        try:
            accepted = accept(answer.secret, delivery)
            accepted = await accepted if inspect.isawaitable(accepted) else accepted
        except Rejected:
            raise
        except Exception as error:
            raise VerificationUnavailable(f"accept_secret failed: {type(error).__name__}: {error}") from error
        if accepted is not True:
            raise UnexpectedSecret("the delivery brings a secret that accept_secret did not accept: is a registration under way?")
        return self._outcomes.answer(started, "challenge", answer.reply, event, "a new secret was accepted", delivery)

    async def _claim(self, receipt: Receipt, event: Event, key: StoreKey) -> Receipt:
        endpoint = self._endpoint
        token = urandom(16)  # as secrets.token_bytes, with two calls less
        event.store_key = key
        try:
            if endpoint.preset.nonce is not None and (nonce := endpoint.nonce_key(event)) is not None:
                await self._spend(nonce, event)
            if self._settler.backlog.used:  # hardly ever: a coroutine and two calls less
                await self._settler.catch_up(key)
            fingerprint = fingerprint_of(event, endpoint)
            claim = await self._store.claim(
                key, token=token, fingerprint=fingerprint, lease=endpoint.lease, retention=endpoint.retention
            )
        except StoreUnavailable as unavailable:
            if not endpoint.runs_unprotected:
                raise
            receipt.unprotected = unavailable
            return receipt
        if not claim.same_fingerprint and endpoint.reject_reused_id:
            claim, token = await claim_not_compared(self._store, self._settler, endpoint, key, token, claim)
        event.attempt = claim.attempt
        if claim.status == ClaimStatus.ACQUIRED:
            receipt.key, receipt.token = key, token
            if self._heartbeat is not None:
                self._heartbeat.start(key, token)
            return receipt
        self._release_slot(receipt)
        outcome: OutcomeName = "duplicate" if claim.status == ClaimStatus.DONE else "in_progress"
        reply = reply_to_claim(claim if endpoint.store_reply else claim._replace(reply=None), receipt.acknowledgement)
        reason = "" if claim.same_fingerprint else "the body differs from the first delivery's"
        return self._outcomes.answer(receipt.started, outcome, reply, event, reason)

    async def _spend(self, nonce: StoreKey, event: Event) -> None:
        """Store the body's fingerprint under the delivery's nonce, and reject the nonce with any other body."""
        endpoint, token = self._endpoint, urandom(16)
        claim = await self._store.claim(
            nonce, token=token, fingerprint=event.fingerprint(), lease=endpoint.lease, retention=endpoint.retention
        )
        if claim.status == ClaimStatus.ACQUIRED:
            await self._store.complete(nonce, token=token, retention=endpoint.retention)
        if not claim.same_fingerprint:
            raise SignatureMismatch("the same signature came before with another body, so one of the two is a forgery")

    async def settle(
        self, receipt: Receipt, status: int | None, error: BaseException | None, answer: Reply | None = None
    ) -> Reply | None:
        """Complete or release the claim, and return the reply to send in place of the handler's own, if any."""
        if receipt.settled:
            return None  # the receipt carries a reply, or was settled before
        status = answer.status if status is None and answer is not None else status
        if receipt.held is not None:
            own = status if error is None else None  # of the handler
            if receipt.transaction is not None:
                return await receipt.transaction.end(receipt, own, error)
            # The worker settles the entry when the whole application has returned.
            receipt.ran = Ran(own, error)
            return reply_to_error(error) if isinstance(error, HookguardError) else None
        key, receipt.key = receipt.key, None
        unprotected, receipt.unprotected = receipt.unprotected, None
        if self._heartbeat is not None:
            self._heartbeat.stop(receipt.token)
        if receipt.slot:
            self._release_slot(receipt)
        if error is not None and not isinstance(error, Exception):
            await self._abandon(receipt, key, error)
            return None
        if error is not None or status is None or not 200 <= status < 300:
            return await self._release_failed(receipt, key, status, error)
        if key is None:
            self._report_unprotected(receipt, status, unprotected)
            return receipt.acknowledgement
        return await self._complete(receipt, key, receipt.event, status, answer)

    async def _abandon(self, receipt: Receipt, key: StoreKey | None, error: BaseException) -> None:
        """Leave the event to its lease: the worker is being stopped, and how far the handler came is unknown."""
        if key is not None and self._store.capabilities.transactional:
            # The handler's writes in the claim's own transaction are rolled back, so the event can be released.
            await self._store.release(key, token=receipt.token)
        self._outcomes.report("abandoned", receipt.started, receipt.event, reason_code=type(error).__name__)

    async def _release_failed(
        self, receipt: Receipt, key: StoreKey | None, status: int | None, error: Exception | None
    ) -> Reply | None:
        """Release the claim of an event that failed, and return the reply if the failure is one of our own errors."""
        trouble = ""
        try:
            if key is not None and not await self._settler.release(key, token=receipt.token):
                trouble = "; its lease had run out"
        except StoreError as unavailable:
            # The handler's own failure matters more than this one.
            trouble = f"; its claim could not be released yet ({unavailable}): it is retried until the lease ends"
        started, event = receipt.started, receipt.event
        if isinstance(error, HookguardError) and (reply := reply_to_error(error)) is not None:
            # For example: the handler read event.json() or event.id, and the body is malformed.
            self._outcomes.report(
                "rejected" if isinstance(error, Rejected) else "failed",
                started,
                event,
                reply.status,
                reason_code=getattr(error, "code", ""),
                reason=f"{error}{trouble}",
            )
            return reply
        if error is not None:
            code, reason = "handler_raised", type(error).__name__
        elif status is None:
            code, reason = "not_answered", "receipt.answered() was not called"
        else:
            code, reason = "handler_status", f"the handler answered {status}"
        self._outcomes.report("failed", started, event, status, reason_code=code, reason=f"{reason}{trouble}")
        return None

    async def _complete(self, receipt: Receipt, key: StoreKey, event: Event, status: int, answer: Reply | None) -> Reply | None:
        stored, why_not = self._to_store(answer) if self._endpoint.store_reply else (None, "")
        answers_anyway = self._endpoint.runs_unprotected and not self._store.capabilities.transactional
        failure: LeaseLost | StoreUnavailable | StoreMisconfigured | TransactionFailed | None = None
        try:
            if not await self._settler.complete(
                key,
                token=receipt.token,
                retention=self._endpoint.retention,
                reply=stored,
                waits=0.0 if answers_anyway else None,
            ):
                failure = LeaseLost(
                    f"the handler ran longer than its lease of {self._endpoint.lease:.0f} s and may run again: raise the lease",
                    lease=self._endpoint.lease,
                )
        except (StoreUnavailable, StoreMisconfigured, TransactionFailed) as error:
            failure = error
        if failure is None:
            self._outcomes.report("handled", receipt.started, event, status, reason=why_not)
            return receipt.acknowledgement
        if answers_anyway and isinstance(failure, StoreUnavailable):
            self._report_unprotected(receipt, status, failure)
            return receipt.acknowledgement
        receipt.error = failure
        outcome: OutcomeName = (
            "lease_lost"
            if isinstance(failure, LeaseLost)
            else "failed"
            if isinstance(failure, TransactionFailed)
            else "unavailable"
        )
        retried = "; it was handled, and its completion is retried until its lease ends"
        is_retried = outcome == "unavailable" and not self._store.capabilities.transactional
        reason = f"{failure}{retried if is_retried else ''}"
        self._outcomes.report(outcome, receipt.started, event, failure.status, reason_code=failure.code, reason=reason)
        return reply_to_error(failure)

    def _to_store(self, answer: Reply | None) -> tuple[bytes | None, str]:
        """Return the bytes to store for duplicates, or None with the reason why duplicates get a plain 200."""
        if answer is None:
            return None, "the reply is streamed or over 64 KiB and was not stored"
        try:
            return answer.to_bytes(), ""
        except ValueError as error:
            return None, str(error)

    def _report_unprotected(self, receipt: Receipt, status: int, why: StoreUnavailable | None) -> None:
        self._outcomes.report(
            "unprotected", receipt.started, receipt.event, status, reason_code="store_unavailable", reason=str(why)
        )

    def reject(self, error: HookguardError, started: float, delivery: Delivery, event: Event | None = None) -> Receipt:
        """Report an error, and return the receipt with the reply to it; raise one that is not about the delivery."""
        return self._outcomes.reject(error, started, delivery, event)

    async def _fetch(self, keys: AsyncKeySource, verifier: VerifierLike, delivery: Delivery) -> Any:
        """Return the key that must be fetched for this delivery, or None if it needs no fetch."""
        wanted = verifier.wants(delivery)
        if wanted is None:
            return None
        if (pinned := self._endpoint.pinned_keys.get(wanted.id)) is not None:
            return pinned
        known = wanted.known or wanted.id in self._endpoint.known_keys
        return await self._get(keys, replace(wanted, known=known, asked_by=delivery.remote or ""))

    async def _get(self, keys: AsyncKeySource, wanted: Wanted) -> Any:
        try:
            found = await keys.get(wanted)
        except HookguardError:
            raise
        except Exception as error:
            # The user's own source may raise anything. The key is unknown then, not invalid.
            raise VerificationUnavailable(f"the key source failed: {type(error).__name__}: {error}") from error
        if found is None:
            raise UnknownKey(
                f"the delivery names the key {wanted.id[:64]!r}, which is not in the provider's list of keys", key_id=wanted.id
            )
        return found

    async def _find_tenant(self, verifier: VerifierLike, delivery: Delivery) -> VerifierLike:
        try:
            path = self._endpoint.looked_up(delivery.url)
            found = verifier.lookup(path, delivery.headers)  # type: ignore[misc]  # the caller saw that it is not None
            tenant = await found if inspect.isawaitable(found) else cast("Tenant | None", found)
            if tenant is None:
                raise UnknownTenant("the secret lookup knows no tenant for this delivery")
            return verifier.for_tenant(tenant)
        except Rejected:
            raise
        except Exception as error:
            # The secret is unknown then, not invalid: a database that is down must not reject genuine deliveries for good.
            raise VerificationUnavailable(f"the secret lookup failed: {type(error).__name__}: {error}") from error

    def _acquire_slot(self, receipt: Receipt | Members) -> None:
        # Acquired after verification, so that forged deliveries cannot use up the slots.
        limit = self._endpoint.max_concurrent
        if limit is None:
            return
        with self._lock:
            if self._running >= limit:
                raise Overloaded(f"{limit} deliveries are being handled, which is the limit (max_concurrent)", limit=limit)
            self._running += 1
        receipt.slot = True

    def _release_slot(self, receipt: Receipt | Members) -> None:
        if receipt.slot:
            receipt.slot = False
            with self._lock:
                self._running -= 1
