"""The common part of targets that are queues: one connection, opened when it is needed, and again after a failure."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any, Final

from hookguard.relay.sending import Sending, Sent
from hookguard.relay.settings import TargetSettings

__all__ = ["QueueTarget"]

#: Seconds for the connection, and for the acknowledgement of a message.
PATIENCE: Final = 5.0


class QueueTarget(ABC):
    """Publishes to one queue on one event loop. A message has arrived when the server has acknowledged it."""

    def __init__(self, settings: TargetSettings) -> None:
        self._settings = settings
        self._patience = min(PATIENCE, settings.reach.timeout)
        self._connection: Any = None
        self._connecting = asyncio.Lock()

    async def send(self, sending: Sending) -> Sent:
        """Publish one message. Raises the client's own exceptions if the server does not acknowledge it in time."""
        connection = await self._connected()
        try:
            await asyncio.wait_for(self._publish(connection, sending), self._patience)
        except self._rejections():
            raise  # of this message alone: the others that are on their way need the connection
        except BaseException:
            # It may be half open, and nobody knows what became of the message: the next one gets another connection.
            if self._connection is connection:
                self._connection = None
            await self._close(connection)
            raise
        return Sent()

    async def aclose(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._close(connection)

    async def _connected(self) -> Any:
        async with self._connecting:
            if self._connection is None:
                self._connection = await asyncio.wait_for(self._connect(), self._patience)
            return self._connection

    def _headers(self, sending: Sending) -> dict[str, str]:
        """The headers of a message: a consumer verifies them like those of a request."""
        left_out = {"user-agent", "accept-encoding"}
        return {name: value for name, value in sending.headers.items() if name.lower() not in left_out}

    @abstractmethod
    async def _connect(self) -> Any:
        """Return a connection that is ready to publish."""

    @abstractmethod
    async def _publish(self, connection: Any, sending: Sending) -> None:
        """Publish, and wait for the acknowledgement."""

    @abstractmethod
    def _rejections(self) -> tuple[type[Exception], ...]:
        """Return the client's exceptions for one message that the server does not take, after which the connection is sound."""

    @abstractmethod
    async def _close(self, connection: Any) -> None:
        """Close a connection, in whatever state it is. Raises nothing."""
