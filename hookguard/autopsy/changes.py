"""Every change of a URL, a method or a body, in order, without repeating a body."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from hookguard.autopsy.bodies import Bodies, bytes_changed, text_changed, unpacked
from hookguard.autopsy.forms import forms_changed, wrapped_in_form
from hookguard.autopsy.futile import signed_part
from hookguard.autopsy.hypothesis import Changes, Hypothesis
from hookguard.autopsy.json_bodies import read_printed, read_tokens, rewritten
from hookguard.autopsy.judge import BoundReached, Judge
from hookguard.autopsy.urls import urls_changed
from hookguard.delivery import Delivery
from hookguard.preset import Preset
from hookguard.schemes.base import Scheme

__all__ = ["bodies_of", "method_and_url", "with_bodies"]

#: Containers whose content may itself have been changed.
_CONTAINERS = frozenset({"body_compressed", "body_base64", "body_chunked", "body_escaped", "body_repr"})


def method_and_url(delivery: Delivery, scheme: Scheme, target: str) -> Changes:
    """Yield the delivery with other methods and URLs, if the scheme signs them."""
    covers = scheme.covers
    if "method" in covers:
        for method in ("POST", "GET", "PUT", "PATCH", "DELETE"):
            if method != delivery.method:
                changed = Delivery(delivery.body, delivery.headers, method, delivery.url)
                yield Hypothesis("method_changed", f"signed as {method}, came as {delivery.method[:16]}", changed)
    if covers & {"url", "path", "query"}:
        # Without its host, for example, if the host is not signed: two URLs with the same signed part are one hypothesis.
        seen = {signed_part(delivery.url, scheme)}
        for code, detail, url in urls_changed(delivery.url, target or delivery.target, delivery.headers):
            if (part := signed_part(url, scheme)) not in seen:
                seen.add(part)
                yield Hypothesis(code, detail, Delivery(delivery.body, delivery.headers, delivery.method, url))


def bodies_of(delivery: Delivery, preset: Preset, judge: Judge, *, costly: bool) -> Bodies:
    """Yield what the body may have been, the cheap changes first, and none of them twice."""
    seen = {delivery.body}
    for found in _changed(delivery, preset, judge, costly=costly):
        if found[2] in seen:
            judge.look()  # before any other body, the judge does it
        else:
            seen.add(found[2])
            yield found
    text = delivery.body.lstrip().startswith((b"{", b"[")) or not delivery.body.isascii()
    if text and len(delivery.body) > judge.bounds.rewritten:
        raise BoundReached  # the body is too large to be written again, or to be normalized


def with_bodies(delivery: Delivery, bodies: Iterable[tuple[str, str, bytes]]) -> Changes:
    """Yield the delivery with each of the bodies."""
    for code, detail, body in bodies:
        yield Hypothesis(code, detail, Delivery(body, delivery.headers, delivery.method, delivery.url))


def _changed(delivery: Delivery, preset: Preset, judge: Judge, *, costly: bool) -> Bodies:
    body = delivery.body
    own_field = preset.json_field or getattr(preset.scheme, "json_field", None)
    yield from bytes_changed(body)
    containers = []
    for found in unpacked(body, delivery.headers.get("content-encoding")):
        yield found
        containers.append(found)
    if len(body) <= judge.bounds.rewritten:
        yield from _rewritten(body, preset, judge, costly=costly)
    yield from text_changed(body, judge.bounds.rewritten)
    if preset.sends_forms or not costly:
        yield from wrapped_in_form(body, own_field)
    yield from forms_changed(body)
    if len(body) <= judge.bounds.rewritten:
        # A container may hold a body that was changed before it was packed; the cheap changes alone.
        for code, detail, inner in containers[:4]:
            if code in _CONTAINERS:
                for other, also, changed in chain(bytes_changed(inner), text_changed(inner, judge.bounds.rewritten)):
                    yield f"{code}+{other}", f"{detail}; {also}", changed


def _rewritten(body: bytes, preset: Preset, judge: Judge, *, costly: bool) -> Bodies:
    # Where single fields are signed, the writing does not matter.
    if any(part.partition(":")[0] in ("body", "form", "element") and ":" in part for part in preset.scheme.covers):
        return
    try:
        text = body.decode().removeprefix("\ufeff")
    except UnicodeDecodeError:
        return
    tokens = read_tokens(text)
    if tokens is not None and tokens.texts[0] in "[{":
        yield from rewritten(tokens, few=costly and judge.bounds.costly < 100)
    elif text.lstrip().startswith(("{", "[", "(")) and (printed := read_printed(text)) is not None:
        yield from rewritten(printed, "body_repr", few=costly and judge.bounds.costly < 100)
