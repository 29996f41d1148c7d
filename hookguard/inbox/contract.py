"""The inbox contract: the states of an entry, and the operations that move it from one state to another.

An entry is one event for one part of the work. The event's row among the claims stays "done" as long as an entry is there, so a
duplicate is answered like that of a handled event. Each operation is one atomic step:

====================  =================================  ======================================================================
operation             from                               to
====================  =================================  ======================================================================
``put``               nothing                            waiting, due now, attempt 0
``put``               waiting, held, done                unchanged: KNOWN
``put``               dead                               waiting, due now, attempt 0, crashes 0, with the new head and body: AGAIN
``put``               a direct handler's running claim   unchanged: IN_PROGRESS
``take``              waiting, due                       held, attempt + 1
``take``              held, lease over                   crashes + 1. The first: held again. The second to fourth: waiting, by the
                                                         schedule. The fifth: dead ("its worker died 5 times")
``complete``          held by this token                 done; with ``keep`` 0 its body is gone now, the entry with ``prune``
``release``           held by this token                 waiting, due in ``after`` seconds; dead if attempt - crashes >= tries
``extend``            held by this token                 held, the lease counts from now
``give_back``         held by this token                 waiting, due in ``after`` seconds, attempt - 1: it did not run, because
                                                         the worker stops, or gave its key to another engine
``give_up``           held by this token                 dead
``rerun``             done (still kept), dead            waiting, due now, attempt 0, crashes 0
``drop``              waiting, done, dead                gone; the event's key stays
``prune``             done for longer than ``keep``,     gone; with its last entry gone, the key is remembered for the key's
                      dead for longer than               ``retention`` more
                      ``keep_dead``
====================  =================================  ======================================================================

Any other token and any other state: False, and nothing is written. ``complete`` is True again for the same token. A holder whose
lease is over may still settle the entry, until a ``take`` has counted the crash.

Crashes are counted apart from tries. An event that kills its process takes the events beside it down with it: those are innocent,
and the wait from the second crash on separates them from it.

At most one entry of a line is held. The first one of a line that is neither done nor dead holds the others back.

An error is :class:`~hookguard.errors.StoreUnavailable`, never an answer. All durations are seconds. Instants are seconds since
1970 by the store's clock. ``settings`` are the endpoint's of today: they hold for entries that were stored before, too.
"""

# A protocol's methods have a docstring and no body: mypy checks what they return.
# pyright: reportReturnType=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal, NamedTuple, Protocol, Union, runtime_checkable

from hookguard.inbox.settings import InboxSettings
from hookguard.record import Record
from hookguard.store import StoreKey

__all__ = [
    "CRASHES",
    "AsyncInbox",
    "Count",
    "Entry",
    "EntryState",
    "HasInbox",
    "Held",
    "Inbox",
    "Kept",
    "Lane",
    "Notices",
    "Put",
    "PutStatus",
    "Survives",
    "entry_key",
    "split_key",
]

#: How many workers may die with an entry before it is dead.
CRASHES: Final = 5

#: The accident that an answered event outlives: a power cut, or only the death of the process.
Survives = Literal["power", "process"]


class EntryState(IntEnum):
    """The four states of an entry."""

    WAITING = 0
    HELD = 1
    DONE = 2
    DEAD = 3


class PutStatus(IntEnum):
    """The answers to a put."""

    STORED = 0  #: stored now: a worker will handle it
    KNOWN = 1  #: stored, handled or given up before: nothing was written
    AGAIN = 2  #: it was dead, and is due again
    IN_PROGRESS = 3  #: a handler in direct mode is running it: nothing was written, and the sender must try again


class Lane(NamedTuple):
    """The entries that one kind of worker takes: an endpoint's, for one part. The view's part is empty."""

    endpoint: str
    part: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Kept(Record):
    """A verified event as an inbox keeps it. :class:`hookguard.inbox.kept.Keeper` makes it, ``event_again`` reads it."""

    key: StoreKey  #: as a claim has it; its ``idempotency_key`` is the ``id`` of the event's entries
    endpoint: str
    event_type: str  #: for people and filters
    head: str  #: JSON with a version: what is kept of the delivery besides the body
    body: bytes  #: the bytes as they came; of a batch the event's own JSON
    content: bytes | None = None  #: what an envelope held, if there is one
    fingerprint: bytes = b""  #: as a claim has it; only ``put`` reads it
    takes_other_body: bool = True  #: whether an event that failed may be stored again with another body; only ``put`` reads it
    retention: float = 0.0  #: seconds the key is remembered after its last entry is gone
    line: str | None = None  #: 64 hexadecimal digits; None for an entry without an order
    parts: tuple[str, ...] = ("",)  #: ``put`` makes one entry for each

    def __repr__(self) -> str:
        return f"Kept({self.key.idempotency_key!r}, {self.endpoint!r}, {len(self.body)} bytes)"


