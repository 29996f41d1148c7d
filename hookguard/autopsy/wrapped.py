"""Deliveries inside another JSON document: events of serverless gateways, relays and queues."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from hookguard.autopsy.hypothesis import Changes, Hypothesis, Replayed
from hookguard.autopsy.json_bodies import MAX_NESTING, Tokens, read_tokens, rewritten
from hookguard.delivery import Delivery
from hookguard.headers import Headers
from hookguard.record import Record

__all__ = ["Unwrapper", "holds_headers"]

#: The most values of one document that are taken for the delivery.
MAX_VALUES = 8
#: The most objects of one document that are written as a body.
MAX_OBJECTS = 3
#: The most documents that are kept.
KEPT = 4
#: Names of fields that hold the body.
_NAMES = frozenset({"body", "rawbody", "raw_body", "raw", "payload", "message", "data", "content", "event"})


@dataclass(frozen=True, slots=True, repr=False)
class _Inside(Record):
    """The parts of one document that may belong to a delivery. Its ``repr`` shows none of them."""

    headers: dict[str, str]
    method: str
    bodies: dict[bool, Replayed[tuple[str, bytes]]]  #: few of them, or more


class Unwrapper:
    """Yields deliveries whose body is a value of the document, with the headers that stand in the document.

    A search asks this of the same body several times, with other headers or another URL. So the last documents are kept.
    """

    def __init__(self) -> None:
        self._kept: dict[bytes, _Inside | None] = {}

    def __call__(self, delivery: Delivery, *, few: bool = False) -> Changes:
        """Yield the deliveries that may be inside; in the usual writings alone with ``few``."""
        body = delivery.body
        if body not in self._kept:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[body] = _read(body)
        inside = self._kept[body]
        if inside is None:
            return
        inner, method = inside.headers, inside.method or delivery.method
        headers = delivery.headers
        if inner:
            kept = [pair for pair in headers.items() if pair[0].lower() not in inner]
            headers = Headers([*kept, *inner.items()])
        for name, found in inside.bodies[few]:
            # Any other key of the document may be a person's data.
            detail = f"in the field {name}" if name.lower() in _NAMES else "inside"
            for each in (headers, delivery.headers) if inner else (headers,):
                obvious = bool(inner) and each is headers
                yield Hypothesis("body_wrapped", detail, Delivery(found, each, delivery.method, delivery.url), obvious)
                if method.upper() != delivery.method:
                    yield Hypothesis("body_wrapped", detail, Delivery(found, each, method.upper(), delivery.url))
        if inner and headers != delivery.headers:
            yield Hypothesis("body_wrapped", "inside", Delivery(body, headers, delivery.method, delivery.url))


def _read(body: bytes) -> _Inside | None:
    """Return the parts of a document; None if the body is not one."""
    if not body.lstrip().startswith((b"{", b"[")):
        return None
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    method = next((each for each in _texts_under(document, ("httpMethod", "method")) if each.isalpha()), "")
    values = [(key, value) for key, value in _walk(document) if "header" not in key.lower()]
    objects = [(key, value) for key, value in values if isinstance(value, (dict, list)) and value]
    objects.sort(key=lambda pair: pair[0].lower() not in _NAMES)
    read = Replayed(_written(objects[:MAX_OBJECTS]))
    bodies = {few: Replayed(_bodies(values, read, few=few)) for few in (False, True)}
    return _Inside(dict(_headers(document)), method, bodies)


def holds_headers(body: bytes) -> bool:
    """Whether the body is a document with the headers of a request in it, as gateways make them."""
    if not body.lstrip().startswith((b"{", b"[")) or b"eader" not in body:
        return False
    try:
        return next(_headers(json.loads(body)), None) is not None
    except (ValueError, RecursionError):
        return False


def _walk(document: Any) -> Iterator[tuple[str, Any]]:
    """Yield every value below the document with its key, the outer ones first."""
    level: list[tuple[str, Any]] = [("", document)]
    for _ in range(min(MAX_NESTING, 8)):
        following: list[tuple[str, Any]] = []
        for _, value in level:
            pairs = (
                value.items() if isinstance(value, dict) else (("", each) for each in value) if isinstance(value, list) else ()
            )
            for pair in pairs:
                yield pair
                if isinstance(pair[1], (dict, list)) and len(following) < 1000:
                    following.append(pair)
        level = following


def _headers(document: Any) -> Iterator[tuple[str, str]]:
    """Yield the headers of an event: a mapping or a list of pairs under a key that names headers."""
    for key, value in _walk(document):
        if "header" not in key.lower():
            continue
        if isinstance(value, dict):
            for name, held in value.items():
                text = held[0] if isinstance(held, list) and held else held
                if isinstance(text, str):
                    yield name.lower(), text
        elif isinstance(value, list):
            for entry in value:
                if isinstance(entry, dict):
                    name, text = entry.get("name") or entry.get("key"), entry.get("value")
                elif isinstance(entry, list) and len(entry) == 2:
                    name, text = entry
                else:
                    continue
                if isinstance(name, str) and isinstance(text, str):
                    yield name.lower(), text


def _texts_under(document: Any, names: tuple[str, ...]) -> Iterator[str]:
    return (value for key, value in _walk(document) if key in names and isinstance(value, str))


def _written(objects: list[tuple[str, Any]]) -> Iterator[tuple[str, Tokens]]:
    """Yield objects as tokens, with their keys."""
    for key, value in objects:
        tokens = read_tokens(json.dumps(value))
        if tokens is not None:
            yield key, tokens


def _bodies(values: list[tuple[str, Any]], read: Iterable[tuple[str, Tokens]], *, few: bool) -> Iterator[tuple[str, bytes]]:
    """Yield what may be the delivery's own body: texts that look like one, longest first, and objects in the usual writings."""
    texts = [(key, value) for key, value in values if isinstance(value, str) and _may_be_body(key, value)]
    texts.sort(key=lambda pair: (pair[0].lower() not in _NAMES, -len(pair[1])))
    for key, text in texts[: MAX_VALUES // 2 if few else MAX_VALUES]:
        yield key, text.encode("utf-8", "surrogatepass")
        plain = _from_base64(text)
        if plain is not None:
            yield key, plain
    for key, tokens in read:
        for _, _, body in islice(rewritten(tokens, ends=False), 2 if few else 8):
            yield key, body


def _may_be_body(key: str, text: str) -> bool:
    if len(text) < 2:
        return False
    return key.lower() in _NAMES or text.lstrip()[:1] in ("{", "[") or (len(text) > 24 and ("=" in text or " " not in text))


def _from_base64(text: str) -> bytes | None:
    if len(text) < 8:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
