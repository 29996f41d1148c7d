"""One request behind a guard: its body is received, replayed to the application, and the response is sent and settled.

The body is read here, within the endpoint's limit, and played to the application once; after that the application hears
the real channel, so that it learns of a disconnect when there is one. The event is completed when the application sends
the head of a 2xx response, *before* the head leaves: a sender never hears of success that was not written down. Where the
endpoint stores replies, the response is held back until it is whole, and completes the event then.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import cast

import anyio

from hookguard import AsyncGuard, Event, Receipt, Reply
from hookguard.errors import BodyTooLarge, TruncatedBody
from hookguard.guard.resuming import WORKER
from hookguard.reply import LARGEST_STORED
from hookguard_starlette.current import HANDLED
from hookguard_starlette.delivery import (
    HUNG_UP,
    App,
    Message,
    Receive,
    Scope,
    Send,
    agree,
    read_body,
    reply_of,
    screen,
    send_reply,
    with_body,
)
from hookguard_starlette.rejections import WebhookAnswered

__all__ = ["EXCHANGE", "Exchange", "serve"]

#: Where the dependency finds the exchange that will settle for it.
EXCHANGE = "hookguard.exchange"


class Exchange:
    """One request whose response is watched: settles the receipt it was given when the head of the response comes.

    Where the endpoint stores replies, a 2xx response is held back until it is whole, or longer than what is stored.
    """

    # Here, and not in __init__, is what most requests never change: setting it each time cost 1 us.
    _started = False
    _replaced = False
    _held: tuple[Message, bytearray] | None = None  # the head and what there is of the body, while held back
    _gone = False
    _read = 0
    limit: int | None = None  #: bytes that may still be read, once somebody knows
    rejection: Reply | None = None  #: what the dependency answers in the handler's place
    too_large = False  #: whether more than that came

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
        token = HANDLED.set(self)
        try:
            await app(scope, receive, self.send)
        except WebhookAnswered as answered:
            if self._replaced:
                return
            if self._started:
                raise
            if not self._gone:
                await send_reply(self._send, answered.reply)
        except BaseException as error:
            if self._started:
                raise
            reply = await self._settle(status=_status_to(scope, error), error=error)
            if reply is None:
                raise
            await send_reply(self._send, reply)
        else:
            if self._held is not None:
                await self._release(whole=False)  # cut short, as when the sender is gone
            elif not self._started:
                await self._settle()
        finally:
            HANDLED.reset(token)

    async def send(self, message: Message) -> None:
        """Pass a message on; settle before the head of the response leaves, or hold the response back to settle it whole."""
        if self._held is not None:
            await self._hold(message, self._held[1])
            return
        if not self._started and message["type"] == "http.response.start":
            if self.rejection is not None and message["status"] == 500:
                # A mounted FastAPI answers so to every exception before it lets it out.
                self._started = self._replaced = True
                await send_reply(self._send, self.rejection)
                return
            if self._guard is None:
                self._started = True  # nothing is settled: the dependency did not run
            elif self._guard.endpoint.store_reply and 200 <= message["status"] < 300:
                self._held = message, bytearray()
                return
            else:
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
            reply = reply_of(head, bytes(body))
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
            await send_reply(self._send, other)

    async def _settle(
        self, *, status: int | None = None, error: BaseException | None = None, reply: Reply | None = None
    ) -> Reply | None:
        guard, receipt = self._guard, self._receipt
        if guard is None or receipt is None:
            return None
        if not guard.suspends or (error is not None and not isinstance(error, Exception)):
            # With a store that never suspends no cancellation can come in between: a scope for nothing cost 8 us.
            return await guard.settle(receipt, status=status, error=error, reply=reply)
        # A sender that hangs up must not leave a handled event half settled.
        shield, other = anyio.CancelScope(shield=True), None
        with shield:
            other = await guard.settle(receipt, status=status, error=error, reply=reply)
        return other  # noqa: RET504 - outside, because a scope may leave the block early


def _status_to(scope: Scope, error: BaseException) -> int | None:
    """Return the status of the answer to an exception that leaves the application: 500 of the framework or the server.

    None where it has a status of its own, or the application has a handler for it or for 500.
    """
    handlers = getattr(scope.get("app"), "exception_handlers", None) or {}
    decided = hasattr(error, "status_code") or any(kind in handlers for kind in (500, *type(error).__mro__))
    return None if decided or not isinstance(error, Exception) else 500


async def serve(guard: AsyncGuard, app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """Take a delivery in and call the application for each of its events, or for a worker's; answer all else here."""
    if (resumed := guard.resume(scope.get(WORKER))) is not None:
        while (await receive()).get("more_body", False):
            pass  # the event has it: the application gets it once, as Quart fails on a second one
        resumed = await guard.begin(resumed)
        if resumed.reply is not None:
            await send_reply(send, resumed.reply)
        else:
            await _run(guard, resumed, app, scope, receive, send)
        return
    head, receipt = screen(guard, scope)
    if receipt is None:
        try:
            body = await read_body(receive, guard.endpoint.max_body)
        except BodyTooLarge as error:
            receipt = guard.reject(error, head)
        else:
            if body is None:
                guard.reject(TruncatedBody(HUNG_UP), head)
                return  # for the log alone: nobody is there to be answered
            receipt = await guard.open(with_body(head, body))
            del body  # the event has it; an error report would write it out
    if receipt.reply is not None:
        await send_reply(send, receipt.reply)
        return
    if guard.endpoint.preset.batch is None:
        await _run(guard, receipt, app, scope, receive, send)
        return

    async def attempt(receipt: Receipt) -> _HeldResponse:
        # The response waits until it is known whether it is the last one, and that the rest went well. Each run begins with
        # the scope as it came.
        held = _HeldResponse(receive)
        try:
            await _run(guard, receipt, app, {**scope, "state": {**scope.get("state", {})}}, held.receive, held.send)
        except Exception as error:
            held.failure = error
        return held

    last = await guard.each(receipt, attempt)
    if isinstance(last, Reply):
        await send_reply(send, last)
        return
    for message in last.response:
        await send(message)
    if last.failure is not None:
        raise last.failure


class _HeldResponse:
    """A response that waits, for an application that is to believe that it was sent.

    Once it is whole the channel says that the sender is gone, as it does after a response: some applications return only then.
    """

    def __init__(self, receive: Receive) -> None:
        self.response: list[Message] = []
        self.failure: Exception | None = None  #: what the application raised; it may have answered before
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


def _run(guard: AsyncGuard, receipt: Receipt, app: App, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    """Return a call of the application for one event."""
    event = receipt.event
    scope.setdefault("state", {})["webhook"] = event
    agree(scope, guard, event.headers, event.body)
    played = False

    async def play() -> Message:
        nonlocal played
        if played:
            return await receive()
        played = True
        return {"type": "http.request", "body": event.body, "more_body": False}

    return Exchange(send, receive, guard, receipt).run(app, scope, play)