class Put(NamedTuple):
    """The answer to one event of a ``put``."""

    status: PutStatus
    same_fingerprint: bool = True  #: False for a known event whose body differs from the first one's
    retry_after: float = 0.0  #: the rest of the lease, for IN_PROGRESS


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Held(Record):
    """An entry in a worker's hands, until its lease ends."""

    key: str  #: the entry's: see :func:`entry_key`
    lane: Lane
    token: bytes  #: 16 random bytes, new for each time it is taken
    attempt: int  #: how often it was taken, this time included; more after a rerun begins at 1 again
    crashes: int  #: how many workers died with it since; at CRASHES it is not held, but dead
    received_at: float  #: when it was stored, and answered
    kept: Kept  #: without what only ``put`` reads

    @property
    def tried(self) -> int:
        """The tries that count, this one included: ``attempt`` less ``crashes``."""
        return self.attempt - self.crashes

    def __repr__(self) -> str:
        return f"Held({self.key!r}, {self.lane.endpoint!r}, attempt={self.attempt}, crashes={self.crashes})"


class Entry(NamedTuple):
    """An entry as a list shows it: never a body, and no header."""

    key: str
    seq: int  #: grows with each stored entry; ``find(after=…)`` goes on from here
    lane: Lane
    state: EntryState
    scope: str
    event_id: str  #: as in the event's key
    event_type: str
    attempt: int
    crashes: int
    received_at: float
    changed_at: float  #: when it came into its state
    due_at: float | None  #: waiting: when it is due; held: when its lease ends; otherwise None
    reason: str  #: why it failed, died or was rerun; empty if nothing is known
    size: int  #: bytes of the body


class Count(NamedTuple):
    """How many entries of a lane are in a state."""

    lane: Lane
    state: EntryState
    number: int
    oldest_due: float | None  #: the earliest ``due_at`` among them; None for done and dead
    overdue: float  #: seconds since that instant by the store's clock; 0.0 if it is to come


class Inbox(Protocol):
    """An inbox whose calls return when they are done. Every write is committed when the call returns.

    ``key`` is an entry's key, see :func:`entry_key`. Safe to share between threads. A process that was forked may use the one of
    its parent.
    """

    @property
    def survives(self) -> Survives:
        """The accident that an answered event outlives."""

    def put(self, events: Sequence[Kept]) -> list[Put]:
        """Store all events in one transaction, or none of them; return an answer for each, in their order.

        An event that comes twice in ``events`` is KNOWN the second time. Known events do not keep the others from being stored.
        """

    def take(self, lane: Lane, *, limit: int, lease: float, settings: InboxSettings) -> list[Held]:
        """Take at most ``limit`` due entries for ``lease`` seconds, the longest due first; an empty list if nothing is due.

        Of a line at most the first entry. A look that finds nothing due takes no lock.

        Besides, the list has each entry that this call found dead, because its last worker died: with ``crashes`` of
        ``CRASHES`` and without a token. Run nothing for it, and report it.
        """

    def due(self, lanes: Sequence[Lane]) -> bool:
        """Return whether ``take`` would find anything in one of these lanes now. It writes and locks nothing.

        A worker that has nothing to do asks this several times a second, for all lanes in one call.
        """

    def take_one(self, key: str, *, lease: float, settings: InboxSettings) -> Held | None:
        """Take one entry if it waits, due or not; None if it is done, dead, held, unknown, or behind another one in its line.

        An entry whose lease is over waits too. If its fifth worker died it is left to ``take``, which reports that.
        """

    def complete(self, key: str, *, token: bytes, settings: InboxSettings) -> bool:
        """Mark the entry as done. True only for the holder, and for the same token again."""

    def release(self, key: str, *, token: bytes, after: float, reason: str, settings: InboxSettings) -> bool:
        """Let it be due in ``after`` seconds; dead if its tries are used up."""

    def extend(self, key: str, *, token: bytes, lease: float) -> bool:
        """Let the lease end ``lease`` seconds from now."""

    def give_back(self, key: str, *, token: bytes, after: float = 0.0) -> bool:
        """Let it be due in ``after`` seconds, as if it had not been taken."""

    def give_up(self, key: str, *, token: bytes, reason: str, settings: InboxSettings) -> bool:
        """Mark it as dead."""

    def counts(self) -> list[Count]:
        """Return how many entries of each lane are in each state; states without entries are left out."""

    def find(
        self,
        *,
        state: EntryState | None = None,
        endpoint: str | None = None,
        type: str | None = None,  # noqa: A002 - the field's own word
        key: str | None = None,
        after: int | None = None,
        limit: int,
    ) -> list[Entry]:
        """Return entries, the newest first.

        ``key`` is the beginning of an entry's key; ``after`` is the ``seq`` of the last entry that was seen.
        """

    def open(self, key: str) -> Kept | None:
        """Return what is kept of an entry, for a caller who may see bodies; None if it is unknown."""

    def rerun(self, keys: Sequence[str], *, reason: str, by: str) -> int:
        """Make done or dead entries due now; return how many. ``reason`` and ``by`` are stored and logged."""

    def drop(self, keys: Sequence[str], *, reason: str, by: str) -> int:
        """Delete entries that nobody holds; return how many. ``reason`` and ``by`` are logged."""

    def prune(self, *, limit: int) -> int:
        """Delete at most ``limit`` entries that were kept long enough, the oldest first; return how many."""


