"""One delivery under examination, with everything that the stages of a search ask it."""

from __future__ import annotations

from collections.abc import Sequence

from hookguard.autopsy.clock import clock_findings, staleness
from hookguard.autopsy.finding import Finding, finding
from hookguard.autopsy.judge import Judge, is_costly
from hookguard.autopsy.known import Known
from hookguard.autopsy.suspects import DAY, YEARS
from hookguard.delivery import Delivery
from hookguard.errors import Rejected, SignatureMismatch, TimestampOutOfTolerance
from hookguard.presets.registry import is_built_in
from hookguard.schemes.base import Key, Scheme, Verified
from hookguard.schemes.hmac import HmacScheme
from hookguard.schemes.timestamp import check_validity
from hookguard.verifier import Verifier

__all__ = ["Case"]


class Case:
    """A delivery, the verifier that rejected it, and the judge. ``own`` are the keys in force."""

    def __init__(self, judge: Judge, verifier: Verifier, delivery: Delivery, refusal: Rejected | None, known: Known) -> None:
        self.judge, self.verifier, self.delivery, self.known = judge, verifier, delivery, known
        self.preset, self.scheme = verifier.preset, verifier.preset.scheme
        self.now = verifier.clock() if known.now is None else known.now
        self.own = verifier.keys_at(self.now)
        self.costly = is_costly(self.scheme)
        #: Why the delivery was rejected, as it came.
        self.refusal: Exception | None = refusal
        self.verified: Verified | None = None
        if self.own:
            self.verified = self.ask(delivery, self.own)
            self.refusal = judge.why

    @property
    def mismatches(self) -> bool:
        """Whether the delivery has a signature in the right form that no key makes."""
        return isinstance(self.refusal, SignatureMismatch)

    def ask(self, delivery: Delivery, keys: Sequence[Key], scheme: Scheme | None = None) -> Verified | None:
        """Return the name of the key that makes a delivery genuine and the signed time, or None."""
        if scheme is None or scheme is self.scheme:
            return self.judge.ask(self.scheme, delivery, keys, self.known.found)
        return self.judge.ask(scheme, delivery, keys)

    def clock(self, verified: Verified, verifier: Verifier | None = None) -> list[Finding]:
        """Return the findings about the time of a genuine delivery; none for a fresh one."""
        asked = verifier or self.verifier
        off = staleness(verified[1], self.now, asked.tolerance, asked.gateway_delay)
        if off is None and verifier is None:
            off = self._expired()
        return [] if off is None else clock_findings(off, self.known.recent_skews, asked.tolerance)

    def _expired(self) -> float | None:
        """Return how many seconds ago a genuine token expired, or less than 0 before it is valid; None if it is valid."""
        validity = getattr(self.scheme, "validity", None)
        start: float | None = None
        end: float | None = None
        if validity is None or self.verifier.allow_stale:
            return None
        try:
            start, end = validity(self.delivery)
            check_validity(start, end, self.now, self.verifier.gateway_delay)
        except TimestampOutOfTolerance:
            return self.now - start if start is not None and self.now < start else self.now - (end or 0.0)
        except Exception:
            return None
        return None

    def wrong_unit(self) -> list[Finding]:
        """Find a wrong unit in a user's own preset: the delivery is genuine, and in another unit it is fresh."""
        stamp = None if self.verified is None else self.verified[1]
        if stamp is None or is_built_in(self.preset) or not isinstance(self.scheme, HmacScheme) or abs(self.now - stamp) < YEARS:
            return []
        for unit, seconds in (("ms", stamp / 1000), ("s", stamp * 1000)):
            if unit != self.scheme.timestamp_unit and abs(self.now - seconds) < DAY:
                return [finding("timestamp_unit", "proved", f"timestamp_unit={unit!r}")]
        return []
