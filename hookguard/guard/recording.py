"""Records of an endpoint's deliveries: handed over when the reply is decided, and written by one thread of the process.

Handing over copies what the framework may use again, and never waits. The queue is bounded: what does not fit is counted and
lost, because a record is a note, and a delivery is not. An error of the store loses records too, and nothing else.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from os import urandom
from typing import Any, Final, cast
from weakref import WeakKeyDictionary

from hookguard.delivery import Delivery
from hookguard.endpoint import Endpoint
from hookguard.errors import ConfigurationError, Rejected
from hookguard.event import Event
from hookguard.evidence.contract import HOURLY, LIMITED, SHOWN, DeliveryRecord, Evidence, FoundCause, KeptBody
from hookguard.evidence.head import head_facts, kept_values, network_of, signature_digest
from hookguard.evidence.settings import KEEP, EvidenceSettings
from hookguard.inbox.kept import Keeper
from hookguard.inbox.settings import InboxSettings
from hookguard.outcome import Ending, OutcomeName
from hookguard.privacy.shown import printable
from hookguard.process.locks import Lazy
from hookguard.process.threads import OwnThread
from hookguard.record import Record

__all__ = ["Recorder", "dropped", "flush", "needs_evidence", "recorder_of"]

_log = logging.getLogger("hookguard.evidence")

#: Seconds that the thread waits for further records, so that the reply has left and several share a transaction.
GRACE = 0.25
#: Records, and bytes of their bodies, that wait at most.
MOST, MOST_BYTES = 1000, 16 << 20
#: Records that are written in one transaction.
TOGETHER = 64
#: Failures in a row after which a store counts as down. The rest of its records are dropped without a try of their own.
DOWN = 3
#: Seconds between two lines in the log about dropped records, and at most between two looks for what is over.
QUIET = 60.0
#: Bodies and records that one look deletes at most.
PRUNED = 256
#: Seconds that the end of the process waits for the queue.
AT_EXIT = 2.0
_HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True, repr=False)
class _Item(Record):
    """A record to write, or findings to add to one."""

    evidence: Evidence
    delivery: str
    make: Callable[[], tuple[DeliveryRecord, KeptBody | None]] | None
    findings: tuple[FoundCause, ...] = ()
    raw: bytes = b""  #: the delivery's body
    size: int = 0  #: its bytes, as far as no item before counts them


class _Writer:
    """The queue of this process, and the thread that empties it and ends when nothing waits."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: deque[_Item] = deque()
        self._bytes = 0
        self._running = False
        self._hurry = 0
        self._at_exit = False
        self._logged = float("-inf")
        #: When each store was last asked to delete what is over, and how many records were written to it since.
        self._pruned: WeakKeyDictionary[Evidence, tuple[float, int]] = WeakKeyDictionary()
        self._unlogged = 0
        self.dropped: Counter[str] = Counter()

    def offer(self, item: _Item) -> bool:
        """Take the item, or drop and count it if the queue is full or no thread can be started."""
        with self._changed:
            if self._queue and self._queue[-1].raw is item.raw:
                item = item._replace(size=0)  # another event of the same delivery
            if len(self._queue) >= MOST or self._bytes + item.size > MOST_BYTES:
                self._drop("busy", 1)
                return False
            self._queue.append(item)
            self._bytes += item.size
            if len(self._queue) == TOGETHER:
                self._changed.notify_all()
            if self._running:
                return True
            self._running = True
            if not self._at_exit:
                self._at_exit = True
                atexit.register(flush, AT_EXIT)  # of the world that ends: a forked child must not wait for its parent's lock
        try:
            OwnThread(self._run, "hookguard-evidence").start()
        except RuntimeError:  # the process may start no more threads now; perhaps it may later
            with self._changed:
                self._running = False
                self._drop("busy", len(self._queue))
                self._queue.clear()
                self._bytes = 0
            self._report()
            return False
        return True

    def flush(self, seconds: float) -> bool:
        """Wait until nothing waits, at most so long; return whether that is so."""
        with self._changed:
            self._hurry += 1
            self._changed.notify_all()
            try:
                return self._changed.wait_for(lambda: not self._running, seconds)
            finally:
                self._hurry -= 1

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._hurry or len(self._queue) >= TOGETHER, GRACE)
                if not self._queue:
                    self._running = False
                    self._changed.notify_all()
                    return
                items = [self._queue.popleft() for _ in range(min(TOGETHER, len(self._queue)))]
            try:
                for evidence in dict.fromkeys(item.evidence for item in items):
                    self._write(evidence, [item for item in items if item.evidence is evidence])
            except Exception as error:  # a record could not be made. This thread must go on
                with self._changed:
                    self._drop(type(error).__name__, len(items))
            finally:
                with self._changed:
                    self._bytes -= sum(item.size for item in items)
                self._report()

    def _write(self, evidence: Evidence, items: Sequence[_Item]) -> None:
        # Nothing of a delivery is in a log line: neither a traceback, nor the text of an error that may quote its values.
        found = [item for item in items if item.make is None]
        records = [item.make() for item in items if item.make is not None]
        why, written = self._store(evidence, records)
        explained = 0
        if written or not records:
            try:
                for item in found:
                    evidence.explain(item.delivery, item.findings)
                    explained += 1
            except Exception as error:
                why = type(error).__name__
        with self._changed:
            self._drop(why, len(items) - written - explained)
        if why and not written:
            return
        with suppress(Exception):  # the next look deletes it
            self._prune(evidence, written)

    def _store(self, evidence: Evidence, records: Sequence[tuple[DeliveryRecord, KeptBody | None]]) -> tuple[str, int]:
        """Write records, one by one if they cannot be written together; return the last error's name and how many were written.

        One body that the database cannot take, which anybody may have sent, must not lose the records beside it.
        """
        if not records:
            return "", 0
        try:
            evidence.write(records)
        except Exception as error:
            why, written, failed = type(error).__name__, 0, 1
        else:
            return "", len(records)
        for record in records if len(records) > 1 else ():
            try:
                evidence.write([record])
                written, failed = written + 1, 0
            except Exception as error:
                why, failed = type(error).__name__, failed + 1
                if failed > DOWN:
                    break
        return why, written

    def _prune(self, evidence: Evidence, written: int) -> None:
        """Delete what is over: once a minute, and at twice the rate of writing. A busy table must not only grow."""
        last, before = self._pruned.get(evidence, (float("-inf"), 0))
        now, written = time.monotonic(), before + written
        due = now - last > QUIET or written >= PRUNED // 2
        self._pruned[evidence] = (now, 0) if due else (last, written)
        if due:
            evidence.prune(limit=PRUNED)

    def _drop(self, why: str, number: int) -> None:
        if number:
            self.dropped[why] += number
            self._unlogged += number

    def _report(self) -> None:
        """Log how many were dropped, once a minute. With the lock held, a delivery would wait for a slow log handler."""
        with self._changed:
            now = time.monotonic()
            if not self._unlogged or now - self._logged < QUIET:
                return
            reasons = ", ".join(f"{why}: {number}" for why, number in sorted(self.dropped.items()))
            number, self._logged, self._unlogged = self._unlogged, now, 0
        _log.warning("%d records of deliveries were dropped (since the start %s)", number, reasons)


