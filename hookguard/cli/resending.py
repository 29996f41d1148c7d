"""Sending a saved delivery again: as it came, or with its body signed once more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hookguard import Delivery, Preset
from hookguard.cli.inputs import read_stdin
from hookguard.cli.saved import read_saved

__all__ = ["described", "encoded", "id_of", "read_kept", "with_query"]

#: Headers of one connection. The client that sends writes its own.
_OF_A_CONNECTION = frozenset(
    {"connection", "content-length", "expect", "host", "keep-alive", "te", "transfer-encoding", "upgrade"}
)


def read_kept(file: Path) -> Delivery:
    """Return the delivery in a file (- for standard input), without the headers of its connection."""
    delivery = read_saved(read_stdin("--saved") if str(file) == "-" else file.read_bytes()).delivery
    headers = [(name, value) for name, value in delivery.headers.items() if name.lower() not in _OF_A_CONNECTION]
    return Delivery(delivery.body, headers, delivery.method, delivery.url)


def described(kept: Delivery, preset: Preset) -> tuple[str, ...]:
    """Return the headers that describe the delivery, as the option --header takes them.

    Those that signing writes are left out: the signature, the timestamp and the id.
    """
    carriers = preset.scheme.carriers
    written = {*carriers.signature, carriers.timestamp, _id_header(preset)}
    return tuple(f"{name}: {value}" for name, value in kept.headers.items() if name.lower() not in written)


def id_of(kept: Delivery, preset: Preset) -> str:
    """Return the event's id in its header, which stays the same; "" if no header holds it."""
    return kept.headers.get(_id_header(preset), "")


def _id_header(preset: Preset) -> str:
    place: Any = getattr(preset.scheme, "id", None) or preset.event_id
    header = getattr(place, "header", None)
    return header.lower() if header else ""


def encoded(delivery: Delivery) -> list[tuple[bytes, bytes]]:
    """Return the headers as the bytes that came: servers decode them as latin-1."""
    return [(name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in delivery.headers.items()]


def with_query(url: str, kept: str) -> str:
    """Return ``url`` with the query that the delivery came with, which may carry its signature, unless ``url`` has one."""
    return url if "?" in url else url + "".join(kept.partition("#")[0].partition("?")[1:])
