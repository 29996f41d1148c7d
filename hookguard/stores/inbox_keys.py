"""The key of an event that is put: by its row in a table of claims."""

from __future__ import annotations

from typing import Any

from hookguard.inbox.contract import Kept, Put, PutStatus

__all__ = ["put_from_row"]


def put_from_row(row: Any, event: Kept, now: float) -> Put | None:
    """Return the Put for a key that is not free, or None if it is. The row is state, fingerprint, lease_until, expires_at."""
    state, fingerprint, lease_until, expires_at = row
    if expires_at <= now:
        return None
    same = bytes(fingerprint) == event.fingerprint
    if state == 2:
        return Put(PutStatus.KNOWN, same)
    if state == 1 and lease_until > now:
        return Put(PutStatus.IN_PROGRESS, same, lease_until - now)
    return None if same or event.takes_other_body else Put(PutStatus.KNOWN, same)
