"""Autopsies of an endpoint's rejected deliveries: after the reply has left, outside of the request.

One thread in the process examines one delivery at a time, and one more may wait. An endpoint may hand over three, and then one
more each minute. The rest is counted. So neither the reply nor the time it takes depends on what is found.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from os import urandom
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from hookguard.delivery import Delivery
from hookguard.endpoint import Endpoint
from hookguard.errors import HookguardError, Rejected
from hookguard.headers import Headers
from hookguard.process.locks import Lazy
from hookguard.process.threads import OwnThread
from hookguard.verifier import VerifierLike

if TYPE_CHECKING:
    from hookguard.autopsy import Autopsy, Finding

__all__ = ["Autopsies", "explains", "skipped"]

_log = logging.getLogger("hookguard.autopsy")

#: Seconds that the thread waits before it examines a delivery, so that the reply has left.
GRACE = 0.25
#: Deliveries that an endpoint may hand over, and the seconds after which it may hand over one more.
BURST, EVERY = 3, 60.0
#: Larger bodies are not examined, in bytes.
LARGEST = 4 << 20
#: Seconds for which an equal result is counted and not logged again.
QUIET = 60.0
#: The signed age of accepted deliveries that is remembered.
SKEWS = 32

#: Adds what was found, as pairs of code and kind, to the record of the delivery.
AddFindings = Callable[[Sequence[tuple[str, str]]], None]

#: The order in which endpoints were made.
_numbers: Final = count()

_EXAMINED = frozenset({
    "ambiguous_header", "missing_signature", "missing_timestamp", "truncated_body", "unknown_key", "unsupported_encoding",
    "untrusted_key_source",
})  # fmt: skip
_FAMILIES = ("signature_", "malformed_", "timestamp_")


@dataclass(frozen=True, slots=True)
class _Refused:
    """Everything that an autopsy needs of a rejected delivery."""

    mark: str
    delivery: Delivery
    verifier: VerifierLike
    refusal: Rejected
    found: Any
    skews: tuple[float, ...]
    arrived: float
    body_read: bool
    add: AddFindings | None


class _Worker:
    """Runs one piece of work at a time in a thread of its own, which ends when nothing waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: Callable[[], None] | None = None
        self._running = False
        self.skipped: Counter[str] = Counter()

    def offer(self, work: Callable[[], None]) -> bool:
        """Take the work, or return False if other work waits or no thread can be started."""
        with self._lock:
            if self._waiting is not None:
                self.skipped["busy"] += 1
                return False
            self._waiting = work
            if self._running:
                return True
            self._running = True
        try:
            OwnThread(self._run, "hookguard-autopsy").start()
        except RuntimeError:  # the process may start no more threads now; perhaps it may later
            with self._lock:
                self._waiting, self._running = None, False
                self.skipped["busy"] += 1
            return False
        return True

    def _run(self) -> None:
        while True:
            time.sleep(GRACE)
            with self._lock:
                work, self._waiting = self._waiting, None
                if work is None:
                    self._running = False
                    return
            try:
                work()
            except Exception as error:
                # The traceback could show the delivery.
                _log.error("autopsy_failed: the search for the cause raised %s", type(error).__name__)


_worker: Final = Lazy(_Worker)


def skipped() -> Mapping[str, int]:
    """Return how many rejected deliveries were not examined in this process, by reason: busy, bucket or too_large."""
    return {**_worker.get().skipped, "bucket": sum(each.skipped for each in list(_all))}


def explains(code: str) -> bool:
    """Whether deliveries that are rejected for this reason are examined. Each examination has a finding."""
    return code in _EXAMINED or code.startswith(_FAMILIES)


