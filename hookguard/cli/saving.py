"""``hookguard listen --save``: each delivery as a file of raw HTTP, which other commands read."""

from __future__ import annotations

import os
import stat
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from typing import Any

import click

__all__ = ["Folder", "SavingApp"]

Message = MutableMapping[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]


class Folder:
    """A folder for deliveries, which hold bodies and signatures: only its owner may read them.

    Raises a usage error if the folder cannot be used, or if others could replace the files in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._numbers = count(1)
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = path.stat()
        except OSError as error:
            raise click.UsageError(
                f"--save {path} cannot be used ({error.strerror}): name a folder that you may write to"
            ) from None
        if not stat.S_ISDIR(found.st_mode) or not os.access(path, os.W_OK | os.X_OK):
            raise click.UsageError(f"--save {path} is not a folder that you may write to")
        if os.name == "posix" and (found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWOTH | stat.S_IWGRP)):
            raise click.UsageError(f"--save {path}: other users may replace files in it. Name a folder of your own with mode 700")

    def write(self, raw: bytes) -> Path:
        """Write one delivery into a new file, which never replaces another one. Raises OSError."""
        moment = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
        # No link is followed, and an existing file is never opened: O_EXCL does both.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        for number in self._numbers:
            path = self.path / f"{moment}-{number:04d}.http"
            try:
                opened = os.open(path, flags, 0o600)
            except FileExistsError:
                continue
            with os.fdopen(opened, "wb") as file:
                file.write(raw)
            return path
        raise AssertionError  # a count has no end


class SavingApp:
    """An ASGI application that saves each request before another one sees it. ``say`` is called with each file's path."""

    def __init__(self, app: App, folder: Folder, largest: int, say: Callable[[str], None]) -> None:
        self._app, self._folder, self._largest, self._say = app, folder, largest, say

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Save the request, then pass it on unchanged."""
        messages: list[Message] = []
        size, more = 0, True
        # One byte more than is accepted: the guard rejects such a body, and it is not saved.
        while more and size <= self._largest:
            message = await receive()
            messages.append(message)
            size += len(message.get("body", b""))
            more = message["type"] == "http.request" and message.get("more_body", False)
        body = b"".join(message.get("body", b"") for message in messages)
        if messages[-1]["type"] != "http.request":
            self._say("not saved: the sender closed the connection")
        elif more or size > self._largest:
            self._say(f"not saved: the body has more than {self._largest} bytes")
        else:
            self._save(_raw(scope, body))

        async def again() -> Message:
            return messages.pop(0) if messages else await receive()

        await self._app(scope, again, send)

    def _save(self, raw: bytes) -> None:
        try:
            self._say(f"saved as {self._folder.write(raw)}")
        except OSError as error:
            # The delivery is handled all the same.
            self._say(f"not saved: {error.strerror}")


def _raw(scope: Any, body: bytes) -> bytes:
    """Return a request as raw HTTP: the body byte for byte, the names of headers in lower case."""
    path = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogateescape")
    target = path + (b"?" + scope["query_string"] if scope.get("query_string") else b"")
    lines = [scope["method"].encode() + b" " + target + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in scope["headers"]]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
