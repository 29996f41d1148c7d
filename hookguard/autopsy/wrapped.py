"""Deliveries inside another JSON document: events of serverless gateways, relays and queues."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from hookguard.autopsy.hypothesis import Changes, Hypothesis
from hookguard.autopsy.json_bodies import MAX_NESTING, read_tokens, rewritten
from hookguard.delivery import Delivery
from hookguard.headers import Headers

__all__ = ["holds_headers", "unwrapped"]

#: The most values of one document that are taken for the delivery.
MAX_VALUES = 8
#: Names of fields that hold the body.
_NAMES = frozenset({"body", "rawbody", "raw_body", "raw", "payload", "message", "data", "content", "event"})


def unwrapped(delivery: Delivery, *, few: bool = False) -> Changes:
    """Yield deliveries whose body is a value of the document, with the headers that stand in the document."""
    if not delivery.body.lstrip().startswith((b"{", b"[")):
        return
    try:
        document = json.loads(delivery.body)
    except (ValueError, RecursionError):
        return
    inner = dict(_headers(document))
    headers = delivery.headers
    if inner:
        kept = [pair for pair in headers.items() if pair[0].lower() not in inner]
        headers = Headers([*kept, *inner.items()])
    method = next((each for each in _texts_under(document, ("httpMethod", "method")) if each.isalpha()), delivery.method)
    for name, body in _bodies(document, few=few):
        # Any other key of the document may be a person's data.
        detail = f"in the field {name}" if name.lower() in _NAMES else "inside"
        for each in (headers, delivery.headers) if inner else (headers,):
            obvious = bool(inner) and each is headers
            yield Hypothesis("body_wrapped", detail, Delivery(body, each, delivery.method, delivery.url), obvious)
            if method.upper() != delivery.method:
                yield Hypothesis("body_wrapped", detail, Delivery(body, each, method.upper(), delivery.url))
    if inner and headers != delivery.headers:
        yield Hypothesis("body_wrapped", "inside", Delivery(delivery.body, headers, delivery.method, delivery.url))


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


def _bodies(document: Any, *, few: bool) -> Iterator[tuple[str, bytes]]:
    """Yield what may be the delivery's own body: texts that look like one, longest first, and objects in the usual writings."""
    values = [(key, value) for key, value in _walk(document) if "header" not in key.lower()]
    texts = [(key, value) for key, value in values if isinstance(value, str) and _may_be_body(key, value)]
    texts.sort(key=lambda pair: (pair[0].lower() not in _NAMES, -len(pair[1])))
    for key, text in texts[: MAX_VALUES // 2 if few else MAX_VALUES]:
        yield key, text.encode("utf-8", "surrogatepass")
        plain = _from_base64(text)
        if plain is not None:
            yield key, plain
    objects = [(key, value) for key, value in values if isinstance(value, (dict, list)) and value]
    objects.sort(key=lambda pair: pair[0].lower() not in _NAMES)
    for key, value in objects[:3]:
        tokens = read_tokens(json.dumps(value))
        if tokens is not None:
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
