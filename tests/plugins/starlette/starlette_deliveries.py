"""Shared by the tests of the ASGI plugin: signed deliveries, and ways to hand them to an application."""

import asyncio
import json
from importlib.util import find_spec

import anyio
import httpx

from hookguard import MemoryStore, presets
from hookguard_starlette import HookGuard

#: The pure ASGI class runs on anything anyio knows. Trio is tested where it is installed.
BACKENDS = ["asyncio", *(["trio"] if find_spec("trio") else [])]

SECRET = "a-secret-that-is-long-enough"


def stripe(event_id, **fields):
    body = json.dumps({"id": event_id, "type": "invoice.paid", **fields}).encode()
    return presets.STRIPE.sign(body, SECRET)


def github(body, delivery_id, **headers):
    return presets.GITHUB.sign(body, SECRET, id=delivery_id, type="push", headers=headers)


def make_hooks(**config):
    endpoints = config.pop("endpoints", {"stripe": {"secrets": [SECRET]}, "github": {"secrets": [SECRET]}})
    return HookGuard(endpoints, **{"store": MemoryStore(), **config})


async def request(app, method, path, *, client=("127.0.0.1", 123), scheme="http", root_path="", **options):
    """Send a request to an application as its server would, exceptions answered with 500."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=client, root_path=root_path)
    async with httpx.AsyncClient(transport=transport, base_url=f"{scheme}://shop.example") as sender:
        return await sender.request(method, path, **options)


async def apost(app, delivery, path="/hook", *, headers=(), **options):
    return await request(
        app, "POST", path, content=delivery.body, headers=[*delivery.headers.items(), *dict(headers).items()], **options
    )


def post(app, delivery, path="/hook", **options):
    return asyncio.run(apost(app, delivery, path, **options))


def ask(app, method, path="/hook", **options):
    return asyncio.run(request(app, method, path, **options))


class Wire:
    """One HTTP connection as an ASGI server sees it: what is received is written down, and so is what is sent.

    ``parts`` are the chunks of the body; ``None`` among them is the moment at which the sender hangs up.
    """

    def __init__(self, delivery, parts=None, path="/hook", *, hangs_up=False, **scope):
        parts = [delivery.body] if parts is None else parts
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in delivery.headers.items()]
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": delivery.method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": headers + scope.pop("headers", []),
            "client": ("127.0.0.1", 123),
            "server": ("127.0.0.1", 80),
            **scope,
        }
        self._parts = iter(parts)
        self._next = next(self._parts, b"")
        self._ended = False
        self._hangs_up = hangs_up
        self.received = 0  # messages with a piece of the body
        self.sent = []
        self.finished = anyio.Event()

    async def receive(self):
        await anyio.lowlevel.checkpoint()
        if self._next is None:
            return {"type": "http.disconnect"}
        if self._ended:
            # As servers do: there is nothing to hear but the end of the connection.
            if not self._hangs_up:
                await self.finished.wait()
            return {"type": "http.disconnect"}
        self.received += 1
        part, self._next = self._next, next(self._parts, b"" if self._ended else StopIteration)
        if self._next is StopIteration:
            self._ended, self._next = True, b""
        return {"type": "http.request", "body": part, "more_body": not self._ended}

    async def send(self, message):
        await anyio.lowlevel.checkpoint()
        self.sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.finished.set()

    async def run(self, app):
        await app(self.scope, self.receive, self.send)
        return self

    @property
    def status(self):
        (head,) = [message for message in self.sent if message["type"] == "http.response.start"]
        return head["status"]

    @property
    def headers(self):
        (head,) = [message for message in self.sent if message["type"] == "http.response.start"]
        return {name.decode(): value.decode() for name, value in head["headers"]}

    @property
    def body(self):
        return b"".join(message.get("body", b"") for message in self.sent if message["type"] == "http.response.body")


async def answer(send, status=204, body=b"", headers=()):
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def read_all(receive):
    body = b""
    while True:
        message = await receive()
        assert message["type"] == "http.request"
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


def endless():
    """A body in pieces of 16 bytes that has no end; who reads far too much of it is stopped."""
    for _ in range(1000):
        yield b"x" * 16
    raise AssertionError("the body was read on and on")
