"""Where one signed value ends and the next begins.

A signature covers bytes, not values. Where two values touch (``{id}{body}``), a sender who has seen one delivery can move
characters from one to the other, and the signature still fits. So two values may touch only where the border is known:

- a timestamp has a fixed number of digits, or is an RFC 3339 date, which has a shape of its own;
- a secret is known to both sides, and a method is one of the few that are allowed;
- a URL and a body may touch if the body is a JSON object or array and the URL holds no brace.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from hookguard.errors import ConfigurationError, MalformedTimestamp, SignatureMismatch
from hookguard.schemes.timestamp import READERS, TimestampUnit

__all__ = ["check_url_and_body", "fixed_width", "need_borders", "touching"]

#: Digits of a timestamp, from September 2001 to November 2286.
_DIGITS: dict[TimestampUnit, tuple[int, ...]] = {"s": (10,), "ms": (13,), "s|ms": (10, 13)}
_KNOWN = frozenset({"timestamp", "secret", "method"})


def need_borders(signed: str, literals: Sequence[str], names: Sequence[str]) -> None:
    """Raise ConfigurationError if two placeholders touch and the end of the first one is unknown."""
    for first, second in touching(literals, names):
        if not {first, second} & _KNOWN and {first, second} != {"url", "body"}:
            raise ConfigurationError(
                f"signed={signed!r}: no text separates {{{first}}} and {{{second}}}, so a sender could move characters"
                " from one to the other: put the text between them that the provider signs"
            )


def touching(literals: Sequence[str], names: Sequence[str]) -> list[tuple[str, str]]:
    """Return the pairs of placeholders without text between them."""
    return [pair for pair, between in zip(pairwise(names), literals[1:-1], strict=True) if not between]


def fixed_width(unit: TimestampUnit) -> Callable[[str], float]:
    """Return a reader of timestamps that accepts only the usual number of digits."""
    read, allowed = READERS[unit], _DIGITS.get(unit)
    if allowed is None:
        return read

    def read_fixed(text: str) -> float:
        if len(text) not in allowed:
            raise MalformedTimestamp(
                f"the timestamp has {len(text)} digits and must have {allowed[-1]}: the signature does not say where it ends"
            )
        return read(text)

    return read_fixed


def check_url_and_body(url: str, body: bytes) -> None:
    """Raise SignatureMismatch unless the signed text splits into a URL and a JSON body in one way only."""
    text = body.strip(b" \t\r\n")
    if not text:
        return
    if text[:1] + text[-1:] not in (b"{}", b"[]"):
        raise SignatureMismatch(
            "the signature does not say where the URL ends and the body begins, so the body must be a JSON object or array"
        )
    if "{" in url or "}" in url or url.endswith("[") or "]http" in url:
        raise SignatureMismatch("the URL holds a brace or bracket that may belong to the body: the signature has two readings")
