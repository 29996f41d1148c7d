"""The inbox contract as SQL: each operation is a generator that yields statements and receives their results.

The generators do no input or output. The steps of one operation are one transaction, which holds the database's write lock or
the rows it reads. ``now`` is a parameter: the store's clock, read once in the transaction. See :mod:`hookguard.inbox.contract`
for the states.

``due_at`` is null for done and dead entries, so that the index of what is due holds no other. ``prune_at`` is null for waiting
and held entries. ``held_line`` is unique: two workers that race for one line cannot both win.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, Protocol

from hookguard.inbox.contract import (
    CRASHES,
    Count,
    Entry,
    EntryState,
    Held,
    Kept,
    Lane,
    Put,
    PutStatus,
    entry_key,
    split_key,
)
from hookguard.inbox.settings import InboxSettings
from hookguard.store import StoreKey
from hookguard.stores import inbox_sql as sql
from hookguard.stores.statements import Statement

__all__ = [
    "LONGEST_REASON",
    "WHOLE_KEY",
    "InboxStatements",
    "InboxSteps",
    "Keys",
    "dead_from_rows",
    "entry_at",
    "entry_from_row",
    "held_from_row",
    "lapsed",
    "line_of",
    "row_of",
]

#: Longest reason that is stored, in characters.
LONGEST_REASON: Final = 1024

#: Characters of the id in an entry's key.
WHOLE_KEY: Final = 64

#: The most lanes in one statement.
_LANES: Final = 50

InboxSteps = Generator[Statement, Any, Any]


class Keys(Protocol):
    """The table of claims, as the inbox uses it: the key of an event outlives its entries."""

    @abstractmethod
    def occupy(self, event: Kept, now: float) -> InboxSteps:
        """Write the event's key as done, without an end; return None, or the Put that says why it is not free."""

    @abstractmethod
    def known(self, event: Kept, now: float) -> InboxSteps:
        """Return the Put for a key that is not free, or None if it is. Writes nothing."""

    @abstractmethod
    def remember(self, key: StoreKey, until: float) -> InboxSteps:
        """Let the key expire then."""

    @abstractmethod
    def forget(self, key: StoreKey) -> InboxSteps:
        """Delete the key; return how many rows that were."""


