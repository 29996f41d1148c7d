"""Bodies are hashed once where once is enough, and large ones in a thread, beside the event loop."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from os import urandom
from typing import Any, Final, cast

from hookguard.delivery import Delivery
from hookguard.endpoint import Endpoint
from hookguard.errors import EventIdReused, Rejected, StoreError
from hookguard.event import Event
from hookguard.guard.bridge import ThreadRunner, to_thread
from hookguard.guard.settling import Settler
from hookguard.store import AsyncStore, Claim, ClaimStatus, StoreKey
from hookguard.verifier import VerifierLike

__all__ = ["LARGE", "NOT_COMPARED", "BesideLoop", "claim_not_compared", "fingerprint_of"]

#: Bytes from which a body is verified in a thread. To parse 64 KiB of small objects takes up to 5 ms, and to hash 25 MiB takes
#: 17 ms; the thread costs 0.1 ms.
LARGE: Final = 65_536

#: The fingerprint of a large body that no step compares with another: not a digest, and the same for every such body.
NOT_COMPARED: Final = bytes(32)


def fingerprint_of(event: Event, endpoint: Endpoint) -> bytes:
    """Return the fingerprint to claim an event with.

    Only an endpoint that rejects reused ids needs it. Elsewhere it only lets the log say that a duplicate's body differs. That
    is worth hashing a small body once more, and not a large one.
    """
    if endpoint.reject_reused_id or len(event.body) < LARGE:
        return event.fingerprint()
    return NOT_COMPARED


async def claim_not_compared(
    store: AsyncStore, settler: Settler, endpoint: Endpoint, key: StoreKey, token: bytes, claim: Claim
) -> tuple[Claim, bytes]:
    """Return another claim, and its token, for an event whose first claim had no fingerprint; otherwise raise EventIdReused.

    ``claim`` found another fingerprint. When ``on_reused_id`` becomes ``"reject"``, the store still holds events that were
    claimed with ``NOT_COMPARED``. Their honest retries must run.
    """
    await _release(settler, key, token, claim)
    token = urandom(16)
    claim = await store.claim(key, token=token, fingerprint=NOT_COMPARED, lease=endpoint.lease, retention=endpoint.retention)
    if claim.same_fingerprint:
        return claim, token
    await _release(settler, key, token, claim)
    raise EventIdReused("this id came before with another body, and this provider's retries never change the body")


async def _release(settler: Settler, key: StoreKey, token: bytes, claim: Claim) -> None:
    if claim.status == ClaimStatus.ACQUIRED:
        with suppress(StoreError):  # it is retried in the background
            await settler.release(key, token=token)


class BesideLoop:
    """Verifies large deliveries in a thread. The event loop runs while hashlib hashes, and between objects of JSON."""

    __slots__ = ("_endpoint", "_in_thread")

    def __init__(self, endpoint: Endpoint, in_thread: ThreadRunner) -> None:
        self._endpoint = endpoint
        self._in_thread = in_thread

    async def verify(self, verifier: VerifierLike, delivery: Delivery, found: Any) -> Event:
        """Verify the delivery, and do for the event what the next steps would do on the loop: parse, and hash once more."""

        def verify() -> Event:
            event = verifier.verify(delivery, found=found)
            with suppress(Rejected):  # the step that needs it raises it once more
                self._prepare(event)
            return event

        return cast("Event", await self._run(verify))

    def _prepare(self, event: Event) -> None:
        endpoint = self._endpoint
        if endpoint.preset.batch is not None:
            event.document()
            return
        if event.lacks_id or endpoint.identity != "id":
            event.digest()
        if endpoint.reject_reused_id or endpoint.inbox is not None:
            event.fingerprint()

    async def events(self, event: Event) -> list[Event]:
        """Return the events of a delivery that may carry several; each is hashed."""
        return cast("list[Event]", await self._run(event.events))

    async def _run(self, call: Callable[[], Any]) -> Any:
        if self._in_thread is to_thread:
            import asyncio  # noqa: PLC0415 - Guard needs none

            try:
                asyncio.get_running_loop()
            except RuntimeError:
                return call()  # another kind of event loop, whose guard was given no way to run threads
        return await self._in_thread(call)
