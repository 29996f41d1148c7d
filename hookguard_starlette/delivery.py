"""An ASGI request as a delivery: its head, and its body within the endpoint's limit; a reply as ASGI's messages and back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

from hookguard import AsyncGuard, Delivery, Headers, Receipt, Reply
from hookguard.errors import BodyTooLarge, MalformedDelivery
from hookguard.head.content_type import agreed_type
from hookguard.head.target import host_of

__all__ = [
    "HUNG_UP",
    "App",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "agree",
    "read_body",
    "reply_of",
    "screen",
    "send_reply",
    "with_body",
]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HUNG_UP = "the sender hung up before the end of the body"


def screen(guard: AsyncGuard, scope: Scope) -> tuple[Delivery, Receipt | None]:
    """Return the delivery without its body, and the receipt of one that is rejected by its head."""
    path, target = scope["path"], _target(scope)
    try:
        url = guard.endpoint.url(target, {path, scope.get("root_path", "") + path})
    except MalformedDelivery as error:
        head = _head_of(scope, "")
        return head, guard.reject(error, head)
    head = _head_of(scope, url, target)
    return head, guard.screen(head)


def _head_of(scope: Scope, url: str, target: str = "") -> Delivery:
    client = scope.get("client")
    headers = Headers.from_asgi(scope["headers"])
    remote, secure = client[0] if client else None, scope.get("scheme") == "https"
    # Starlette's mounts lengthen root_path, and remember the server's own.
    root = scope.get("app_root_path", scope.get("root_path", ""))
    own = None if "host" in headers else scope.get("server")
    server = host_of(own[0], own[1]) if own else ""
    return Delivery(b"", headers, scope["method"], url, remote, secure, target, root, server)


def with_body(head: Delivery, body: bytes) -> Delivery:
    """Return the whole delivery. Not by ``_replace``, which takes 4 us to ask the class for its fields."""
    came = head.method, head.url, head.remote, head.secure, head.target, head.root, head.server
    return Delivery(body, head.headers, *came)


async def read_body(receive: Receive, limit: int) -> bytes | None:
    """Return the body, or None when the sender hung up before its end; BodyTooLarge when more than the limit came."""
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


def agree(scope: Scope, guard: AsyncGuard, headers: Headers, body: bytes) -> bool:
    """Let the application parse the body as what it is: nobody signs the Content-Type, and frameworks follow it.

    True if the headers say another one now.
    """
    kind = agreed_type(headers, body, forms=guard.endpoint.preset.sends_forms)
    if kind is not None:
        others = [(name, value) for name, value in scope["headers"] if name.lower() != b"content-type"]
        scope["headers"] = [*others, (b"content-type", kind.encode())]
    return kind is not None


async def send_reply(send: Send, reply: Reply) -> None:
    """Send a reply as a response."""
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    # Some servers and test clients want more_body said.
    await send({"type": "http.response.body", "body": reply.body, "more_body": False})


def reply_of(head: Message, body: bytes) -> Reply:
    """Return a whole response, as its first message and its body, as a reply."""
    headers = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.get("headers", ()))
    return Reply(head["status"], tuple(headers), body)


def _target(scope: Scope) -> str:
    """The path and query as they came over the wire, where the server says it; else rebuilt, which is not exact."""
    raw = scope.get("raw_path")
    path = raw.decode("latin-1") if raw else quote(scope["path"], safe="/!$&'()*+,;=:@~")
    query = scope.get("query_string", b"")
    return f"{path.partition('?')[0]}?{query.decode('latin-1')}" if query else path
