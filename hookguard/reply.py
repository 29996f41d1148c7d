"""What is sent back to the provider, in words no framework owns."""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple

__all__ = ["LARGEST_STORED", "Reply"]

#: The longest body that is stored for duplicates, in bytes.
LARGEST_STORED: Final = 64 << 10

# What is stored: a version, the status and the Content-Type on a line, the body.
_STORED = re.compile(rb"\x01(2[0-9]{2}) ([\x20-\x7e]{0,255})\n(.{0,%d})" % LARGEST_STORED, re.DOTALL)
_PLAIN = re.compile(r"[\x20-\x7e]{0,255}")


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
    def json(cls, status: int, document: Any, *headers: tuple[str, str]) -> Reply:
        """Answer JSON, without blanks."""
        body = json.dumps(document, separators=(",", ":")).encode()
        return cls(status, (("Content-Type", "application/json"), *headers), body)

    @classmethod
    def problem(cls, status: int, *headers: tuple[str, str]) -> Reply:
        """Answer one opaque sentence (RFC 9457); the reason stays with the operator."""
        title = "try again later" if status == 503 else "error" if status >= 500 else "webhook rejected"
        body = json.dumps({"type": "about:blank", "title": title, "status": status}).encode()
        return cls(status, (("Content-Type", "application/problem+json"), *headers), body)

    def to_bytes(self) -> bytes:
        """Return what is stored for duplicates: the status, the Content-Type and the body, and no other header.

        ValueError says why a reply is not stored: its status is not 2xx, it is compressed, its Content-Type is no plain
        ASCII of up to 255 characters, or its body is over 64 KiB.
        """
        headers = {name.lower(): value for name, value in self.headers}
        content_type = headers.get("content-type", "")
        if not 200 <= self.status < 300:
            raise ValueError(f"the reply with status {self.status} was not stored")
        if "content-encoding" in headers:
            # Without that header the body means nothing, and who asks again may not read the encoding.
            raise ValueError("the reply is compressed and was not stored")
        if not _PLAIN.fullmatch(content_type):
            raise ValueError("the reply's Content-Type is long or not ASCII, and the reply was not stored")
        if len(self.body) > LARGEST_STORED:
            raise ValueError(f"the reply of {len(self.body)} bytes is over {LARGEST_STORED >> 10} KiB and was not stored")
        return b"\x01%d %s\n%s" % (self.status, content_type.encode(), self.body)

    @classmethod
    def from_bytes(cls, data: bytes) -> Reply:
        """Read what :meth:`to_bytes` made; ValueError for anything else, such as what another version left."""
        found = _STORED.fullmatch(data)
        if found is None:
            raise ValueError("the stored reply is of another version, or damaged")
        status, content_type, body = found.groups()
        return cls(int(status), (("Content-Type", content_type.decode()),) if content_type else (), body)
