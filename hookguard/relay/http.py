"""A target with an URL of HTTP."""

from __future__ import annotations

from hookguard.relay.sending import Sending, Sent
from hookguard.relay.settings import TargetSettings
from hookguard.sender.connection import Connection, read_url

__all__ = ["HttpTarget"]


class HttpTarget:
    """Posts to one URL. NotAnswered if no answer comes."""

    def __init__(self, settings: TargetSettings) -> None:
        self._connection = Connection(read_url(settings.url, settings.reach), settings.reach)

    async def send(self, sending: Sending) -> Sent:
        """Send one message."""
        return Sent(*await self._connection.post(sending.body, sending.headers))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._connection.aclose()
