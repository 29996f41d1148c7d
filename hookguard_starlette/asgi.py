"""The guard as pure ASGI middleware. Knows no framework: the ASGI specification is all it speaks.

The body is read here, within the endpoint's limit, and played to the application once; after that the application hears
the real channel, so that it learns of a disconnect when there is one. The event is completed when the application sends
the head of a 2xx response, *before* the head leaves: a sender never hears of success that was not written down. Where the
endpoint stores replies, the response is held back until it is whole, and completes the event then.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any, cast
from urllib.parse import quote

import anyio

from hookguard import AsyncGuard, ConfigurationError, Delivery, Event, Headers, Receipt, Reply
from hookguard.errors import BodyTooLarge, TruncatedBody
from hookguard.reply import LARGEST_STORED

__all__ = ["Exchange", "Misconfigured", "WebhookMiddleware", "WebhookRefused", "current_webhook"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_log = logging.getLogger("hookguard.starlette")
# The exchange and not the event: a dependency fills it in later, and what a task inherits is the reference.
_current: ContextVar[Exchange] = ContextVar("hookguard_exchange")


def current_webhook() -> Event:
    """Return the event being handled; RuntimeError where no guard stands before the handler."""
    exchange = _current.get(None)
    event = exchange.event if exchange is not None else None
    if event is None:
        raise RuntimeError(
            "no webhook is being handled here: guard this route, for example with Route(…, middleware=[hooks.middleware(name)])"
        )
    return event


class WebhookRefused(Exception):
    """Raised inside FastAPI when a delivery is not to be handled; the middleware answers with ``receipt.reply``."""

    def __init__(self, receipt: Receipt) -> None:
        super().__init__(type(receipt.error).__name__ if receipt.error else "answered")
        self.receipt = receipt


class WebhookMiddleware:
    """Guards an application, or the paths of it that are named.

    With ``guard`` every HTTP request is a delivery. With ``paths`` (path below the root path, to guard) only those are, and
    everything else passes. With neither, requests pass, and FastAPI's dependency ``hooks.event(…)`` may guard a
    handler later on: this middleware then settles what the dependency opened. The stores of ``others`` are looked at when the
    server starts, as those of its own guards are.
    """

    def __init__(
        self,
        app: App,
        *,
        guard: AsyncGuard | None = None,
        paths: Mapping[str, AsyncGuard] | None = None,
        others: Collection[AsyncGuard] = (),
    ) -> None:
        self.app = app
        self._others = others
        self._guard = guard
        self._paths = {_plain(path): guard for path, guard in (paths or {}).items()}
        for path in paths or ():
            # It would match no request, and leave unguarded what it was meant to guard.
            if not path.startswith("/") or re.search(r"[{}<>?%]", path):
                raise ConfigurationError(
                    f"{path!r} guards nothing: give a path as it is requested, from the root, decoded and without parameters;"
                    " a route with parameters is guarded by middleware of its own"
                )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._start(receive, send)
            await self.app(scope, receive, send)
            return
        guard = self._guard or (self._paths.get(_plain(_route_path(scope))) if self._paths else None)
        if guard is not None:
            await _serve(guard, self.app, scope, receive, send)
        elif self._paths:
            await self.app(scope, receive, send)
        else:
            exchange = Exchange(send, receive, outer=scope.get(EXCHANGE))
            await exchange.run(self.app, scope, exchange.count)

    async def _start(self, receive: Receive, send: Send) -> None:
        """Look at the stores before the server takes deliveries."""
        if self._paths:
            _log.info("webhooks are guarded at %s", ", ".join(sorted(self._paths)))
        try:
            for guard in (*self._paths.values(), *((self._guard,) if self._guard else ()), *self._others):
                await guard.start()
        except ConfigurationError as error:
            await _refuse_to_start(error, receive, send)
            raise


class Misconfigured:
    """Stands where a guard could not be made: keeps the server from starting, and serves nothing if it starts all the same."""

    def __init__(self, error: ConfigurationError) -> None:
        self.error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raise what is wrong."""
        if scope["type"] == "lifespan":
            await _refuse_to_start(self.error, receive, send)
        raise self.error.with_traceback(None)  # it would grow by each request


async def _refuse_to_start(error: ConfigurationError, receive: Receive, send: Send) -> None:
    """Say it in words: an exception alone is taken for an application that knows no lifespan, and the server starts."""
    await receive()
    await send({"type": "lifespan.startup.failed", "message": f"hookguard: {error}"})


HUNG_UP = "the sender hung up before the end of the body"

#: Where the dependency finds the exchange that will settle for it.
EXCHANGE = "hookguard.exchange"


