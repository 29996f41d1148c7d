"""The reply to the provider, independent of frameworks."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from hookguard.record import Record

__all__ = ["LARGEST_STORED", "Reply"]

#: The longest body that is stored for duplicates, in bytes.
LARGEST_STORED: Final = 64 << 10

# The stored format: a version byte, the status and the Content-Type on one line, then the body.
_STORED = re.compile(rb"\x01(2[0-9]{2}) ([\x20-\x7e]{0,255})\n(.{0,%d})" % LARGEST_STORED, re.DOTALL)
_PLAIN = re.compile(r"[\x20-\x7e]{0,255}")


@dataclass(frozen=True, slots=True, repr=False)
class Reply(Record):
    """An HTTP reply of no framework: ``status``, ``headers`` as pairs, ``body``."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def __repr__(self) -> str:
        return f"Reply({self.status}, {len(self.body)} bytes)"

    @classmethod
    def text(cls, status: int, text: str, *headers: tuple[str, str]) -> Reply:
        """Make a plain-text reply, as most challenges require."""
        return cls(status, (("Content-Type", "text/plain; charset=utf-8"), *headers), text.encode())

    @classmethod
    def json(cls, status: int, document: Any, *headers: tuple[str, str]) -> Reply:
        """Make a JSON reply without white space."""
        body = json.dumps(document, separators=(",", ":")).encode()
        return cls(status, (("Content-Type", "application/json"), *headers), body)

    @classmethod
    def problem(cls, status: int, *headers: tuple[str, str]) -> Reply:
        """Make an opaque reply (RFC 9457); only the operator learns the reason."""
        title = "try again later" if status == 503 else "error" if status >= 500 else "webhook rejected"
        body = json.dumps({"type": "about:blank", "title": title, "status": status}).encode()
        return cls(status, (("Content-Type", "application/problem+json"), *headers), body)

    def to_bytes(self) -> bytes:
        """Return the bytes to store for duplicates: the status, the Content-Type and the body, and no other header.

        ValueError explains why a reply is not stored: its status is not 2xx, it is compressed, its Content-Type is not plain
        ASCII of up to 255 characters, or its body is over 64 KiB.
        """
        headers = {name.lower(): value for name, value in self.headers}
        content_type = headers.get("content-type", "")
        if not 200 <= self.status < 300:
            raise ValueError(f"the reply with status {self.status} was not stored")
        if "content-encoding" in headers:
            # Without that header the body is unreadable, and the next request may not accept the encoding.
            raise ValueError("the reply is compressed and was not stored")
        if not _PLAIN.fullmatch(content_type):
            raise ValueError("the reply's Content-Type is long or not ASCII, and the reply was not stored")
        if len(self.body) > LARGEST_STORED:
            raise ValueError(f"the reply of {len(self.body)} bytes is over {LARGEST_STORED >> 10} KiB and was not stored")
        return b"\x01%d %s\n%s" % (self.status, content_type.encode(), self.body)

    @classmethod
    def from_bytes(cls, data: bytes) -> Reply:
        """Parse the bytes of :meth:`to_bytes`; ValueError for any others, such as those of another version."""
        found = _STORED.fullmatch(data)
        if found is None:
            raise ValueError("the stored reply comes from another version, or is damaged")
        status, content_type, body = found.groups()
        return cls(int(status), (("Content-Type", content_type.decode()),) if content_type else (), body)
