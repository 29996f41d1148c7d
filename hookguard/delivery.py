"""One HTTP attempt by a provider, as the framework's plugin hands it over."""

from __future__ import annotations

from typing import NamedTuple

from hookguard.headers import Headers, HeadersLike

__all__ = ["Delivery"]


class _Fields(NamedTuple):
    body: bytes
    headers: Headers
    method: str
    url: str
    remote: str | None
    secure: bool | None


class Delivery(_Fields):
    """A frozen HTTP request: the raw ``body``, ``headers``, ``method``, ``url``, ``remote`` address and ``secure``.

    ``url`` is the exact target the sender asked for: the configured public URL where the scheme signs it, else the raw
    path and query. ``remote`` is the peer's address as the framework vouches for it, ``secure`` whether it vouches for
    HTTPS; None means that it cannot say.
    """

    __slots__ = ()

    def __new__(
        cls,
        body: bytes,
        headers: HeadersLike,
        method: str = "POST",
        url: str = "",
        remote: str | None = None,
        secure: bool | None = None,
    ) -> Delivery:
        """Take the parts as they came; TypeError when ``body`` is not bytes."""
        if type(body) is not bytes:
            raise TypeError(
                f"body must be bytes, not {type(body).__name__}: signatures cover the raw bytes,"
                " so pass what the framework read before it decoded or parsed anything"
            )
        if type(headers) is not Headers:
            headers = Headers(headers)
        return tuple.__new__(cls, (body, headers, method, url, remote, secure))

    def __repr__(self) -> str:
        # The body and the header values stay out of logs and tracebacks.
        return f"Delivery({self.method} {self.url!r}, {len(self.body)} bytes, {self.headers!r})"