class Exchange:
    """One request whose response is watched: settles the receipt it was given when the head of the response comes.

    Where the endpoint stores replies, a 2xx response is held back until it is whole, or longer than what is stored.
    """

    __slots__ = (
        "_gone",
        "_guard",
        "_held",
        "_outer",
        "_read",
        "_receipt",
        "_receive",
        "_replaced",
        "_send",
        "_started",
        "limit",
        "too_large",
    )

    def __init__(
        self,
        send: Send,
        receive: Receive,
        guard: AsyncGuard | None = None,
        receipt: Receipt | None = None,
        outer: Exchange | None = None,
    ) -> None:
        self._send = send
        self._receive = receive
        self._guard = guard
        self._receipt = receipt
        self._outer = outer
        self._started = False
        self._replaced = False
        self._held: tuple[Message, bytearray] | None = None  # the head and what there is of the body, while held back
        self._gone = False
        self._read = 0
        self.limit: int | None = None  #: bytes that may still be read, once somebody knows
        self.too_large = False  #: whether more than that came

    @property
    def event(self) -> Event | None:
        """The event that is being handled; None where nothing was verified yet."""
        if self._receipt is not None:
            return self._receipt.event
        return self._outer.event if self._outer is not None else None

    @property
    def guard(self) -> AsyncGuard | None:
        """The guard that verified the event."""
        return self._guard or (self._outer.guard if self._outer is not None else None)

    def take(self, guard: AsyncGuard, receipt: Receipt) -> None:
        """Settle this receipt when the response comes."""
        self._guard, self._receipt = guard, receipt

    async def count(self) -> Message:
        """Receive, and pretend that the sender hung up once it goes over the limit.

        Not an exception: middleware in between may wrap one into something else.
        """
        message = {"type": "http.disconnect"} if self.too_large else await self._receive()
        self._gone = self._gone or message["type"] == "http.disconnect"
        self._read += len(message.get("body", b""))
        if self.limit is not None and self._read > self.limit:
            self.too_large = True
            return {"type": "http.disconnect"}
        return message

    async def run(self, app: App, scope: Scope, receive: Receive) -> None:
        """Call the application and see the receipt settled, whatever happens."""
        scope[EXCHANGE] = self
        token = _current.set(self)
        try:
            await self._run(app, scope, receive)
        finally:
            _current.reset(token)

    async def _run(self, app: App, scope: Scope, receive: Receive) -> None:
        try:
            await app(scope, receive, self.send)
        except WebhookRefused as refused:
            if self._started or refused.receipt.reply is None:
                raise
            if not self._gone:
                await _answer(self._send, refused.receipt.reply)
        except BaseException as error:
            if self._started:
                raise
            reply = await self._settle(error=error)
            if reply is None:
                raise
            await _answer(self._send, reply)
        else:
            if self._held is not None:
                await self._release(whole=False)  # cut short, as when the sender is gone
            elif not self._started:
                await self._settle()

    async def send(self, message: Message) -> None:
        """Pass a message on; settle before the head of the response leaves, or hold the response back to settle it whole."""
        if self._held is not None:
            await self._hold(message, self._held[1])
            return
        if not self._started and message["type"] == "http.response.start":
            if self._guard is not None and self._guard.endpoint.store_reply and 200 <= message["status"] < 300:
                self._held = message, bytearray()
                return
            await self._start(message["status"])
        if not self._replaced:
            await self._send(message)

    async def _hold(self, message: Message, body: bytearray) -> None:
        """Hold one more message back, and let go once the response is whole or is not one that is stored."""
        if message["type"] != "http.response.body":
            # Such as the path of a file: what the server will send is not seen here.
            await self._release(whole=False)
            await self.send(message)
            return
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if not more or len(body) > LARGEST_STORED:
            await self._release(whole=not more)

    async def _release(self, *, whole: bool) -> None:
        """Settle, with the reply to store when it is whole, and send what was held back."""
        head, body = cast("tuple[Message, bytearray]", self._held)
        self._held = None
        status, reply = head["status"], None
        if whole:
            headers = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.get("headers", ()))
            reply = Reply(status, tuple(headers), bytes(body))
        await self._start(status, reply)
        if self._replaced:
            return
        await self._send(head)
        if body or whole:
            await self._send({"type": "http.response.body", "body": bytes(body), "more_body": not whole})

    async def _start(self, status: int, reply: Reply | None = None) -> None:
        """Settle, and answer in the application's place where that could not be done."""
        self._started = True
        other = await self._settle(status=status, reply=reply)
        if other is not None:
            self._replaced = True
            await _answer(self._send, other)

    async def _settle(
        self, *, status: int | None = None, error: BaseException | None = None, reply: Reply | None = None
    ) -> Reply | None:
        if self._guard is None or self._receipt is None:
            return None
        if error is not None and not isinstance(error, Exception):
            return await self._guard.settle(self._receipt, error=error)
        # A sender that hangs up must not leave a handled event half settled.
        shield = anyio.CancelScope(shield=True)
        with shield:
            other = await self._guard.settle(self._receipt, status=status, error=error, reply=reply)
        return other  # noqa: RET504 - outside, because a scope may leave the block early