class InboxStatements:
    """The operations of one inbox table. ``keys`` are those on the table of claims beside it."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def put(self, events: Sequence[Kept], now: float) -> InboxSteps:
        """Return a Put for each event."""
        answers: list[Put] = []
        for event in events:
            refusal: Put | None = yield from self._keys.occupy(event, now)
            answers.append(
                (yield from self._store(event, now)) if refusal is None else (yield from self.again(event, refusal, now))
            )
        return answers

    def known(self, events: Sequence[Kept], now: float) -> InboxSteps:
        """Return the answers if all events are known and none is dead, so that nothing has to be written; otherwise None."""
        answers: list[Put] = []
        for event in events:
            found: Put | None = yield from self._keys.known(event, now)
            if found is None:
                return None
            dead = Statement(sql.DEAD, {"id": event.key.idempotency_key}, fetch=True)
            if found.status is PutStatus.KNOWN and (yield dead):
                return None
            answers.append(found)
        return answers

    def _store(self, event: Kept, now: float) -> InboxSteps:
        stored = 0
        for part in event.parts:
            values = {**row_of(event, now), "part": part, "line": line_of(event.line, part)}
            stored += yield Statement(sql.STORE, values, fetch=False)
        return Put(PutStatus.STORED if stored else PutStatus.KNOWN)

    def again(self, event: Kept, refusal: Put, now: float) -> InboxSteps:
        """Make a dead event due again, if its provider sends it once more."""
        if refusal.status is not PutStatus.KNOWN or not (refusal.same_fingerprint or event.takes_other_body):
            return refusal
        row = row_of(event, now)
        # A look comes first: on MySQL the update would wait for a transaction that handles the entry.
        if not (yield Statement(sql.DEAD, {"id": row["id"]}, fetch=True)):
            return refusal
        values = {name: row[name] for name in ("id", "now", "head", "body", "content", "retention")}
        revived: int = yield Statement(sql.AGAIN, values, fetch=False)
        return refusal._replace(status=PutStatus.AGAIN) if revived > 0 else refusal

    def look(self, lane: Lane, now: float) -> InboxSteps:
        """Return an empty list if nothing can be taken, otherwise None. Writes nothing."""
        rows = yield Statement(sql.LOOK, {**lane._asdict(), "now": now}, fetch=True)
        return None if rows else []

    def due(self, lanes: Sequence[Lane], now: float, looks: tuple[str, ...] = (sql.LOOK,)) -> InboxSteps:
        """Return whether anything can be taken from one of the lanes. Writes nothing."""
        for first in range(0, len(lanes), _LANES):
            few = lanes[first : first + _LANES]
            values: dict[str, Any] = {"now": now}
            for number, lane in enumerate(few):
                values |= {f"endpoint{number}": lane.endpoint, f"part{number}": lane.part}
            if (yield Statement(_look_in(looks, len(few)), values, fetch=True))[0][0]:
                return True
        return False

    def take(self, lane: Lane, tokens: Sequence[bytes], *, lease: float, settings: InboxSettings, now: float) -> InboxSteps:
        """Return at most as many Held as there are tokens, and those that are dead now."""
        died = yield Statement(sql.DIED, {**lane._asdict(), "now": now}, fetch=True)
        yield lapsed(sql.LAPSED, lane._asdict(), settings, now)
        rows = yield Statement(sql.DUE, {**lane._asdict(), "now": now, "limit": len(tokens)}, fetch=True)
        held = dead_from_rows(died)
        for (seq,), token in zip(rows, tokens, strict=False):
            held += yield from self._hold(seq, token, lease, now)
        return held

    def take_one(self, key: str, token: bytes, *, lease: float, settings: InboxSettings, now: float) -> InboxSteps:
        """Return the Held, or None."""
        at = entry_at(key)
        yield lapsed(sql.LAPSED_ONE, at, settings, now)
        rows = yield Statement(sql.ONE, at, fetch=True)
        held = (yield from self._hold(rows[0][0], token, lease, now)) if rows else []
        return held[0] if held else None

    def _hold(self, seq: int, token: bytes, lease: float, now: float) -> InboxSteps:
        rows = yield Statement(sql.HOLD, {"seq": seq, "token": token, "lease": lease, "now": now}, fetch=True)
        return [held_from_row(row) for row in rows]

    def complete(self, key: str, token: bytes, settings: InboxSettings, now: float) -> InboxSteps:
        """Return whether the token held the entry."""
        mine = {**entry_at(key), "token": token}
        if (yield Statement(sql.COMPLETE, {**mine, "keep": settings.keep, "nothing": b"", "now": now}, fetch=False)) > 0:
            return True
        return bool((yield Statement(sql.COMPLETED, mine, fetch=True)))

    def begin(self, key: str, token: bytes) -> InboxSteps:
        """Take the entry into the handler's transaction; return whether the token held it."""
        return _settled(sql.BEGIN, key, token, 0.0, own=own_token(token))

    def commit(self, key: str, token: bytes, settings: InboxSettings, now: float) -> InboxSteps:
        """Mark the entry as done; return whether the transaction is still the one that ``begin`` was part of."""
        return _settled(sql.COMPLETE, key, own_token(token), now, keep=settings.keep, nothing=b"")

    def committed(self, key: str, token: bytes) -> InboxSteps:
        """Return whether the entry is done, by the transaction of this token."""
        return bool((yield Statement(sql.COMPLETED, {**entry_at(key), "token": own_token(token)}, fetch=True)))

    def release(self, key: str, token: bytes, after: float, reason: str, settings: InboxSettings, now: float) -> InboxSteps:
        """Return whether the token held the entry."""
        values = {"after": after, "reason": reason[:LONGEST_REASON], "tries": settings.tries, "keep_dead": settings.keep_dead}
        return _settled(sql.RELEASE, key, token, now, **values)

    def extend(self, key: str, token: bytes, lease: float, now: float) -> InboxSteps:
        """Return whether the token held the entry."""
        return _settled(sql.EXTEND, key, token, now, lease=lease)

    def give_back(self, key: str, token: bytes, after: float, now: float) -> InboxSteps:
        """Return whether the token held the entry."""
        return _settled(sql.GIVE_BACK, key, token, now, after=after)

    def give_up(self, key: str, token: bytes, reason: str, settings: InboxSettings, now: float) -> InboxSteps:
        """Return whether the token held the entry."""
        return _settled(sql.GIVE_UP, key, token, now, reason=reason[:LONGEST_REASON], keep_dead=settings.keep_dead)

    def counts(self, now: float) -> InboxSteps:
        """Return a Count for each lane and state."""
        live = yield Statement(sql.COUNT_LIVE, {}, fetch=True)
        kept = yield Statement(sql.COUNT_KEPT, {}, fetch=True)
        return [
            Count(Lane(endpoint, part), EntryState(state), number, oldest, max(0.0, now - oldest) if oldest is not None else 0.0)
            for endpoint, part, state, number, oldest in (*live, *kept)
        ]

    def find(
        self,
        state: EntryState | None,
        endpoint: str | None,
        event_type: str | None,
        key: str | None,
        after: int | None,
        limit: int,
    ) -> InboxSteps:
        """Return the entries, the newest first."""
        begins, part = split_key(key) if key is not None else (None, None)
        values = {"state": state, "endpoint": endpoint, "event_type": event_type, "after": after, "limit": limit}
        values |= {"begins": begins, "part": part or None}
        whole = begins is not None and len(begins) == WHOLE_KEY
        rows = yield Statement(sql.FIND_WHOLE if whole else sql.FIND, values, fetch=True)
        return [entry_from_row(row) for row in rows]

    def open(self, key: str) -> InboxSteps:
        """Return the Kept, or None."""
        rows = yield Statement(sql.OPEN, entry_at(key), fetch=True)
        return held_from_row(rows[0]).kept if rows else None

    def rerun(self, keys: Sequence[str], reason: str, by: str, now: float) -> InboxSteps:
        """Return how many are due again."""
        said = f"rerun by {by}: {reason}"[:LONGEST_REASON]
        changed = 0
        for key in dict.fromkeys(keys):
            changed += max(0, (yield Statement(sql.RERUN, {**entry_at(key), "now": now, "reason": said}, fetch=False)))
        return changed

    def drop(self, keys: Sequence[str], now: float) -> InboxSteps:
        """Return how many are gone."""
        gone: list[Any] = []
        for key in dict.fromkeys(keys):
            gone += yield Statement(sql.DROP, entry_at(key), fetch=True)
        yield from self._remember(gone, now)
        return len(gone)

    def prune(self, limit: int, now: float) -> InboxSteps:
        """Return how many are gone."""
        gone = yield Statement(sql.PRUNE, {"limit": limit, "now": now}, fetch=True)
        yield from self._remember(gone, now)
        return len(gone)

    def forget(self, key: StoreKey) -> InboxSteps:
        """Return whether the key is gone, with its done and dead entries; False if one is waiting or held, or none was there."""
        at = {"id": key.idempotency_key}
        if (yield Statement(sql.LIVE, at, fetch=True)):
            return False
        entries: int = yield Statement(sql.FORGET, at, fetch=False)
        known: int = yield from self._keys.forget(key)
        return entries > 0 or known > 0

    def _remember(self, gone: Sequence[Any], now: float) -> InboxSteps:
        """Let the keys expire whose last entry is gone."""
        longest: dict[str, tuple[StoreKey, float]] = {}
        for id, scope, event_id, retention in gone:  # noqa: A001 - the column's name
            longest[id] = StoreKey(scope, event_id), max(retention, longest.get(id, (None, 0.0))[1])
        for id, (key, retention) in longest.items():  # noqa: A001 - the column's name
            if not (yield Statement(sql.OTHERS, {"id": id}, fetch=True)):
                yield from self._keys.remember(key, now + retention)


