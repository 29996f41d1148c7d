"""The trace context that a sender may send along. No provider signs it, so it is for links between traces and nothing else."""

from __future__ import annotations

import re

from hookguard.headers import Headers

__all__ = ["read_traceparent"]

#: Version, trace, parent and flags, as the W3C recommendation "Trace Context" writes them. Zeros and version ff are not valid.
_VALID = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)


def read_traceparent(headers: Headers) -> str:
    """Return the ``traceparent`` header; empty if it is missing, came several times, or is not valid."""
    found = headers.all("traceparent")
    return found[0] if len(found) == 1 and _VALID.fullmatch(found[0]) else ""
