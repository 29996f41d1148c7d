"""The lifespan of a guarded application: the stores are checked once it has started, before the server takes deliveries.

Not earlier: its own lifespan may be what makes the tables.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hookguard import ConfigurationError
from hookguard_starlette.delivery import App, Message, Receive, Scope, Send

__all__ = ["fail_startup", "pass_lifespan"]


async def fail_startup(error: ConfigurationError, receive: Receive, send: Send) -> None:
    """Send the error in words: an exception alone is taken for an application that knows no lifespan, and the server starts."""
    await receive()
    await send(_failed(error))


async def pass_lifespan(app: App, scope: Scope, receive: Receive, send: Send, check: Callable[[], Awaitable[None]]) -> None:
    """Pass the lifespan on, and call ``check`` when the application has started; its ConfigurationError stops the server."""
    await _Lifespan(receive, send, check).run(app, scope)


class _Lifespan:
    def __init__(self, receive: Receive, send: Send, check: Callable[[], Awaitable[None]]) -> None:
        self._receive = receive
        self._send = send
        self._check = check
        self._asked = False
        self._answered = False
        self._failure: ConfigurationError | None = None

    async def run(self, app: App, scope: Scope) -> None:
        try:
            await app(scope, self.receive, self.send)
        except Exception:
            if self._failure is None:
                await self._check_unanswered()
                raise
        if self._failure is not None:
            raise self._failure
        await self._check_unanswered()

    async def receive(self) -> Message:
        if self._failure is not None:
            return {"type": "lifespan.shutdown"}  # it has started, and may hold what must be closed
        self._asked = True
        return await self._receive()

    async def send(self, message: Message) -> None:
        if self._failure is not None:
            return  # the server has its answer
        self._answered = True
        if message["type"] == "lifespan.startup.complete":
            try:
                await self._check()
            except ConfigurationError as error:
                self._failure = error
                message = _failed(error)
        await self._send(message)

    async def _check_unanswered(self) -> None:
        """Check for an application that knows no lifespan: the server starts all the same."""
        if self._answered:
            return
        try:
            await self._check()
        except ConfigurationError as error:
            if not self._asked:
                await self._receive()
            await self._send(_failed(error))
            raise


def _failed(error: ConfigurationError) -> Message:
    return {"type": "lifespan.startup.failed", "message": f"hookguard: {error}"}