@lru_cache
def _look_in(looks: tuple[str, ...], lanes: int) -> str:
    """Return the statement that looks for entries in so many lanes, up to the first one.

    Not with EXISTS: PostgreSQL leaves out its ORDER BY and LIMIT, and may read the whole table then.
    """
    numbered = (
        look.replace(":endpoint", f":endpoint{number}").replace(":part", f":part{number}")
        for number in range(lanes)
        for look in looks
    )
    return f"SELECT COALESCE({', '.join(f'({each})' for each in numbered)}, 0)"


def _settled(statement: str, key: str, token: bytes, now: float, **values: Any) -> InboxSteps:
    changed: int = yield Statement(statement, {**entry_at(key), "token": token, "now": now, **values}, fetch=False)
    return changed > 0


def own_token(token: bytes) -> bytes:
    """Return the token of the transaction in which the holder of ``token`` runs the handler."""
    return hashlib.sha256(b"transaction" + token).digest()[:16]


def lapsed(statement: str, values: dict[str, Any], settings: InboxSettings, now: float) -> Statement:
    """Free the entries whose workers died."""
    schedule = settings.schedule
    waits = {f"wait{crashes}": schedule.wait(crashes) for crashes in (2, 3, 4)}
    return Statement(statement, {**values, **waits, "keep_dead": settings.keep_dead, "now": now}, fetch=False)


