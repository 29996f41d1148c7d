"""Receivers on loopback: a real server with answers by script, and one that writes any bytes it likes."""

import asyncio
import socket
import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from waiting import until

LOOPBACK = ["127.0.0.0/8", "::1"]


@dataclass
class Came:
    """A request that a receiver got."""

    path: str
    headers: dict
    body: bytes
    at: float


@dataclass
class Receiver:
    """The requests to the server, and its answers: statuses, or triples of a status, headers and a body; then ``usual``."""

    url: str = ""
    usual: int = 200
    answers: deque = field(default_factory=deque)
    seen: list = field(default_factory=list)
    peers: set = field(default_factory=set)  #: the ports that requests came from
    before: Any = None  #: called with each request before it is answered

    @property
    def ids(self):
        return [came.headers["webhook-id"] for came in self.seen]

    async def __call__(self, scope, receive, send):
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        came = Came(scope["path"], headers, body, time.time())
        self.seen.append(came)
        self.peers.add(scope["client"])
        if self.before is not None:
            await asyncio.to_thread(self.before, came)
        answer = self.answers.popleft() if self.answers else self.usual
        status, more, content = (answer, {}, b"") if isinstance(answer, int) else answer
        sent = [(name.encode(), value.encode()) for name, value in {"content-length": str(len(content)), **more}.items()]
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": content})


@contextmanager
def receiver(host="127.0.0.1", **options):
    """Run one in a thread, on a free port; it stops with the block."""
    app = Receiver()
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.bind((host, 0))
    config = uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1, **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    assert until(lambda: server.started)
    scheme = "https" if "ssl_certfile" in options else "http"
    app.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}/hooks"
    try:
        yield app
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@contextmanager
def raw_server(answer):
    """A TCP server that calls ``answer(connection)`` when a request's head has come; gives its port and the connections' log."""
    listening = socket.create_server(("127.0.0.1", 0))
    log = []

    def serve():
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            log.append(connection.getpeername())
            threading.Thread(target=speak, args=(connection,), daemon=True).start()

    def speak(connection):
        with connection:
            try:
                head = b""
                while b"\r\n\r\n" not in head and (piece := connection.recv(65536)):
                    head += piece
                answer(connection)
            except OSError:
                pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1], log
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()
