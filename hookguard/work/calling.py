"""A request that a worker makes again, and the application's answer to it. ``wsgi.py`` and ``asgi.py`` make the call."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import unquote_to_bytes

from hookguard.errors import ConfigurationError
from hookguard.headers import Headers
from hookguard.privacy.shown import shown_url
from hookguard.record import Record

__all__ = ["Answer", "Call", "is_asgi"]

# A target in absolute form, which a proxy may send: http://shop.example/hooks
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?]*")


@dataclass(frozen=True, slots=True, repr=False)
class Call(Record):
    """One request, as the web process received it. A worker gives the application the same values.

    ``target`` is the raw path and query. ``root`` is the part of the path that the server kept for itself: ``SCRIPT_NAME`` in
    WSGI, ``root_path`` in ASGI. ``host`` may have a port. ``headers`` are those that were stored. ``extra`` is added to the WSGI
    environ or the ASGI scope.
    """

    method: str
    target: str
    host: str
    headers: Headers
    body: bytes
    scheme: str = "https"
    remote: str | None = None
    root: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Call({self.method} {shown_url(self.target)!r}, {len(self.body)} bytes)"

    @property
    def raw_path(self) -> str:
        """The path as it came over the wire, with its escapes."""
        return _ORIGIN.sub("", self.target.partition("?")[0], count=1) or "/"

    @property
    def path(self) -> bytes:
        """The path without escapes."""
        return unquote_to_bytes(self.raw_path.encode("latin-1", "replace"))

    @property
    def query(self) -> str:
        """The query as it came over the wire."""
        return self.target.partition("?")[2]

    @property
    def server(self) -> tuple[str, int]:
        """The host's name and port; the scheme's default port if the host has none."""
        name, colon, port = self.host.rpartition(":")
        if colon and port.isdecimal():
            return name, int(port)
        return self.host, 443 if self.scheme == "https" else 80


@dataclass(frozen=True, slots=True)
class Answer:
    """The application's answer: the status and headers that it sent, and the exception that it raised, if any.

    Both may be set: several frameworks send a 500 and then raise. ``status`` is None if it sent no response.
    """

    status: int | None = None
    headers: Headers = field(default_factory=Headers)
    error: BaseException | None = None


def is_asgi(app: Callable[..., Any]) -> bool:
    """Whether an application is ASGI; any other callable is WSGI.

    Raises ConfigurationError for an object that is not callable.
    """
    if not callable(app) or isinstance(app, type):
        raise ConfigurationError(f"the application is {app!r}: name a WSGI or ASGI application, such as main:app")
    while isinstance(app, partial):
        app = app.func
    return inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(type(app).__call__)
