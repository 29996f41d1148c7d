"""The running side: verify a delivery, claim its events, run the handler, complete or release."""

from hookguard.guard.guards import AsyncGuard, Guard

__all__ = ["AsyncGuard", "Guard"]
