"""The inbox contract on PostgreSQL, MySQL and MariaDB: the steps of each operation, without I/O.

Many workers take at the same time, so entries are locked with SKIP LOCKED: no worker waits for another. PostgreSQL puts and
takes with one statement each. MySQL and MariaDB have no such statements: there the steps are one transaction, at READ COMMITTED.
Instants are the server's clock, unless a clock is given.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, cast

from hookguard.errors import StoreUnavailable
from hookguard.inbox.contract import Count, Entry, EntryState, Held, Kept, Lane, Put, PutStatus
from hookguard.inbox.settings import InboxSettings
from hookguard.store import StoreKey
from hookguard.stores import inbox_server_sql as sql
from hookguard.stores import inbox_sql as plain
from hookguard.stores.inbox_completions import Completion, completed
from hookguard.stores.inbox_keys import put_from_row
from hookguard.stores.inbox_puts import all_put
from hookguard.stores.inbox_server_sql import ServerSQL, inbox_table_name
from hookguard.stores.inbox_statements import (
    LONGEST_REASON,
    WHOLE_KEY,
    InboxStatements,
    InboxSteps,
    Keys,
    dead_from_rows,
    entry_at,
    entry_from_row,
    held_from_row,
    lapsed,
    line_of,
    row_of,
)
from hookguard.stores.inbox_work import InboxWork
from hookguard.stores.statements import Database, Statement

__all__ = ["ServerInbox"]

#: The keys that ``entry_key`` makes. No other text names an entry, and not every text suits every database.
_KEY: Final = re.compile(r"[0-9a-f]{64}(\.[^\0]{1,64})?")

#: How often a put looks again, if the key's row changes meanwhile.
_ROUNDS: Final = 4


class ServerInbox:
    """Makes the operations on the inbox table beside the table ``events``."""

    def __init__(self, database: Database, events: str, clock: Callable[[], float] | None = None) -> None:
        self.table = inbox_table_name(events)
        self._mysql = database == "mysql"
        self._clock = clock
        self._sql = ServerSQL(database, events, self.table, given=clock is not None)
        # Of these only the operations that leave the keys alone.
        self._same = InboxStatements(cast("Keys", None))

    def _work(self, steps: InboxSteps) -> InboxSteps:
        """Run steps in this database's SQL."""
        try:
            statement: Statement = next(steps)
            while True:
                values = {name: value for name, value in statement.values.items() if name != "now"}
                if self._clock is not None:
                    values["now"] = self._clock()
                found = yield Statement(self._sql.write(statement.sql), values, statement.fetch)
                statement = steps.send(found)
        except StopIteration as done:
            return done.value

    def _make(
        self, steps: Callable[[], InboxSteps], *, together: bool = False, look: Callable[[], InboxSteps] | None = None
    ) -> InboxWork[Any]:
        return InboxWork(lambda: self._work(steps()), together, None if look is None else lambda: self._work(look()))

    def _mine(self, key: str, steps: Callable[[], InboxSteps], answer: Any = False, **more: Any) -> InboxWork[Any]:
        """Make an operation on one entry; ``answer`` is that for a key that names none."""
        return self._make(steps if _KEY.fullmatch(key) else lambda: _nothing(answer), **more)

    # --- put

    def put(self, events: Sequence[Kept]) -> InboxWork[list[Put]]:
        """Return a Put for each event."""
        return self._make(lambda: self._put(list(events)), together=self._mysql or len(events) > 1)

    def put_all(self, events: Sequence[Kept]) -> InboxWork[list[Put | StoreUnavailable]]:
        """PostgreSQL: the same, but each event is stored on its own."""
        return self._make(lambda: all_put(events, self._put_one))

    def _put(self, events: list[Kept]) -> InboxSteps:
        answers: list[Put] = []
        for event in events:
            answer: Put = yield from self._put_one(event)
            answers.append(answer)
        return answers

    def _put_one(self, event: Kept) -> InboxSteps:
        for _ in range(_ROUNDS):
            stored = yield from (self._insert(event) if self._mysql else self._upsert(event))
            if stored:
                return Put(PutStatus.STORED)
            found: Put | None = yield from self.known(event, 0.0)
            if found is not None:
                return (yield from self._same.again(event, found, 0.0))
        raise StoreUnavailable("the event's row changes faster than it can be read: the provider's retry settles it")

    def _upsert(self, event: Kept) -> InboxSteps:
        parts = {f"part{number}": part for number, part in enumerate(event.parts)}
        lines = {f"line{number}": line_of(event.line, part) for number, part in enumerate(event.parts)}
        rows = ", ".join(f"(:{part}, :{line})" for part, line in zip(parts, lines, strict=True))
        values = {**_values(event), **parts, **lines, "any_body": event.takes_other_body}
        return (yield Statement(sql.PUT.replace("{parts}", rows), values, fetch=True))

    def _insert(self, event: Kept) -> InboxSteps:
        """MySQL: return whether the event was stored."""
        # A look without a lock comes first: two that insert the same key would wait for each other's locks.
        if (yield from self.known(event, 0.0)) is not None:
            return False
        values = _values(event)
        key = {name: values[name] for name in ("id", "scope", "event_id", "token", "fingerprint")}
        if (yield Statement(sql.NEW_KEY, key, fetch=False)) != 1:
            if (yield from self._known(event, "FOR UPDATE")) is not None:
                return False
            taken = {name: values[name] for name in ("id", "token", "fingerprint")}
            yield Statement(sql.TAKE_KEY, taken, fetch=False)
        del values["token"], values["fingerprint"]
        for part in event.parts:
            yield Statement(sql.STORE, {**values, "part": part, "line": line_of(event.line, part)}, fetch=False)
        return True

    def known(self, event: Kept, now: float) -> InboxSteps:
        """Return the Put for a key that is not free, or None if it is. Writes and locks nothing."""
        return self._known(event, "")

    def _known(self, event: Kept, lock: str) -> InboxSteps:
        rows = yield Statement(sql.LOOK_KEY.replace("{lock}", lock), {"id": event.key.idempotency_key}, fetch=True)
        if not rows:
            return None
        *row, now = rows[0]
        return put_from_row(row, event, now)

    # --- take

    def take(self, lane: Lane, limit: int, lease: float, settings: InboxSettings) -> InboxWork[list[Held]]:
        """Return at most ``limit`` Held, and those that are dead now."""
        if limit < 1:
            return self._make(lambda: _nothing([]))
        tokens = [secrets.token_bytes(16) for _ in range(limit)]
        values = lane._asdict()

        def take() -> InboxSteps:
            died = (yield Statement(sql.LOCK_DIED, values, fetch=True)) if self._mysql else []
            freed = yield from self._free_lapsed(sql.LOCK_LAPSED, values, settings)
            # The number itself, not a parameter: otherwise PostgreSQL plans for a tenth of the table.
            due = sql.LOCK_DUE.replace(":limit", str(limit))
            return [*dead_from_rows([*died, *freed]), *(yield from self._hold(due, values, tokens, lease))]

        def look() -> InboxSteps:
            return None if (yield Statement(sql.LOOK, values, fetch=True)) else []

        return self._make(take, together=self._mysql, look=look if self._mysql else None)

    def due(self, lanes: Sequence[Lane]) -> InboxWork[bool]:
        """Return whether anything can be taken from one of the lanes."""
        return self._make(lambda: self._same.due(lanes, 0.0, (sql.LOOK_LAPSED, sql.LOOK_DUE)))

    def take_one(self, key: str, lease: float, settings: InboxSettings) -> InboxWork[Held | None]:
        """Return the Held, or None."""
        at, token = entry_at(key), secrets.token_bytes(16)

        def take() -> InboxSteps:
            yield from self._free_lapsed(sql.LOCK_LAPSED_ONE, at, settings)
            held = yield from self._hold(sql.LOCK_ONE, at, [token], lease)
            return held[0] if held else None

        return self._mine(key, take, None, together=self._mysql)

    def _free_lapsed(self, lock: str, values: dict[str, Any], settings: InboxSettings) -> InboxSteps:
        """Free the entries whose workers died: those that ``lock`` finds, and no transaction holds.

        Return the rows of those that are dead by it; on MySQL none, where they are read before.
        """
        if not self._mysql:
            return (yield lapsed(sql.lapsed(lock), values, settings, 0.0)._replace(fetch=True))
        if seqs := [seq for (seq,) in (yield Statement(lock, values, fetch=True))]:
            names, numbers = _listed("seq", seqs)
            yield lapsed(plain.LAPSED_SEVERAL.replace("{seqs}", names), numbers, settings, 0.0)
        return []

    def _hold(self, due: str, at: dict[str, Any], tokens: Sequence[bytes], lease: float) -> InboxSteps:
        if not self._mysql:
            values = {**at, "tokens": b"".join(tokens), "lease": lease}
            rows = yield Statement(sql.TAKE.replace("{due}", due), values, fetch=True)
            return [held_from_row(row[1:]) for row in sorted(rows, key=lambda row: int(row[0]))]
        seqs = [seq for (seq,) in (yield Statement(due, at, fetch=True))]
        if not seqs:
            return []
        names, numbers = _listed("seq", seqs)
        given = {f"token{number}": token for number, token in enumerate(tokens[: len(seqs)])}
        cases = " ".join(f"WHEN :seq{number} THEN :token{number}" for number in range(len(seqs)))
        hold = sql.HOLD.replace("{tokens}", cases).replace("{seqs}", names)
        yield Statement(hold, {**numbers, **given, "lease": lease}, fetch=False)
        rows = yield Statement(sql.HELD.replace("{seqs}", names), numbers, fetch=True)
        return [held_from_row(row) for row in sorted(rows, key=lambda row: seqs.index(row[0]))]

    # --- what the holder settles

    def complete(self, key: str, token: bytes, settings: InboxSettings) -> InboxWork[bool]:
        """Return whether the token held the entry."""
        return self._mine(key, lambda: self._same.complete(key, token, settings, 0.0))

    def complete_all(self, completions: Sequence[Completion]) -> InboxWork[list[bool]]:
        """PostgreSQL: the same for many entries, whose keys were read from the table."""
        return self._make(lambda: completed(completions, lambda each: self._same.complete(*each, 0.0)))

    def release(self, key: str, token: bytes, after: float, reason: str, settings: InboxSettings) -> InboxWork[bool]:
        """Return whether the token held the entry."""
        return self._mine(key, lambda: self._same.release(key, token, after, _text(reason), settings, 0.0))

    def extend(self, key: str, token: bytes, lease: float) -> InboxWork[bool]:
        """Return whether the token held the entry."""
        return self._mine(key, lambda: self._same.extend(key, token, lease, 0.0))

    def give_back(self, key: str, token: bytes, after: float) -> InboxWork[bool]:
        """Return whether the token held the entry."""
        return self._mine(key, lambda: self._same.give_back(key, token, after, 0.0))

    def give_up(self, key: str, token: bytes, reason: str, settings: InboxSettings) -> InboxWork[bool]:
        """Return whether the token held the entry."""
        return self._mine(key, lambda: self._same.give_up(key, token, _text(reason), settings, 0.0))

    # --- in the handler's transaction

    def begin(self, key: str, token: bytes) -> InboxWork[bool]:
        """Return whether the token held the entry, which is locked then."""
        return self._mine(key, lambda: self._same.begin(key, token))

    def commit(self, key: str, token: bytes, settings: InboxSettings) -> InboxWork[bool]:
        """Return whether the transaction is still the one that ``begin`` was part of."""
        return self._mine(key, lambda: self._same.commit(key, token, settings, 0.0))

    def committed(self, key: str, token: bytes) -> InboxWork[bool]:
        """Return whether the entry is done, by the transaction of this token."""
        return self._mine(key, lambda: self._same.committed(key, token))

    # --- what people do

    def counts(self) -> InboxWork[list[Count]]:
        """Return a Count for each lane and state."""

        def counts() -> InboxSteps:
            live = yield Statement(sql.COUNT_LIVE, {}, fetch=True)
            kept = yield Statement(plain.COUNT_KEPT, {}, fetch=True)
            return [
                *(
                    Count(Lane(endpoint, part), EntryState(state), number, oldest, max(0.0, now - oldest))
                    for endpoint, part, state, number, oldest, now in live
                ),
                *(Count(Lane(endpoint, part), EntryState(state), number, None, 0.0) for endpoint, part, state, number, _ in kept),
            ]

        return self._make(counts)

    def find(
        self,
        state: EntryState | None,
        endpoint: str | None,
        event_type: str | None,
        key: str | None,
        after: int | None,
        limit: int,
    ) -> InboxWork[list[Entry]]:
        """Return the entries, the newest first."""
        begins, _, part = (key or "").partition(".")
        asked: dict[str, tuple[str, Any]] = {
            "state": ("state = :state", None if state is None else int(state)),
            "endpoint": ("endpoint = :endpoint", endpoint),
            "event_type": ("event_type = :event_type", event_type),
            # A whole key is found by the index.
            "begins": ("id = :begins" if len(begins) == WHOLE_KEY else f"LEFT(id, {len(begins)}) = :begins", begins or None),
            "part": ("part = :part", part or None),
            "before": ("seq < :before", after),
        }
        conditions = [condition for condition, value in asked.values() if value is not None]
        values = {name: value for name, (_, value) in asked.items() if value is not None}
        if any(isinstance(value, str) and "\0" in value for value in values.values()):
            return self._make(lambda: _nothing([]))

        def find() -> InboxSteps:
            template = sql.FIND.replace("{conditions}", " AND ".join(conditions) or "1 = 1")
            rows = yield Statement(template, {**values, "limit": limit}, fetch=True)
            return [entry_from_row(row) for row in rows]

        return self._make(find)

    def open(self, key: str) -> InboxWork[Kept | None]:
        """Return the Kept, or None."""
        return self._mine(key, lambda: self._same.open(key), None)

    def rerun(self, keys: Sequence[str], reason: str, by: str) -> InboxWork[int]:
        """Return how many are due again."""

        def rerun() -> InboxSteps:
            free = yield from self._not_held(keys)
            return (yield from self._same.rerun(free, _text(reason), _text(by), 0.0))

        return self._make(rerun, together=True)

    def drop(self, keys: Sequence[str]) -> InboxWork[int]:
        """Return how many are gone."""

        def drop() -> InboxSteps:
            gone: list[Any] = []
            for key in (yield from self._not_held(keys)):
                gone += yield Statement(sql.LOCK_ENTRY, entry_at(key), fetch=True)
            return (yield from self._delete(gone))

        return self._make(drop, together=True)

    def _not_held(self, keys: Sequence[str]) -> InboxSteps:
        """Return the keys of the entries that nobody holds, by a look without a lock: MySQL's lock would wait for a handler's."""
        free: list[str] = []
        for key in _real(keys):
            if not self._mysql or (yield Statement(sql.LOOK_ENTRY, entry_at(key), fetch=True)):
                free.append(key)  # noqa: PERF401 - a comprehension cannot yield
        return free

    def prune(self, limit: int) -> InboxWork[int]:
        """Return how many are gone."""

        def prune() -> InboxSteps:
            return (yield from self._delete((yield Statement(sql.LOCK_OLD, {"limit": limit}, fetch=True))))

        return self._make(prune, together=True)

    def forget(self, key: StoreKey) -> InboxWork[bool]:
        """Return whether the key is gone, with its done and dead entries."""
        at = {"id": key.idempotency_key}

        def forget() -> InboxSteps:
            # A look without a lock comes first: while this waits for a handler's transaction, the provider waits for this.
            if (yield Statement(plain.LIVE, at, fetch=True)):
                return False
            yield Statement(sql.LOOK_KEY.replace("{lock}", "FOR UPDATE"), at, fetch=True)
            entries = yield Statement(sql.LOCK_ENTRIES, at, fetch=True)
            if any(due_at is not None for _, due_at in entries):
                return False
            if entries:
                yield Statement(plain.FORGET, at, fetch=False)
            known: int = yield Statement(sql.FORGET_KEY, at, fetch=False)
            return known > 0 or len(entries) > 0

        return self._make(forget, together=True)

    def _delete(self, gone: Sequence[Any]) -> InboxSteps:
        """Delete locked entries, and let the keys expire whose last entry is gone."""
        if not gone:
            return 0
        ids, named = _listed("id", sorted({id for _, id, _ in gone}))  # noqa: A001 - the column's name
        yield Statement(sql.LOCK_KEYS.replace("{ids}", ids), named, fetch=True)
        seqs, numbered = _listed("seq", [seq for seq, _, _ in gone])
        yield Statement(sql.DELETE.replace("{seqs}", seqs), numbered, fetch=False)
        for retention in sorted({retention for _, _, retention in gone}):
            ids, named = _listed("id", sorted({id for _, id, each in gone if each == retention}))  # noqa: A001 - the column's name
            yield Statement(sql.EXPIRE.replace("{ids}", ids), {**named, "retention": retention}, fetch=False)
        return len(gone)


def _nothing(answer: Any) -> InboxSteps:
    yield from ()
    return answer


def _real(keys: Iterable[str]) -> list[str]:
    """Return the keys that may name entries, in one order for all, so that no two wait for each other."""
    return sorted({key for key in keys if _KEY.fullmatch(key)})


def _text(reason: str) -> str:
    """PostgreSQL's texts hold no NUL."""
    return reason[:LONGEST_REASON].replace("\0", "\ufffd")


def _values(event: Kept) -> dict[str, Any]:
    values = row_of(event, 0.0)
    return {**values, "token": b"", "fingerprint": event.fingerprint}


def _listed(name: str, values: Sequence[Any]) -> tuple[str, dict[str, Any]]:
    """Return the parameters of a list. Its length is a power of two, so that there are few different statements."""
    length = 1 << (len(values) - 1).bit_length()
    padded = [*values, *[values[-1]] * (length - len(values))]
    named = {f"{name}{number}": value for number, value in enumerate(padded)}
    return ", ".join(f":{each}" for each in named), named
