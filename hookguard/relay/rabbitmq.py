"""An exchange of RabbitMQ as a target: persistent messages, confirmed by the server, and never dropped for want of a queue."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hookguard.relay.queue_urls import read_route
from hookguard.relay.queues import QueueTarget
from hookguard.relay.sending import Sending

__all__ = ["RabbitTarget"]


class RabbitTarget(QueueTarget):
    """Publishes to one exchange. A message that no queue takes is a failure: it is mandatory."""

    async def _connect(self) -> Any:
        import aio_pika  # noqa: PLC0415 - an extra

        route = read_route(self._settings.url)
        context = self._settings.reach.tls() if self._settings.scheme == "amqps" else None
        connection = await aio_pika.connect(route.server, timeout=self._patience, ssl_context=context)
        try:
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            exchange = await channel.get_exchange(route.exchange) if route.exchange else channel.default_exchange
        except BaseException:
            await self._close((connection, None))
            raise
        return connection, exchange

    async def _publish(self, connection: Any, sending: Sending) -> None:
        import aio_pika  # noqa: PLC0415 - an extra

        route = read_route(self._settings.url)
        message = aio_pika.Message(
            sending.body,
            headers=dict(self._headers(sending)),
            content_type=sending.headers.get("Content-Type"),
            message_id=sending.id,
            type=_short(sending.event_type) or None,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        key = sending.event_type if route.key is None else route.key
        await connection[1].publish(message, routing_key=_short(key), mandatory=True, timeout=self._patience)

    def _rejections(self) -> tuple[type[Exception], ...]:
        from aio_pika.exceptions import DeliveryError  # noqa: PLC0415 - an extra

        # Nothing else: after another exception the numbers of the client's and the server's messages may differ.
        return (DeliveryError,)

    async def _close(self, connection: Any) -> None:
        with suppress(Exception):
            await connection[0].close()


def _short(text: str) -> str:
    """Cut a text to the 255 bytes of a short string: AMQP 0-9-1, section 4.2.5.3."""
    return text.encode(errors="replace")[:255].decode(errors="ignore")
