"""Where a delivery carries its event's id and type: a header, a path in the JSON body, a form field, a query parameter."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl
from xml.etree.ElementTree import Element

from hookguard.errors import ConfigurationError, MalformedBody, MalformedDelivery
from hookguard.headers import Headers

__all__ = [
    "Content",
    "EachDelivery",
    "FirstOf",
    "InBody",
    "InForm",
    "InHeader",
    "InQuery",
    "Joined",
    "Place",
    "Readable",
    "exact_part",
    "in_words",
    "need_place",
]

#: Longest query string that is looked into, and the parameters it may have.
MAX_QUERY = 8192
MAX_PARAMETERS = 100


class Readable(Protocol):
    """What a place looks into: a verified event."""

    @property
    def headers(self) -> Headers:
        """The delivery's headers."""

    @property
    def url(self) -> str:
        """The delivery's target."""

    def document(self) -> Any:
        """The JSON the body holds, or None when it is a form that holds none."""

    @property
    def form(self) -> Mapping[str, str]:
        """The body as a form, empty when it is none."""

    def xml(self) -> Element:
        """The root of the XML the body holds."""


class Place(Protocol):
    """Finds one text in a delivery."""

    @property
    def parts(self) -> frozenset[str]:
        """Which parts it reads: ``"body"``, ``"query"`` or a lower-case header name."""

    def find(self, event: Readable) -> str | None:
        """Return the text, or None when it is not there."""


def need_place(given: object, what: str, *kinds: type) -> None:
    """Raise ConfigurationError unless it is a place; unless it is one of these, where only some will do."""
    if kinds:
        good = isinstance(given, kinds)
    else:
        good = not isinstance(given, type) and callable(getattr(given, "find", None)) and hasattr(given, "parts")
    if not good:
        text = repr(given) if isinstance(given, str) else "…"
        usual = (InHeader, InBody, InForm, InQuery)
        *others, last = (f"{kind.__name__}({text if kind in usual else '…'})" for kind in kinds or usual)
        choice = f"{', '.join(others)} or {last}" if others else last
        shown = f"the class {given.__name__}" if isinstance(given, type) else in_words(given)
        raise ConfigurationError(f"{what} is {text if isinstance(given, str) else shown}: say where it is, with {choice}")


@dataclass(frozen=True, slots=True)
class InHeader:
    """The value of a header that comes once."""

    name: str

    def __post_init__(self) -> None:
        if (
            not isinstance(self.name, str)
            or not self.name
            or not self.name.isascii()
            or "_" in self.name
            or self.name != self.name.strip()
        ):
            raise ConfigurationError(f"{self.name!r} is not a header name: write it as the provider does, with hyphens")

    @property
    def parts(self) -> frozenset[str]:
        """The header's name in lower case."""
        return frozenset({self.name.lower()})

    def find(self, event: Readable) -> str | None:
        """Return the header's value, or None when it is missing or empty."""
        return event.headers.one(self.name.lower()) or None


@dataclass(frozen=True, slots=True)
class InBody:
    r"""A text or a whole number at a dotted path in the JSON body: ``InBody("data.object.id")``.

    A step of digits counts the items of a list, from 0: ``InBody("0.data.code")``. A dot in a name is written with a
    backslash before it: ``InBody(r"data.@odata\.etag")``.
    """

    path: str

    @property
    def parts(self) -> frozenset[str]:
        """The body."""
        return frozenset({"body"})

    def find(self, event: Readable) -> str | None:
        """Return the value as text; None when the path leads nowhere or to anything but a text or a whole number."""
        value = self.value(event)
        if isinstance(value, str):
            return value or None
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return None

    def value(self, event: Readable) -> Any:
        """Return whatever is there, and None where nothing is."""
        value = event.document()
        for step in self.path.split(".") if "\\" not in self.path else _steps(self.path):
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
                value = value[int(step)]
            else:
                return None
        return value


def _steps(path: str) -> list[str]:
    return [step.replace("\0", ".") for step in path.replace("\\.", "\0").split(".")]


@dataclass(frozen=True, slots=True)
class InForm:
    """A field of a form body."""

    field: str

    @property
    def parts(self) -> frozenset[str]:
        """The body."""
        return frozenset({"body"})

    def find(self, event: Readable) -> str | None:
        """Return the field's value, or None when it is missing or empty."""
        return event.form.get(self.field) or None


@dataclass(frozen=True, slots=True)
class InQuery:
    """A parameter of the URL's query, decoded."""

    parameter: str

    @property
    def parts(self) -> frozenset[str]:
        """The query."""
        return frozenset({"query"})

    def find(self, event: Readable) -> str | None:
        """Return the parameter's value, or None when it is missing or empty.

        MalformedDelivery when it came more than once, is no UTF-8, or the query is longer than 8 KiB or has more than 100
        parameters.
        """
        query = event.url.partition("#")[0].partition("?")[2]
        if not query:
            return None
        if len(query) > MAX_QUERY:
            raise MalformedDelivery(f"the URL's query is {len(query)} characters long; at most {MAX_QUERY} are read")
        try:
            pairs = parse_qsl(query, errors="strict", max_num_fields=MAX_PARAMETERS)
        except ValueError:
            raise MalformedDelivery("the URL's query cannot be read") from None
        values = [value for name, value in pairs if name == self.parameter]
        if len(values) > 1:
            raise MalformedDelivery(f"the URL carries {len(values)} {self.parameter!r} parameters")
        return values[0] if values else None


