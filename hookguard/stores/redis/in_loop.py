"""A pool of connections for an event loop, which a store can move to the next loop."""

from __future__ import annotations

import asyncio

from redis.asyncio import connection

__all__ = ["LoopPool"]


class LoopPool(connection.BlockingConnectionPool):
    """A pool in which a task waits for a connection."""

    def reset(self) -> None:
        """Forget the connections of a closed loop, and the tasks that waited for them."""
        super().reset()  # type: ignore[no-untyped-call]
        self._condition = asyncio.Condition()