def entry_at(key: str) -> dict[str, Any]:
    """Return the values that name an entry."""
    id, part = split_key(key)  # noqa: A001 - the column's name
    return {"id": id, "part": part}


def row_of(event: Kept, now: float) -> dict[str, Any]:
    """Return the values of an event's row, for each of its parts."""
    return {
        "id": event.key.idempotency_key,
        "endpoint": event.endpoint,
        "scope": event.key.scope,
        "event_id": event.key.id,
        "event_type": event.event_type,
        "retention": event.retention,
        "head": event.head,
        "body": event.body,
        "content": event.content,
        "now": now,
    }


def line_of(line: str | None, part: str) -> str | None:
    """Each part has lines of its own: a target that is down must not hold the others back."""
    return line if line is None or not part else hashlib.sha256(f"{line}\0{part}".encode()).hexdigest()


def dead_from_rows(rows: Sequence[Any]) -> list[Held]:
    """Return the entries that died in this transaction, for their worker to report."""
    return [replace(held_from_row(row), token=b"", crashes=CRASHES) for row in rows]


def held_from_row(row: Any) -> Held:
    """Return the Held of a row; its columns are those of HOLD."""
    _, id, part, endpoint, scope, event_id, event_type, token, attempt, crashes, received_at, retention, *rest = row  # noqa: A001 - the column's name
    line, head, body, content = rest
    kept = Kept(
        key=StoreKey(scope, event_id),
        endpoint=endpoint,
        event_type=event_type,
        head=head,
        body=bytes(body),
        content=None if content is None else bytes(content),
        retention=retention,
        line=line,
        parts=(part,),
    )
    return Held(
        key=entry_key(id, part),
        lane=Lane(endpoint, part),
        token=b"" if token is None else bytes(token),
        attempt=attempt,
        crashes=crashes,
        received_at=received_at,
        kept=kept,
    )


def entry_from_row(row: Any) -> Entry:
    """Return the Entry of a row; its columns are those of FIND."""
    seq, id, part, endpoint, state, *facts = row  # noqa: A001 - the column's name
    entry = Entry._make((entry_key(id, part), seq, Lane(endpoint, part), EntryState(state), *facts))
    return entry._replace(reason=entry.reason or "")
