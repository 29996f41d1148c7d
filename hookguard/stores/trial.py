"""What is worth knowing of a table of events before it is relied on, for whoever runs the contract's steps."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any, Final

from hookguard.errors import StoreMisconfigured
from hookguard.store import ClaimStatus, StoreKey
from hookguard.stores.statements import Statements, Steps

__all__ = ["try_table"]

#: Seconds between the clocks that are worth a word: a delivery's timestamp is judged by the process, leases by the server.
OFFSET: Final = 1.0

#: Expired events that no purge got to, and events altogether, that are worth a word.
EXPIRED: Final = 10_000
MANY: Final = 10_000_000


def try_table(run: Callable[[Steps], Any], steps: Statements, *, purge: str) -> list[str]:
    """Return remarks; ``purge`` says how to delete a backlog. Leaves nothing behind.

    Raises StoreMisconfigured when the table cannot be written or does not answer as the contract says.
    """
    before = time.time()
    now, events, expired, writable = run(steps.state(EXPIRED))
    if not writable:
        raise StoreMisconfigured(f"this {steps.database} server is read-only, a replica perhaps: claims need the primary one")
    _claim(run, steps)
    remarks = []
    offset = now - (before + time.time()) / 2
    if abs(offset) >= OFFSET:
        remarks.append(
            f"the database's clock is {abs(offset):.1f} s {'ahead of' if offset > 0 else 'behind'} this process's: leases are"
            " judged by the former, the timestamps of deliveries by the latter; synchronise both"
        )
    if expired >= EXPIRED:
        remarks.append(f"at least {expired} expired events wait to be deleted: {purge}")
    if events >= MANY:
        remarks.append(f"the table {steps.table!r} holds about {events} events: see the page on SQL stores for its upkeep")
    return remarks


def _claim(run: Callable[[Steps], Any], steps: Statements) -> None:
    key = StoreKey("hookguard/check", secrets.token_hex(16))
    mine, other = secrets.token_bytes(16), secrets.token_bytes(16)
    asked = [run(steps.claim(key, token, b"\0" * 32, 60.0, 60.0)).status for token in (mine, other)]
    done = run(steps.complete(key, mine, 60.0, None))
    asked.append(run(steps.claim(key, other, b"\0" * 32, 60.0, 60.0)).status)
    forgotten = run(steps.forget(key))
    if asked != [ClaimStatus.ACQUIRED, ClaimStatus.IN_PROGRESS, ClaimStatus.DONE] or not (done and forgotten):
        raise StoreMisconfigured(
            f"an event on trial in {steps.table!r} was answered {', '.join(status.name for status in asked)} and not ACQUIRED,"
            " IN_PROGRESS, DONE: is there a trigger on the table, or a rule?"
        )