@dataclass(frozen=True, slots=True)
class EachDelivery:
    """An id of our own for each event that arrives: for senders whose honest deliveries cannot be told from one another.

    Nothing is a duplicate then, a provider's retry neither.
    """

    @property
    def parts(self) -> frozenset[str]:
        """Nothing that a delivery carries."""
        return frozenset({"arrival"})

    def find(self, event: Readable) -> str:
        """Return a new id."""
        return secrets.token_hex(16)

    def __str__(self) -> str:
        return "none: each delivery counts"


@dataclass(frozen=True, slots=True)
class Content:
    """The digest of what the event says: for the kinds of a provider's events that have no id, after a place for the others.

    Two events that say the same are one then, so what they say must hold something that is never the same twice.
    """

    @property
    def parts(self) -> frozenset[str]:
        """The body."""
        return frozenset({"body"})

    def find(self, event: Readable) -> str | None:
        """Return the digest; None for what is not verified yet, which is no event."""
        digest = getattr(event, "digest", None)
        return None if digest is None else f"sha256:{digest()}"

    def __str__(self) -> str:
        return "its content"


@dataclass(frozen=True, slots=True)
class InXml:
    """The text of an element at a path under the root of an XML body: ``InXml("subject/transaction/id")``."""

    path: str

    @property
    def parts(self) -> frozenset[str]:
        """The body."""
        return frozenset({"body"})

    def find(self, event: Readable) -> str | None:
        """Return the element's text, or None when it is missing or empty; MalformedBody when it came more than once."""
        element = event.xml()
        for step in self.path.split("/"):
            found = [child for child in element if child.tag == step]
            if not found:
                return None
            if len(found) > 1:
                raise MalformedBody(f"the XML has {len(found)} elements {step!r} where one is meant")
            element = found[0]
        return None if len(element) else (element.text or None)


class FirstOf:
    """The first of several places that holds something: for providers that send more than one kind of body."""

    __slots__ = ("places",)

    def __init__(self, *places: Place) -> None:
        for place in places:
            need_place(place, "a place of FirstOf")
        self.places = places

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.places))})"

    @property
    def parts(self) -> frozenset[str]:
        """Every part that any of the places reads."""
        return frozenset().union(*(place.parts for place in self.places))

    def find(self, event: Readable) -> str | None:
        """Return what the first place that holds something holds."""
        for place in self.places:
            if (found := place.find(event)) is not None:
                return found
        return None


class Joined:
    """Several places whose values make the id together, joined with ``/``; nothing when one of them is missing."""

    __slots__ = ("places",)

    def __init__(self, *places: Place) -> None:
        for place in places:
            need_place(place, "a place of Joined")
        self.places = places

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.places))})"

    @property
    def parts(self) -> frozenset[str]:
        """Every part that any of the places reads."""
        return frozenset().union(*(place.parts for place in self.places))

    def find(self, event: Readable) -> str | None:
        """Return the joined text, or None when a place holds nothing."""
        found = [place.find(event) for place in self.places]
        return None if None in found else "/".join(text for text in found if text is not None)


def exact_part(place: object, within: str = "") -> str | None:
    """Return what one field is called among what a scheme covers, where it covers fields and not the whole part.

    ``"body:PATH"``, ``"element:PATH"``, ``"form:FIELD"``, ``"query:PARAMETER"`` or a lower-case header name, or several of them
    as ``"body:PATH, else form:FIELD"``; None for any other place. ``within`` is the list in the body whose members are
    looked into, where the place is looked for in each of them.
    """
    if isinstance(place, FirstOf):
        names = [exact_part(each, within) for each in place.places]
        return None if None in names else ", else ".join(map(str, names))
    if isinstance(place, InBody):
        return f"body:{within}{place.path}"
    if isinstance(place, InXml):
        return f"element:{place.path}"
    if isinstance(place, InForm):
        return f"form:{place.field}"
    if isinstance(place, InQuery):
        return f"query:{place.parameter}"
    return place.name.lower() if isinstance(place, InHeader) else None


def in_words(place: object) -> str:
    """Return where a place is, for people: ``header `X-Id```, ``body `data.id```."""
    if isinstance(place, FirstOf):
        return ", else ".join(map(in_words, place.places))
    if isinstance(place, Joined):
        return " with ".join(map(in_words, place.places))
    for kind, word, attribute in (
        (InHeader, "header", "name"),
        (InBody, "body", "path"),
        (InForm, "form", "field"),
        (InQuery, "query", "parameter"),
        (InXml, "element", "path"),
    ):
        if isinstance(place, kind):
            return f"{word} `{getattr(place, attribute)}`"
    return str(place) if type(place).__str__ is not object.__str__ else type(place).__name__
