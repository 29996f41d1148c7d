"""The times of an endpoint, compared with those of its provider and of its server."""

from __future__ import annotations

from collections.abc import Iterator

from hookguard.remarks import Remark

__all__ = ["compare_lease", "compare_retention", "compare_tolerance"]


def compare_tolerance(name: str, provider: str, tolerance: float | None, oldest_retry: float) -> Iterator[Remark]:
    """Yield a remark if an honest retry may be rejected as stale. Times are in seconds; no tolerance accepts any age."""
    if tolerance is not None and tolerance < oldest_retry:
        yield Remark(
            "T2",
            f"endpoint {name!r} rejects timestamps older than {tolerance:.0f} s, but {provider} retries for"
            f" {oldest_retry:.0f} s, and no page of theirs states that each retry is signed once more: later retries would be"
            " lost",
            f"Leave tolerance out, or set at least {oldest_retry:.0f}",
        )


def compare_retention(name: str, provider: str, retention: float, horizon: float, tolerance: float | None) -> Iterator[Remark]:
    """Yield remarks if an event may come again after it was forgotten. Times are in seconds."""
    for span, why in ((horizon, f"{provider} retries"), (2 * (tolerance or 0.0), "a captured delivery is accepted")):
        if retention < span:
            yield Remark(
                "L2",
                f"endpoint {name!r} remembers events for {retention:.0f} s, but {why} for {span:.0f} s:"
                " later deliveries would run again",
                f"Leave retention out, or set at least {span:.0f}",
            )


def compare_lease(name: str, lease: float, patience: float | None) -> Iterator[Remark]:
    """Yield a remark if a handler may still run after its lease. ``patience`` is the server's, None if it has no limit."""
    if patience is not None and lease < patience:
        yield Remark(
            "L1",
            f"endpoint {name!r} has a lease of {lease:.0f} s, and its server lets a worker be busy for"
            f" {patience:.0f} s: a second worker could run the event while a slow handler still runs",
            "Raise lease, or set heartbeat",
        )
