"""The operations of an inbox in Redis, as calls of scripts. Does no input or output.

Each call is one step of the server, and touches a bounded number of entries. An operation on many entries is several calls.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import quote

from hookguard.inbox.contract import CRASHES, Count, Entry, EntryState, Held, Kept, Lane, Put, entry_key, split_key
from hookguard.inbox.settings import InboxSettings
from hookguard.store import StoreKey
from hookguard.stores.fitness import check_event
from hookguard.stores.inbox_sides import Operation
from hookguard.stores.inbox_statements import LONGEST_REASON, line_of
from hookguard.stores.redis.inbox_answers import Answers, lane_name
from hookguard.stores.redis.scripts import ALLOW_OOM, Call, Calls, Script, microseconds, read_yes, script

__all__ = ["Ask", "InboxCalls", "InboxSteps"]

T = TypeVar("T")

#: The most entries that one call changes, or reads.
BATCH: Final = 100


def _script(name: str, flags: str = "") -> Script:
    return script("inbox/entries", f"inbox/{name}", flags=flags)


_PUT, _DUE, _COUNTS, _FIND, _OPEN, _RERUN = map(_script, ("put", "due", "counts", "find", "open", "rerun"))
# A server whose memory is full runs these: they free memory, or a worker needs them for that.
_TAKE, _TAKE_ONE, _COMPLETE, _RELEASE, _EXTEND, _GIVE_BACK, _GIVE_UP, _DROP, _PRUNE = (
    _script(name, ALLOW_OOM)
    for name in ("take", "take_one", "complete", "release", "extend", "give_back", "give_up", "drop", "prune")
)


class Ask(NamedTuple):
    """One call, and the reader of its answer."""

    call: Call
    read: Callable[[Any], Any]


Steps = Generator[Ask, Any, T]


@dataclass(frozen=True)
class InboxSteps(Operation[T]):
    """One operation: its calls, one after the other. Each gets the answer to the one before."""

    make: Callable[[], Steps[T]]


class InboxCalls:
    """Makes the operations, with the store's ``calls``. ``base`` is the beginning of all names of the inbox."""

    def __init__(self, calls: Calls, base: str) -> None:
        self._calls = calls
        self._base = base
        self._answers = Answers(calls.event)

    # --- put

    def put(self, events: Sequence[Kept]) -> InboxSteps[list[Put]]:
        """Store all events, or none of them."""
        arguments = [argument for event in events for argument in self._arguments(event)]
        claims = [self._calls.key(event.key) for event in events]
        return InboxSteps(lambda: self._put(claims, arguments))

    def _put(self, claims: list[bytes], arguments: list[bytes | int]) -> Steps[list[Put]]:
        call = self._calls.make(_PUT, [self._base, *claims], self._base, *arguments)
        answers: list[Put] = yield Ask(call, self._answers.puts)
        return answers

    def _arguments(self, event: Kept) -> list[bytes | int]:
        id = event.key.idempotency_key  # noqa: A001 - the contract's own word
        entries = [
            argument
            for part in event.parts
            for argument in (entry_key(id, part).encode(), lane_name(Lane(event.endpoint, part)), line_of(event.line, part) or "")
        ]
        given: list[Any] = [
            *(secrets.token_bytes(16), event.fingerprint, int(event.takes_other_body)),
            *(event.event_type, microseconds(event.retention), event.head, event.body),
            *(b"" if event.content is None else b"+" + event.content, json.dumps(event.parts), id, len(event.parts)),
            *entries,
        ]
        # Encoded here: a value of a wrong type must fail before anything is stored.
        return [each if isinstance(each, (bytes, int)) else _bytes(each) for each in given]

    # --- take

    def take(self, lane: Lane, limit: int, lease: float, settings: InboxSettings) -> InboxSteps[list[Held]]:
        """Take due entries."""
        tokens = [secrets.token_bytes(16) for _ in range(limit)]
        waits = _waits(settings)
        times = (microseconds(lease), microseconds(settings.keep_dead), len(waits), *waits)
        return self._one(_TAKE, self._answers.taken, lane_name(lane), *times, *tokens) if tokens else _nothing([])

    def due(self, lanes: Sequence[Lane]) -> InboxSteps[bool]:
        """Ask whether anything can be taken."""
        return self._one(_DUE, read_yes, *map(lane_name, lanes))

    def take_one(self, key: str, lease: float, settings: InboxSettings) -> InboxSteps[Held | None]:
        """Take one entry if it waits."""
        times = (microseconds(lease), microseconds(settings.keep_dead), *_waits(settings))
        return self._one(_TAKE_ONE, self._answers.first, _bytes(key), secrets.token_bytes(16), *times)

    # --- what the holder settles

    def complete(self, key: str, token: bytes, settings: InboxSettings) -> InboxSteps[bool]:
        """Mark the entry as done."""
        return self._one(_COMPLETE, read_yes, _bytes(key), token, microseconds(settings.keep))

    def release(self, key: str, token: bytes, after: float, reason: str, settings: InboxSettings) -> InboxSteps[bool]:
        """Let it be due later."""
        times = (settings.tries, microseconds(settings.keep_dead))
        return self._one(_RELEASE, read_yes, _bytes(key), token, microseconds(after), _reason(reason), *times)

    def extend(self, key: str, token: bytes, lease: float) -> InboxSteps[bool]:
        """Extend the lease."""
        return self._one(_EXTEND, read_yes, _bytes(key), token, microseconds(lease))

    def give_back(self, key: str, token: bytes, after: float) -> InboxSteps[bool]:
        """Let it be due again, as if it had not been taken."""
        return self._one(_GIVE_BACK, read_yes, _bytes(key), token, microseconds(after))

    def give_up(self, key: str, token: bytes, reason: str, settings: InboxSettings) -> InboxSteps[bool]:
        """Mark it as dead."""
        return self._one(_GIVE_UP, read_yes, _bytes(key), token, _reason(reason), microseconds(settings.keep_dead))

    # --- what people do

    def counts(self) -> InboxSteps[list[Count]]:
        """Count the entries."""
        return self._one(_COUNTS, self._answers.counts)

    def find(
        self,
        state: EntryState | None,
        endpoint: str | None,
        event_type: str | None,
        key: str | None,
        after: int | None,
        limit: int,
    ) -> InboxSteps[list[Entry]]:
        """List entries, a page in each call."""
        begins, part = split_key(key or "")
        asked = (
            "" if state is None else int(state),
            quote(endpoint or "", safe="", errors="surrogatepass"),
            b"" if event_type is None else b"=" + _bytes(event_type),
            _bytes(begins),
            _bytes(part),
        )

        def find() -> Steps[list[Entry]]:
            found: list[Entry] = []
            before = "+inf" if after is None else f"({after}"
            while len(found) < limit:
                call = self._call(_FIND, before, BATCH, min(BATCH, limit - len(found)), *asked)
                last, entries = yield Ask(call, self._answers.page)
                found += entries
                if last == 0:
                    break
                before = f"({last}"
            return found

        return InboxSteps(find)

    def open(self, key: str) -> InboxSteps[Kept | None]:
        """Return what is kept of an entry."""

        def read(rows: list[Any]) -> Kept | None:
            held = self._answers.first(rows)
            return None if held is None else held.kept

        return self._one(_OPEN, read, _bytes(key))

    def rerun(self, keys: Sequence[str], reason: str, by: str) -> InboxSteps[int]:
        """Make done or dead entries due now."""
        return self._in_batches(_RERUN, keys, _reason(f"rerun by {by}: {reason}"))

    def drop(self, keys: Sequence[str]) -> InboxSteps[int]:
        """Delete entries that nobody holds."""
        return self._in_batches(_DROP, keys)

    def prune(self, limit: int) -> InboxSteps[int]:
        """Delete entries that were kept long enough."""

        def prune() -> Steps[int]:
            gone = 0
            while gone < limit:
                few = min(BATCH, limit - gone)
                pruned: int = yield Ask(self._call(_PRUNE, few), int)
                gone += pruned
                if pruned < few:
                    break
            return gone

        return InboxSteps(prune)

    def forget(self, key: StoreKey) -> InboxSteps[bool]:
        """Forget an event with its done and dead entries."""
        return InboxSteps(lambda: _asked(self._calls.forget(key), read_yes))

    def try_out(self) -> InboxSteps[None]:
        """Store an event, take it, complete it and drop it, in an inbox beside this one: the user may lack a permission."""
        beside, settings = InboxCalls(self._calls, f"{self._base}-check"), InboxSettings()
        event = Kept(key=check_event()[0], endpoint="check", event_type="", head="", body=b"", retention=1.0)
        key = event.key.idempotency_key

        def try_out() -> Steps[None]:
            yield from beside.put([event]).make()
            held = yield from beside.take_one(key, 1.0, settings).make()
            if held is not None:
                yield from beside.complete(key, held.token, settings).make()
            yield from beside.drop([key]).make()

        return InboxSteps(try_out)

    def _call(self, given: Script, *arguments: bytes | int | str) -> Call:
        return self._calls.make(given, [self._base], self._base, *arguments)

    def _one(self, given: Script, read: Callable[[Any], T], *arguments: bytes | int | str) -> InboxSteps[T]:
        # The call is made when the operation runs: it may hold the time of a test's clock.
        return InboxSteps(lambda: _asked(self._call(given, *arguments), read))

    def _in_batches(self, given: Script, keys: Sequence[str], *arguments: bytes) -> InboxSteps[int]:
        named = [_bytes(key) for key in dict.fromkeys(keys)]

        def change() -> Steps[int]:
            changed = 0
            for first in range(0, len(named), BATCH):
                changed += yield Ask(self._call(given, *arguments, *named[first : first + BATCH]), int)
            return changed

        return InboxSteps(change)


def _asked(call: Call, read: Callable[[Any], T]) -> Steps[T]:
    answer: T = yield Ask(call, read)
    return answer


def _nothing(answer: T) -> InboxSteps[T]:
    def nothing() -> Steps[T]:
        yield from ()
        return answer

    return InboxSteps(nothing)


def _waits(settings: InboxSettings) -> list[int]:
    """Return the waits after the second and later crashes. The first costs no wait, and after the last the entry is dead."""
    return [microseconds(settings.schedule.wait(crashes)) for crashes in range(2, CRASHES)]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _reason(text: str) -> bytes:
    return _bytes(text[:LONGEST_REASON])
