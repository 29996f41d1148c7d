"""A subject of NATS JetStream as a target. Each message is acknowledged by the stream that stores it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hookguard.relay.queue_urls import read_subject
from hookguard.relay.queues import QueueTarget
from hookguard.relay.sending import Sending

__all__ = ["NatsTarget"]


class NatsTarget(QueueTarget):
    """Publishes to one subject. A subject that no stream stores is a failure."""

    async def _connect(self) -> Any:
        from nats.aio.client import Client  # noqa: PLC0415 - an extra

        client = Client()
        try:
            await client.connect(
                servers=[read_subject(self._settings.url).server],
                connect_timeout=max(1, int(self._patience)),
                # A message that waits in the client for a reconnection would look like one that is on its way.
                allow_reconnect=False,
                max_reconnect_attempts=0,
                error_cb=_ignore,
                tls=self._settings.reach.tls() if self._settings.scheme == "tls" else None,
            )
        except BaseException:
            await self._close(client)  # it leaves its socket open
            raise
        return client

    async def _publish(self, connection: Any, sending: Sending) -> None:
        headers = {**self._headers(sending), "Nats-Msg-Id": sending.id}
        subject = read_subject(self._settings.url).subject
        await connection.jetstream().publish(subject, sending.body, timeout=self._patience, headers=headers)

    def _rejections(self) -> tuple[type[Exception], ...]:
        from nats.errors import MaxPayloadError  # noqa: PLC0415 - an extra
        from nats.js.errors import APIError, NoStreamResponseError  # noqa: PLC0415 - an extra

        return APIError, MaxPayloadError, NoStreamResponseError

    async def _close(self, connection: Any) -> None:
        with suppress(Exception):
            await connection.close()


async def _ignore(_: Exception) -> None:
    """Do nothing: the error of a message is raised where it was sent."""