class AsyncInbox(Protocol):
    """The same contract with coroutines."""

    @property
    def survives(self) -> Survives:
        """The accident that an answered event outlives."""

    async def put(self, events: Sequence[Kept]) -> list[Put]:
        """Store all events, or none of them."""

    async def take(self, lane: Lane, *, limit: int, lease: float, settings: InboxSettings) -> list[Held]:
        """Take due entries."""

    async def due(self, lanes: Sequence[Lane]) -> bool:
        """Return whether ``take`` would find anything in one of these lanes now."""

    async def take_one(self, key: str, *, lease: float, settings: InboxSettings) -> Held | None:
        """Take one entry if it waits."""

    async def complete(self, key: str, *, token: bytes, settings: InboxSettings) -> bool:
        """Mark the entry as done."""

    async def release(self, key: str, *, token: bytes, after: float, reason: str, settings: InboxSettings) -> bool:
        """Let it be due later."""

    async def extend(self, key: str, *, token: bytes, lease: float) -> bool:
        """Extend the lease."""

    async def give_back(self, key: str, *, token: bytes, after: float = 0.0) -> bool:
        """Let it be due again, as if it had not been taken."""

    async def give_up(self, key: str, *, token: bytes, reason: str, settings: InboxSettings) -> bool:
        """Mark it as dead."""

    async def counts(self) -> list[Count]:
        """Count the entries."""

    async def find(
        self,
        *,
        state: EntryState | None = None,
        endpoint: str | None = None,
        type: str | None = None,  # noqa: A002 - the field's own word
        key: str | None = None,
        after: int | None = None,
        limit: int,
    ) -> list[Entry]:
        """List entries."""

    async def open(self, key: str) -> Kept | None:
        """Return what is kept of an entry."""

    async def rerun(self, keys: Sequence[str], *, reason: str, by: str) -> int:
        """Make done or dead entries due now."""

    async def drop(self, keys: Sequence[str], *, reason: str, by: str) -> int:
        """Delete entries."""

    async def prune(self, *, limit: int) -> int:
        """Delete entries that were kept long enough."""


@runtime_checkable
class HasInbox(Protocol):
    """A store that can have an inbox. Its claims and its inbox share one table of keys."""

    def inbox(self) -> Union[Inbox, AsyncInbox]:
        """Return the store's inbox, the same one each time; blocking if and only if the store is."""


@runtime_checkable
class Notices(Protocol):
    """An inbox that notices a write with less work than ``due`` takes."""

    def changed(self) -> bool:
        """Return whether anything may have been written since the last call. It never blocks, and raises StoreError."""


def entry_key(id: str, part: str = "") -> str:  # noqa: A002 - the field's own word
    """Return an entry's key: ``id`` (a StoreKey's ``idempotency_key``), and behind a dot the part if it is not the view's."""
    return f"{id}.{part}" if part else id


def split_key(key: str) -> tuple[str, str]:
    """Return the id and the part of an entry's key."""
    id, _, part = key.partition(".")  # noqa: A001 - the column's name
    return id, part
