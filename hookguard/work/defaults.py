"""A worker's numbers, unless its command says otherwise."""

from __future__ import annotations

from typing import Final

__all__ = ["AT_ONCE", "GRACE", "LEASE", "LONGEST_RUN"]

#: How many entries run concurrently.
AT_ONCE: Final = 8

#: Seconds that running handlers get when the worker is stopped: less than the 30 s that most systems give.
GRACE: Final = 25.0

#: Seconds until an entry of a worker that died is taken again. The lease is extended every third of it.
LEASE: Final = 30.0

#: Seconds after which the lease of a handler that still runs is not extended any more.
LONGEST_RUN: Final = 900.0