async def _serve(guard: AsyncGuard, app: App, scope: Scope, receive: Receive, send: Send) -> None:
    headers = Headers.from_asgi(scope["headers"])
    client = scope.get("client")
    head = Delivery(
        b"",
        headers,
        scope["method"],
        guard.endpoint.url(_target(scope)),
        client[0] if client else None,
        scope.get("scheme") == "https",
    )
    receipt = guard.screen(head)
    if receipt is None:
        try:
            body = await _read(receive, guard.endpoint.max_body)
        except BodyTooLarge as error:
            receipt = guard.refuse(error, head)
        else:
            if body is None:
                guard.refuse(TruncatedBody(HUNG_UP), head)
                return  # for the log alone: nobody is there to be answered
            receipt = await guard.open(Delivery(body, headers, *head[2:]))
    if receipt.reply is not None:
        await _answer(send, receipt.reply)
        return
    if receipt.members is None:
        await _run(guard, receipt, app, scope, receive, send)
        return
    while True:
        # The response waits until it is known whether it is the last one, and that the rest went well. Whoever runs again
        # begins with the scope as it came.
        held = _Held(receive)
        failure: Exception | None = None
        try:
            await _run(guard, receipt, app, {**scope, "state": {**scope.get("state", {})}}, held.receive, held.send)
        except Exception as error:
            failure = error
        following = await guard.next(receipt)
        if following is None:
            for message in held.response:
                await send(message)
            if failure is not None:
                raise failure
            return
        if following.reply is not None:
            await _answer(send, following.reply)
            return
        receipt = following


class _Held:
    """A response that waits, for an application that is to believe that it was sent.

    Once it is whole the channel says that the sender is gone, as it does after a response: some applications return only then.
    """

    def __init__(self, receive: Receive) -> None:
        self.response: list[Message] = []
        self._receive = receive
        self._whole = anyio.Event()

    async def send(self, message: Message) -> None:
        self.response.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._whole.set()

    async def receive(self) -> Message:
        heard: list[Message] = []
        async with anyio.create_task_group() as either:

            async def listen() -> None:
                heard.append(await self._receive())
                either.cancel_scope.cancel()

            either.start_soon(listen)
            await self._whole.wait()
            either.cancel_scope.cancel()
        return heard[0] if heard else {"type": "http.disconnect"}


async def _run(guard: AsyncGuard, receipt: Receipt, app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """Call the application for one event."""
    event = receipt.event
    scope.setdefault("state", {})["webhook"] = event
    played = False

    async def play() -> Message:
        nonlocal played
        if played:
            return await receive()
        played = True
        return {"type": "http.request", "body": event.body, "more_body": False}

    await Exchange(send, receive, guard, receipt).run(app, scope, play)


async def _read(receive: Receive, limit: int) -> bytes | None:
    """The body, or None when the sender hung up before its end."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(f"more than {limit} bytes came")
        if chunk:
            chunks.append(chunk)
        if not message.get("more_body", False):
            return bytes(chunks[0]) if len(chunks) == 1 else b"".join(chunks)


async def _answer(send: Send, reply: Reply) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    # Some servers and test clients want more_body said.
    await send({"type": "http.response.body", "body": reply.body, "more_body": False})


def _target(scope: Scope) -> str:
    """The path and query as they came over the wire, where the server says it; else rebuilt, which is not exact."""
    raw = scope.get("raw_path")
    path = raw.decode("latin-1") if raw else quote(scope["path"], safe="/!$&'()*+,;=:@~")
    query = scope.get("query_string", b"")
    return f"{path.partition('?')[0]}?{query.decode('latin-1')}" if query else path


def _route_path(scope: Scope) -> str:
    """The path that routes are matched against: below the root path, which a mount or a proxy adds."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root + "/") else path


def _plain(path: str) -> str:
    """The path without what some routers overlook, so that no spelling of a guarded path leads past its guard.

    Litestar drops slashes that are repeated or come last; Starlette's patterns let a line break pass at the end.
    """
    return re.sub("/+", "/", path).rstrip("/\n") or "/"
