"""What is looked at in a store before it is relied on: when an application starts, and by ``hookguard store check``."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import secrets
import time
from contextlib import suppress
from typing import Any, Final
from weakref import WeakKeyDictionary

from hookguard.errors import StoreMisconfigured, StoreUnavailable
from hookguard.store import AsyncStore, Capabilities, Checked, Claim, ClaimStatus, StoreKey

__all__ = ["describe", "look_at", "look_once", "try_out"]

_log = logging.getLogger("hookguard.store")

#: How many claim the same event at once.
CLAIMS: Final = 8

#: Seconds before a store that did not answer is looked at again: deliveries must not wait for it twice each.
PAUSE: Final = 10.0

#: Until when a store need not be looked at again.
_seen: WeakKeyDictionary[Any, float] = WeakKeyDictionary()


def describe(capabilities: Capabilities) -> str:
    """Return in words what a store promises."""
    return ", ".join(
        (
            "outlives the process" if capabilities.durable else "forgets at a restart",
            "shared by processes" if capabilities.shared else "one process alone",
            "claims in the handler's own transaction" if capabilities.transactional else "claims by leases",
            f"the {'server' if capabilities.clock == 'server' else 'host'}'s clock",
            "may forget early" if capabilities.may_forget else "never forgets early",
        )
    )


async def look_at(store: Any) -> list[str]:
    """Return what a store, awaited or not, says of itself that is worth knowing.

    Raises StoreUnavailable when it cannot be reached and StoreMisconfigured when it must not be used as it is.
    """
    if not isinstance(store, Checked):
        return []
    said = store.check()
    return await said if inspect.isawaitable(said) else said


async def look_once(store: Any, awaited: AsyncStore) -> bool:
    """Look at a store before this process relies on it, and log what it says; whether it has said anything yet.

    One that cannot be reached may be up by the next delivery: that is logged, and it is looked at again then, but not sooner
    than :data:`PAUSE` seconds later. StoreMisconfigured is raised, every time.
    """
    now = time.monotonic()
    with suppress(TypeError):  # one that cannot be remembered is looked at by each guard
        if (until := _seen.get(store)) is not None and now < until:
            return until == math.inf
    try:
        said = await look_at(awaited)
    except StoreUnavailable as unavailable:
        _log.warning("%r does not answer, so deliveries will get 503: %s", store, unavailable)
        with suppress(TypeError):
            _seen[store] = now + PAUSE
        return False
    with suppress(TypeError):
        _seen[store] = math.inf
    _log.info("%r: %s", store, describe(store.capabilities))
    for sentence in said:
        _log.warning("%r: %s", store, sentence)
    return True


async def try_out(store: AsyncStore) -> None:
    """Claim one event many times at once, complete it, and forget it; StoreMisconfigured when an answer is wrong."""
    key = StoreKey("hookguard/check", secrets.token_hex(16))
    tokens = [secrets.token_bytes(16) for _ in range(CLAIMS)]

    async def claim(token: bytes) -> Claim:
        return await store.claim(key, token=token, fingerprint=b"\0" * 32, lease=60.0, retention=60.0)

    try:
        # A transaction belongs to the thread or task that began it, and its claims are hidden until it ends.
        asked = tokens[:1] if store.capabilities.transactional else tokens
        answers = await asyncio.gather(*(claim(token) for token in asked))
        winners = [token for token, answer in zip(asked, answers, strict=True) if answer.status == ClaimStatus.ACQUIRED]
        if len(winners) != 1:
            raise StoreMisconfigured(f"{len(asked)} claimed one event at once and {len(winners)} got it: it must be one")
        if not await store.complete(key, token=winners[0], retention=60.0):
            raise StoreMisconfigured("the store does not let the holder of a claim complete it")
        if (again := (await claim(tokens[-1])).status) != ClaimStatus.DONE:
            raise StoreMisconfigured(f"a completed event was claimed again and the answer was {again.name}: it must be DONE")
    finally:
        await store.forget(key)
