"""Call an ASGI application, and run its lifespan, on the running event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

from hookguard.errors import ConfigurationError, GiveUp
from hookguard.headers import Headers
from hookguard.work.calling import Answer, Call

__all__ = ["ASGIApp", "call_asgi", "lifespan"]

Message = MutableMapping[str, Any]
ASGIApp = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]

_log = logging.getLogger("hookguard.work")

_VERSIONS = {"version": "3.0", "spec_version": "2.3"}

#: Seconds that an application may take to shut down.
SHUTDOWN = 10.0


async def call_asgi(app: ASGIApp, call: Call, state: MutableMapping[str, Any] | None = None) -> Answer:
    """Call the application, and return its answer. ``state`` is that of its lifespan.

    Raises only CancelledError, if the caller is cancelled. An application that raises SystemExit has failed like any other.
    """
    exchange = _Exchange(call.body)
    error: BaseException | None = None
    try:
        await app(_scope(call, state or {}), exchange.receive, exchange.send)
    except asyncio.CancelledError as cancelled:
        if (task := asyncio.current_task()) is not None and _is_cancelled(task):
            raise
        error = cancelled  # the application's own
    except BaseException as raised:  # SystemExit would end the event loop, and with it the other handlers
        error = raised
        if not isinstance(raised, GiveUp):
            _log.error("the application raised in %r", call, exc_info=raised)  # as its server would
    return Answer(exchange.status, Headers.from_asgi(exchange.headers), error)


def _is_cancelled(task: asyncio.Task[Any]) -> bool:
    """Whether the task itself is being cancelled. Python 3.10 does not say: any cancellation counts there."""
    cancelling = getattr(task, "cancelling", None)
    return cancelling is None or bool(cancelling())


class _Exchange:
    """One request and its response. The sender stays connected until the response is whole."""

    def __init__(self, body: bytes) -> None:
        self.status: int | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self._body: bytes | None = body
        self._whole = asyncio.Event()

    async def receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._whole.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [(bytes(name), bytes(value)) for name, value in message.get("headers", ())]
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            self._whole.set()


def _scope(call: Call, state: MutableMapping[str, Any]) -> dict[str, Any]:
    """Return the scope of a server that received this call."""
    left_out = {"host", "content-length", "transfer-encoding"}
    headers = [(name, value) for name, value in call.headers.items() if name not in left_out]
    headers += [("host", call.host), ("content-length", str(len(call.body)))]
    return {
        "type": "http",
        "asgi": dict(_VERSIONS),
        "http_version": "1.1",
        "method": call.method,
        "scheme": call.scheme,
        "path": unquote(call.raw_path),
        "raw_path": call.raw_path.encode("latin-1", "replace"),
        "query_string": call.query.encode("latin-1", "replace"),
        "root_path": call.root,
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        "client": (call.remote, 0) if call.remote else None,
        "server": call.server,
        "state": dict(state),  # a copy for each request, as servers make it
        **call.extra,
    }


@asynccontextmanager
async def lifespan(app: ASGIApp) -> AsyncIterator[dict[str, Any]]:
    """Start the application, yield its state, and shut it down.

    An application that knows no lifespan is used as it is. Raises ConfigurationError if the application fails to start.
    """
    life = _Lifespan(app)
    await life.start()
    try:
        yield life.state
    finally:
        await life.stop()


class _Lifespan:
    def __init__(self, app: ASGIApp) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())
        answer = await self._ask("lifespan.startup", None)
        if answer is not None and answer["type"] == "lifespan.startup.failed":
            raise ConfigurationError(f"the application did not start: {answer.get('message', '') or 'its lifespan failed'}")

    async def stop(self) -> None:
        try:
            answer = await self._ask("lifespan.shutdown", SHUTDOWN)
            if answer is not None and answer["type"] == "lifespan.shutdown.failed":
                _log.error("the application did not shut down cleanly: %s", answer.get("message", ""))
        except asyncio.TimeoutError:
            _log.error("the application did not shut down within %.0f s", SHUTDOWN)
        finally:
            if self._task is not None:
                self._task.cancel()
                await asyncio.wait({self._task})

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._events.get, self._answers.put)
        except Exception as error:
            # Many applications raise for a scope that they do not know, so servers go on.
            _log.info("the application has no lifespan, or it failed: %s: %s", type(error).__name__, error)

    async def _ask(self, event: str, seconds: float | None) -> Message | None:
        """Send an event, and return the answer; None if the application has returned instead."""
        if self._task is None or self._task.done():
            return None
        await self._events.put({"type": event})
        answering = asyncio.get_running_loop().create_task(self._answers.get())
        done, _ = await asyncio.wait({answering, self._task}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if answering in done:
            return answering.result()
        answering.cancel()
        if not done:
            raise asyncio.TimeoutError
        return None if self._answers.empty() else self._answers.get_nowait()  # it answered and then returned