_writer: Final = Lazy(_Writer)


def dropped() -> Mapping[str, int]:
    """Return how many records this process dropped, by reason: ``busy``, ``hourly``, or the name of the store's error."""
    return dict(_writer.get().dropped)


def flush(seconds: float = 30.0) -> bool:
    """Wait until every record of this process is written or dropped; for tests and commands."""
    return _writer.get().flush(seconds)


def needs_evidence(endpoint: Endpoint, store: object) -> None:
    """Raise ConfigurationError if the endpoint wants evidence, and the store (or its class) cannot keep any."""
    if endpoint.evidence is None or callable(getattr(store, "evidence", None)):
        return
    kind = store if isinstance(store, type) else type(store)
    raise ConfigurationError(
        f"endpoint {endpoint.name!r} has evidence, and {kind.__name__} cannot keep records of deliveries: of hookguard's stores,"
        " those in SQLite (sqlite:////path/to/file), PostgreSQL, MySQL and MariaDB (postgresql://…, mysql://…) can, and Django's"
        " ORM stores. Set store to one, or leave evidence out"
    )


def recorder_of(endpoint: Endpoint, settings: EvidenceSettings, store: object) -> Recorder:
    """Return the recorder of an endpoint; ConfigurationError if the store cannot keep records."""
    needs_evidence(endpoint, store)
    return Recorder(endpoint, settings, cast("Any", store).evidence())


