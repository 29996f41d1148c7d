"""Forms that may have been signed before a tool changed them: unwrapped, written again, with a field more."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, quote, quote_plus

from hookguard.autopsy.bodies import Bodies
from hookguard.head.content_type import begins_as_form

__all__ = ["forms_changed", "wrapped_in_form"]

#: Names that senders give to the form field with the JSON.
_FIELDS = ("payload", "data", "body", "json", "event", "message")
MAX_FIELDS = 200
#: Names of fields that findings show.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\[\]-]{0,39}")


def _left(signs: str) -> dict[str, str]:
    return {quote(sign, safe=""): sign for sign in signs}


_PLUS, _TILDE = {"%20": "+"}, {"~": "%7E"}
#: How programs escape a form: with a plus for a space or not, and which signs they leave. Each is what it changes where all
#: signs are escaped that may be, so that a value is escaped only once.
_QUOTINGS: tuple[tuple[str, dict[str, str]], ...] = (
    ("a plus for a space", _PLUS),
    ("%20 for a space", {}),
    ("a plus for a space, * left", _PLUS | _left("*") | _TILDE),
    ("a plus for a space, ~ escaped", _PLUS | _TILDE),
    ("%20 for a space, !'()* left", _left("!'()*")),
    ("%20 for a space, slashes left", _left("/")),
    ("a plus for a space, !'()* left", _PLUS | _left("!'()*")),
    ("a plus for a space, more signs left", _PLUS | _left("!'()*/:@,$;?")),
)


def _changed(escaped: str, changes: dict[str, str]) -> str:
    """Return an escaped text with other escapes. A percent sign of the text itself is ``%25`` in it, so none is mistaken."""
    for escape, sign in changes.items():
        escaped = escaped.replace(escape, sign)
    return escaped


def wrapped_in_form(body: bytes, own_field: str | None) -> Bodies:
    """Put a JSON body back into a form field."""
    if not body.lstrip().startswith((b"{", b"[")):
        return
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return
    escaped = quote(text, safe="")
    for position, (_, changes) in enumerate(_QUOTINGS[: 6 if own_field else 2]):
        # Every way of escaping for the field that the provider has, and the usual two for other names.
        names = dict.fromkeys(
            (*((own_field,) if own_field else ()), *(_FIELDS if position < 2 and not own_field else _FIELDS[:1]))
        )
        value = _changed(escaped, changes)
        for name in names:
            yield "body_form_unwrapped", f"field {name}", f"{name}={value}".encode()


def forms_changed(body: bytes) -> Bodies:
    """Leave single fields out, and write the form again."""
    if not body.isascii() or b"=" not in body or not begins_as_form(body):
        return
    items = body.decode().split("&")
    if len(items) > MAX_FIELDS:
        return
    yield from _without_fields(items)
    yield from _written_again(body.decode())


def _without_fields(items: list[str]) -> Bodies:
    if len(items) < 2:
        return
    names = [_shown(item, position) for position, item in enumerate(items, 1)]
    for left_out in (*range(len(items) - 1, -1, -1),):
        rest = items[:left_out] + items[left_out + 1 :]
        yield "body_form_field_added", f"field {names[left_out]}", "&".join(rest).encode()
    for count in (2, 3):
        if len(items) > count:
            for kept, dropped in ((items[:-count], names[-count:]), (items[count:], names[:count])):
                yield "body_form_field_added", f"fields {', '.join(dropped)}", "&".join(kept).encode()


def _shown(item: str, position: int) -> str:
    """Return the name of a field, or its position: without an ``=``, or in an unusual name, a person's data may stand."""
    name, equals, _ = item.partition("=")
    return name if equals and _NAME.fullmatch(name) else str(position)


def _written_again(text: str) -> Bodies:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="surrogateescape")
    except ValueError:
        return
    raw = [item.partition("=") for item in text.split("&")]
    yield "body_form_rewritten", "signed with a plus for a space", text.replace("%20", "+").encode()
    yield "body_form_rewritten", "signed with %20 for a space", text.replace("+", "%20").encode()
    forms = _escaped_forms(pairs)
    for how, changes in _QUOTINGS:
        for form in forms:
            yield "body_form_rewritten", f"signed with {how}", _changed(form, changes).encode()
    # Decoded twice: an escaped plus came as a plus, an escaped percent sign as a percent sign.
    again = "&".join(f"{quote_plus(name)}{equals}{quote_plus(value)}" for name, equals, value in raw)
    yield "body_form_rewritten", "decoded on the way", again.encode("utf-8", "surrogatepass")
    if ";" in text:
        yield "body_form_rewritten", "signed with & between fields", text.replace(";", "&").encode()


def _escaped_forms(pairs: list[tuple[str, str]]) -> list[str]:
    """Return the form in every order, with all signs escaped; no form for bytes that are not UTF-8."""
    try:
        escaped = {text: quote(text, safe="") for pair in pairs for text in pair}
    except UnicodeError:
        return []
    return ["&".join(f"{escaped[name]}={escaped[value]}" for name, value in order) for order in _orders(pairs)]


def _orders(pairs: list[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """Return the fields in their order, sorted, without empty ones, and in every order if there are few."""
    yield pairs
    if (in_order := sorted(pairs)) != pairs:
        yield in_order
    filled = [pair for pair in pairs if pair[1]]
    if len(filled) != len(pairs):
        yield filled
    if len(pairs) <= 3:
        yield from (list(order) for order in itertools.permutations(pairs) if list(order) != pairs)
