"""One HTTP attempt by a provider, as the framework's plugin passes it on."""

from __future__ import annotations

from dataclasses import dataclass

from hookguard.headers import Headers, HeadersLike
from hookguard.privacy.shown import printable, shown_url
from hookguard.record import Record

__all__ = ["Delivery"]


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Delivery(Record):
    """A frozen HTTP request: the raw ``body``, ``headers``, ``method``, ``url``, ``remote`` address, and where it came.

    ``url`` is the exact target of the request: the configured public URL if the scheme signs it, otherwise the raw path and
    query. ``target`` is that raw path and query, also where ``url`` is configured; empty if nobody gave it. ``root`` is the
    beginning of the path that the server keeps for itself (``SCRIPT_NAME``, ``root_path``). ``server`` is the server's own name
    and port, for a request without a Host header. ``remote`` is the peer's address as
    the framework reports it, and ``secure`` whether the framework reports HTTPS. None means that the framework does not know.
    """

    body: bytes
    headers: Headers
    method: str
    url: str
    remote: str | None
    secure: bool | None
    target: str
    root: str
    server: str

    def __init__(
        self,
        body: bytes,
        headers: HeadersLike,
        method: str = "POST",
        url: str = "",
        remote: str | None = None,
        secure: bool | None = None,
        target: str = "",
        root: str = "",
        server: str = "",
    ) -> None:
        """Keep the parts as they came; TypeError if ``body`` is not bytes."""
        if type(body) is not bytes:
            raise TypeError(
                f"body must be bytes, not {type(body).__name__}: signatures cover the raw bytes,"
                " so pass the body as the framework read it, before it was decoded or parsed"
            )
        if not isinstance(headers, Headers):
            headers = Headers(headers)
        put = object.__setattr__  # the class is frozen
        put(self, "body", body)
        put(self, "headers", headers)
        put(self, "method", method)
        put(self, "url", url)
        put(self, "remote", remote)
        put(self, "secure", secure)
        put(self, "target", target)
        put(self, "root", root)
        put(self, "server", server)

    def __repr__(self) -> str:
        # The body, the header values and secret parts of the URL stay out of logs and tracebacks.
        return f"Delivery({printable(self.method)} {shown_url(self.url)!r}, {len(self.body)} bytes, {self.headers!r})"
