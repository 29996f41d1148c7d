"""What is worth knowing of a table before it is relied on."""

from __future__ import annotations

import secrets
import time
from typing import Final

from sqlalchemy.engine import Connection

from hookguard.errors import StoreMisconfigured
from hookguard.store import ClaimStatus, StoreKey
from hookguard.stores.sql.running import run
from hookguard.stores.sql.table import problems
from hookguard.stores.statements import Statements

__all__ = ["look_over"]

#: Seconds between the clocks that are worth a word: a delivery's timestamp is judged by the process, leases by the server.
OFFSET: Final = 1.0

#: Expired events that no purge got to, and events altogether, that are worth a word.
EXPIRED: Final = 10_000
MANY: Final = 10_000_000


def look_over(connection: Connection, steps: Statements) -> list[str]:
    """Return remarks; raise StoreMisconfigured when the table cannot hold claims. Leaves nothing behind."""
    if wrong := problems(connection, steps.table):
        raise StoreMisconfigured("; ".join(wrong))
    before = time.time()
    now, events, expired, writable = run(connection, steps.state(EXPIRED))
    if not writable:
        raise StoreMisconfigured(f"this {steps.database} server is read-only, a replica perhaps: claims need the primary one")
    _claim(connection, steps)
    remarks = []
    offset = now - (before + time.time()) / 2
    if abs(offset) >= OFFSET:
        remarks.append(
            f"the database's clock is {abs(offset):.1f} s {'ahead of' if offset > 0 else 'behind'} this process's: leases are"
            " judged by the former, the timestamps of deliveries by the latter; synchronise both"
        )
    if expired >= EXPIRED:
        remarks.append(f"at least {expired} expired events wait to be deleted: call purge(limit=1000) until it returns 0")
    if events >= MANY:
        remarks.append(f"the table {steps.table!r} holds about {events} events: see the page on SQL stores for its upkeep")
    return remarks


def _claim(connection: Connection, steps: Statements) -> None:
    key = StoreKey("hookguard/check", secrets.token_hex(16))
    mine, other = secrets.token_bytes(16), secrets.token_bytes(16)
    asked = [run(connection, steps.claim(key, token, b"\0" * 32, 60.0, 60.0)).status for token in (mine, other)]
    done = run(connection, steps.complete(key, mine, 60.0, None))
    asked.append(run(connection, steps.claim(key, other, b"\0" * 32, 60.0, 60.0)).status)
    forgotten = run(connection, steps.forget(key))
    if asked != [ClaimStatus.ACQUIRED, ClaimStatus.IN_PROGRESS, ClaimStatus.DONE] or not (done and forgotten):
        raise StoreMisconfigured(
            f"an event on trial in {steps.table!r} was answered {', '.join(status.name for status in asked)} and not ACQUIRED,"
            " IN_PROGRESS, DONE: is there a trigger on the table, or a rule?"
        )
