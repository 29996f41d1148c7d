"""The part of a delivery's head that may be kept: the values of a few named headers, and the names of all others."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterator
from typing import Any, Final

from hookguard.delivery import Delivery
from hookguard.evidence.contract import HeadFact
from hookguard.headers import Headers
from hookguard.inbox.settings import NEVER_KEPT
from hookguard.preset import Preset
from hookguard.privacy.shown import printable

__all__ = ["ALWAYS", "head_facts", "kept_values", "network_of", "signature_digest"]

#: Headers whose values are kept.
ALWAYS: Final = frozenset({"content-type", "content-length", "content-encoding", "user-agent", "date"})

#: Headers that are listed, and characters of a name or value that are kept: a sender chooses them.
MOST: Final = 100
LONGEST: Final = 255


def kept_values(preset: Preset) -> frozenset[str]:
    """Return the lower-case names of the headers whose values are kept: never one that carries a signature, token or password."""
    scheme = preset.scheme
    places = (preset.event_id, preset.event_type, *preset.id_scope, getattr(scheme, "timestamp", None))
    read = {name for place in places for name in _headers(place)}
    return (ALWAYS | read) - scheme.signature_headers - NEVER_KEPT


def _headers(place: Any) -> Iterator[str]:
    """Yield the lower-case names of the headers that a place reads."""
    for each in getattr(place, "places", ()):
        yield from _headers(each)
    if isinstance(name := getattr(place, "header", None), str):
        yield name.lower()


def head_facts(headers: Headers, kept: frozenset[str]) -> tuple[HeadFact, ...]:
    """Return the headers as they are recorded, in the order in which they came."""
    facts: list[HeadFact] = []
    for name, value in headers.items():
        if len(facts) == MOST:
            break
        facts.append(HeadFact(printable(name[:LONGEST]), printable(value[:LONGEST]) if name in kept else None))
    return tuple(facts)


def signature_digest(delivery: Delivery, preset: Preset) -> str:
    """Return 16 digits that are equal for equal signatures; empty if the signature is in no header.

    Empty too for a fixed token: it is the secret, and who has its digest could guess it.
    """
    scheme = preset.scheme
    if getattr(scheme, "token", None) is not None:
        return ""
    values = [value for name in sorted(scheme.signature_headers) for value in delivery.headers.all(name)]
    return hashlib.sha256("\n".join(values).encode("utf-8", "surrogatepass")).hexdigest()[:16] if values else ""


def network_of(address: str | None) -> str:
    """Return the network of an address, /24 or /48; empty if the address is not known."""
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return ""
    mapped = getattr(found, "ipv4_mapped", None)
    found = mapped or found
    return str(ipaddress.ip_network((found, 24 if found.version == 4 else 48), strict=False))