class Autopsies:
    """Hands the rejected deliveries of one endpoint over, and logs what is found."""

    def __init__(self, endpoint: Endpoint, store: object = None) -> None:
        self._endpoint = endpoint
        self._store = store
        self._number = next(_numbers)
        self._tokens = float(BURST)
        self._filled = time.monotonic()
        self._closed_until = self._filled
        #: Rejected deliveries that were not examined because three had been handed over.
        self.skipped = 0
        #: How old accepted deliveries were, in seconds.
        self.skews: deque[float] = deque(maxlen=SKEWS)
        self._logged: dict[tuple[str, str], list[float]] = {}
        _all.add(self)

    @staticmethod
    def of(endpoint: Endpoint, store: object = None) -> Autopsies | None:
        """Return the autopsies of an endpoint; None if they are switched off. The endpoints of an application share a store."""
        return Autopsies(endpoint, store) if endpoint.autopsy and os.environ.get("HOOKGUARD_AUTOPSY") != "0" else None

    def hand_over(
        self,
        error: HookguardError,
        delivery: Delivery,
        verifier: VerifierLike | None,
        found: Any,
        *,
        body_read: bool,
        mark: str = "",
        add: AddFindings | None = None,
    ) -> str:
        """Return the mark of a delivery that will be examined, for the log; empty for any other.

        A delivery that is recorded has a ``mark``, and ``add`` adds the findings to its record.
        """
        # First, because a flood of forgeries ends here.
        now = time.monotonic()
        if now < self._closed_until:
            self.skipped += 1
            return ""
        if not isinstance(error, Rejected) or not explains(error.code):
            return ""
        heard = _log.isEnabledFor(logging.WARNING) or any(hasattr(each, "explained") for each in self._endpoint.observers)
        if not heard and add is None:
            return ""
        self._take_token(now)
        if len(delivery.body) > LARGEST:
            _worker.get().skipped["too_large"] += 1
            return ""
        # The framework may reuse the request's own headers after the reply.
        copied = delivery._replace(headers=Headers(delivery.headers.items()))
        asked = self._endpoint.verifier if verifier is None else verifier
        mark = mark or urandom(3).hex()
        refused = _Refused(mark, copied, asked, error, found, tuple(self.skews), time.time(), body_read, add)
        return mark if _worker.get().offer(lambda: self._examine(refused)) else ""

    def _take_token(self, now: float) -> None:
        # Two threads that both take the last token cost one autopsy more, and a lock would cost each rejection.
        self._tokens = min(self._tokens + (now - self._filled) / EVERY, float(BURST)) - 1
        self._filled = now
        if self._tokens < 1:
            self._closed_until = now + (1 - self._tokens) * EVERY

    def _examine(self, refused: _Refused) -> None:
        from hookguard.autopsy import Known, explain  # noqa: PLC0415 - no delivery needs it before one is rejected

        # The secrets of a tenant are compared with those of no other.
        provider = getattr(refused.verifier, "provider", refused.verifier)
        single = getattr(provider, "tenant", None) is None
        known = Known(
            name=self._endpoint.name,
            endpoints=self._others() if single else [],
            found=refused.found,
            target=refused.delivery.target,
            recent_skews=refused.skews,
            now=refused.arrived,
            body_read=refused.body_read,
        )
        autopsy = explain(refused.verifier, refused.delivery, refusal=refused.refusal, known=known)
        if autopsy.findings:
            if refused.add is not None:
                refused.add([(each.code, each.kind) for each in autopsy.findings])
            self._report(refused.mark, autopsy)

    def _others(self) -> list[tuple[str, VerifierLike]]:
        """Return every other endpoint of this process: those of the own application first, and of each the newest first."""
        every = sorted(_all, key=lambda each: (each._store is not self._store, -each._number))
        found = {id(each._endpoint): each._endpoint for each in every if each._endpoint is not self._endpoint}
        return [(each.name, each.verifier) for each in found.values()]

    def _report(self, mark: str, autopsy: Autopsy) -> None:
        endpoint, first = self._endpoint, autopsy.findings[0]
        for observer in endpoint.observers:
            explained = getattr(observer, "explained", None)
            if explained is not None:
                try:
                    explained(endpoint.name, endpoint.preset.name, mark, autopsy)
                except Exception:
                    _log.exception("an observer of autopsies raised an exception")
        again = self._again(first)
        if again is None:
            return
        _log.warning(
            "%s autopsy %s: %s%s",
            endpoint.name,
            mark,
            "; ".join(f"{each.code} ({each.kind}): {each}" for each in autopsy.findings),
            f" ({again} more like it before)" if again else "",
            extra={
                "endpoint": endpoint.name,
                "provider": endpoint.preset.name,
                "codes": autopsy.codes,
                "kind": first.kind,
                "detail": first.detail,
                "finished": autopsy.finished,
                "delivery": mark,
            },
        )

    def _again(self, first: Finding) -> int | None:
        """Return how many equal results were not logged before this one; None if this one is not logged either."""
        detail = "" if first.code == "no_match" else first.detail
        now = time.monotonic()
        last = self._logged.get((first.code, detail))
        if last is not None and now - last[0] < QUIET:
            last[1] += 1
            return None
        if len(self._logged) > SKEWS:
            self._logged.clear()
        self._logged[first.code, detail] = [now, 0]
        return 0 if last is None else int(last[1])


#: Those of every endpoint in this process: another endpoint's secret may have signed a delivery.
_all: WeakSet[Autopsies] = WeakSet()
