"""What is sent back to the provider, in words no framework owns."""

from __future__ import annotations

import json
from typing import NamedTuple

__all__ = ["Reply"]


class Reply(NamedTuple):
    """A neutral HTTP reply: ``status``, ``headers`` as pairs, ``body``."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @classmethod
    def text(cls, status: int, text: str, *headers: tuple[str, str]) -> Reply:
        """Answer plain text, as most challenges want it."""
        return cls(status, (("Content-Type", "text/plain; charset=utf-8"), *headers), text.encode())

    @classmethod
    def problem(cls, status: int, *headers: tuple[str, str]) -> Reply:
        """Answer one opaque sentence (RFC 9457); the reason stays with the operator."""
        title = "try again later" if status == 503 else "error" if status >= 500 else "webhook rejected"
        body = json.dumps({"type": "about:blank", "title": title, "status": status}).encode()
        return cls(status, (("Content-Type", "application/problem+json"), *headers), body)