class Recorder:
    """Hands the deliveries of one endpoint over. A delivery that cannot be recorded is dropped: nothing here raises."""

    def __init__(self, endpoint: Endpoint, settings: EvidenceSettings, evidence: Evidence) -> None:
        self._endpoint = endpoint
        self._settings = settings
        self._evidence = evidence
        self._kept = kept_values(endpoint.preset)
        self._keeper = _keeper(endpoint) if settings.keep_body is not None else None
        self._hour, self._came = 0.0, Counter[str]()

    def name(self, outcome: OutcomeName, *, verified: bool) -> str:
        """Return a name for a delivery; empty if it will not be recorded, because a flood of its kind came this hour."""
        if not verified or outcome in LIMITED:
            now = time.time()
            if now - self._hour >= _HOUR or now < self._hour:
                self._hour, self._came = now // _HOUR * _HOUR, Counter()
            # Two threads that both pass here record one more, and a lock would cost each rejection.
            kind = outcome if verified else ""
            self._came[kind] += 1
            if self._came[kind] > HOURLY:
                _writer.get().dropped["hourly"] += 1
                return ""
        return urandom(16).hex()

    def mark(self, name: str) -> str:
        """Return the part of a name that people read."""
        return name[:SHOWN]

    def hand_over(self, name: str, delivery: Delivery, event: Event | None, ending: Ending, *, body_read: bool = True) -> None:
        """Record a delivery; ``event`` is None if it was not verified. Without ``body_read`` its body is not known."""
        try:
            record = self._record(name, delivery, event, ending, body_read=body_read)
            body = self._body(record, delivery, event)
            raw = delivery.body  # alone, so that nothing of the request is kept

            def finish() -> tuple[DeliveryRecord, KeptBody | None]:
                return record._replace(body_sha256=hashlib.sha256(raw).hexdigest() if body_read else ""), body

            _writer.get().offer(_Item(self._evidence, name, finish, raw=raw, size=len(raw)))
        except Exception as failure:
            # The traceback could show the delivery.
            _log.error("a delivery could not be recorded: %s", type(failure).__name__)

    def explain(self, name: str, findings: Sequence[tuple[str, str]]) -> None:
        """Add findings, as pairs of code and kind, to a record that was handed over."""
        _writer.get().offer(_Item(self._evidence, name, None, tuple(FoundCause(*each) for each in findings)))

    def _record(self, name: str, delivery: Delivery, event: Event | None, ending: Ending, *, body_read: bool) -> DeliveryRecord:
        endpoint, now = self._endpoint, time.time()
        accepted = event is not None and ending.outcome != "rejected"
        seconds = self._settings.body_seconds
        keep = endpoint.retention if accepted else KEEP
        keeps_body = seconds is not None and body_read and (accepted or self._settings.keep_rejected_body)
        return DeliveryRecord(
            delivery=name,
            at=now,
            endpoint=endpoint.name,
            provider=endpoint.preset.name,
            tenant=printable(event.tenant or "") if event is not None else "",
            outcome=ending.outcome,
            status=ending.status,
            secret=printable(event.secret) if event is not None else "",
            scheme=type(endpoint.preset.scheme).__name__,
            attempt=event.attempt if event is not None else 0,
            signed_at=event.timestamp if event is not None else None,
            body_size=len(delivery.body),
            content_sha256=_digest(event) if event is not None else "",
            signature_sha256=signature_digest(delivery, endpoint.preset),
            headers=head_facts(delivery.headers, self._kept),
            address=network_of(delivery.remote) if self._settings.addresses else "",
            keep_until=now + max(keep, seconds if keeps_body and seconds is not None else 0.0),
            body_until=now + seconds if keeps_body and seconds is not None else None,
            reason_code=ending.reason_code,
            event_id=printable(ending.event_id),
            event_type=printable(ending.event_type),
            duration=ending.duration,
        )

    def _body(self, record: DeliveryRecord, delivery: Delivery, event: Event | None) -> KeptBody | None:
        if record.body_until is None:
            return None
        if event is None or event.store_key is None or self._keeper is None or record.outcome == "rejected":
            return KeptBody(delivery.body)
        kept = self._keeper.keep(event, event.store_key, sender=False)
        return KeptBody(kept.body, kept.head if kept.content is None else "")


def _keeper(endpoint: Endpoint) -> Keeper:
    settings = endpoint.inbox or InboxSettings()
    return Keeper(endpoint=endpoint.name, preset=endpoint.preset, settings=settings, retention=endpoint.retention)


def _digest(event: Event) -> str:
    try:
        return event.digest()
    except Rejected:  # a malformed body
        return ""
