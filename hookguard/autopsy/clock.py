"""The clock: a genuine delivery whose signed time does not fit."""

from __future__ import annotations

from collections.abc import Sequence

from hookguard.autopsy.finding import Finding, finding

__all__ = ["clock_findings", "staleness"]

#: Skews of accepted deliveries that are compared.
FEWEST = 3


def staleness(timestamp: float | None, now: float, tolerance: float | None, delay: float = 0.0) -> float | None:
    """Return how many seconds ago the delivery was signed, if that is too long ago or in the future; None if it is fresh."""
    if timestamp is None or tolerance is None:
        return None
    off = now - timestamp
    return None if -tolerance <= off <= tolerance + delay else off


def clock_findings(off: float, recent: Sequence[float], tolerance: float | None) -> list[Finding]:
    """Return the findings for a delivery that was signed ``off`` seconds ago.

    ``recent`` are the same seconds of deliveries that were accepted lately: they distinguish a wrong clock from a late delivery.
    """
    if off < 0:
        return [finding("clock_wrong", "fact", f"signed {-off:.0f} s in the future")]
    detail = f"signed {off:.0f} s ago"
    if len(recent) >= FEWEST:
        usual = sorted(recent)[len(recent) // 2]
        allowed = tolerance or 300.0
        # Late by as much as all others: the clock runs ahead, and the tolerance barely covered it until now.
        if usual > allowed / 2 and abs(off - usual) <= max(allowed, off / 2):
            return [finding("clock_wrong", "fact", f"{detail}, others lately {usual:.0f} s")]
        return [finding("delivered_late", "fact", f"{detail}, others lately {usual:.0f} s")]
    return [finding("delivered_late", "fact", detail), finding("clock_wrong", "suspected", detail)]
