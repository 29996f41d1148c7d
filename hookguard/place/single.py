"""The base of every place, and the places of one value: a header, a path in the JSON body, a form field and others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from xml.etree.ElementTree import Element

from hookguard.errors import ConfigurationError, MalformedBody, MalformedDelivery
from hookguard.head.target import put_parameter, split_target
from hookguard.headers import MAX_VALUE, Headers
from hookguard.json_path import Steps, read, steps

__all__ = [
    "InBody",
    "InForm",
    "InHeader",
    "InQuery",
    "InXml",
    "Place",
    "Readable",
    "Writable",
    "in_words",
    "need_place",
    "text_of",
]


class Readable(Protocol):
    """The source of a place's values: a verified event."""

    @property
    def headers(self) -> Headers:
        """The delivery's headers."""

    @property
    def url(self) -> str:
        """The delivery's target."""

    def document(self) -> Any:
        """The JSON in the body, or None if it is a form without JSON."""

    @property
    def form(self) -> Mapping[str, str]:
        """The body as a form; empty if it is not a form."""

    def xml(self) -> Element:
        """The root of the body's XML."""


class Writable(Protocol):
    """The target of a place's values: a delivery that is being signed.

    Each method raises ConfigurationError if the delivery cannot hold the value.
    """

    url: str

    def put_header(self, name: str, value: str) -> None:
        """Write a header, in place of any other value."""

    def put_json(self, path: str, value: str) -> None:
        """Write a text at a dotted path in the JSON body."""

    def put_form(self, name: str, value: str) -> None:
        """Write a field of the form body."""

    def put_xml(self, path: str, value: str) -> None:
        """Write a new XML body with a text in the element at a path."""


class Place:
    """Where a text is in a delivery. A class that inherits this one defines ``parts`` and ``find``; then it is read only."""

    __slots__ = ()

    #: The places it is made of; empty for a single place.
    places: tuple[Place, ...] = ()

    @property
    def parts(self) -> frozenset[str]:
        """The parts that it reads: ``"body"``, ``"query"`` or a lower-case header name."""
        raise NotImplementedError

    @property
    def header(self) -> str | None:
        """The name of the header that holds the text; of several places, the first one's. None for any other place."""
        return self.places[0].header if self.places else None

    def find(self, event: Readable) -> str | None:
        """Return the text, or None if it is missing."""
        raise NotImplementedError

    def value(self, event: Readable) -> Any:
        """Return the value of any type, or None if it is missing."""
        return self.find(event)

    def put(self, writing: Writable, value: str) -> None:
        """Write the text, so that ``find`` returns it: for signing. ConfigurationError if the place cannot hold it."""
        raise ConfigurationError(f"no text can be written to {in_words(self)}, which is read only")

    def exact_part(self, within: str = "") -> str | None:
        """Return a field's name in a scheme's ``covers``, if the scheme covers fields and not the whole part.

        ``"body:PATH"``, ``"element:PATH"``, ``"form:FIELD"``, ``"query:PARAMETER"`` or a lower-case header name, or several of
        them as ``"body:PATH, else form:FIELD"``; None for any other place. ``within`` is the list in the body in whose members
        the place is.
        """
        return None


def text_of(value: object) -> str | None:
    """Return a value of a JSON or XML body as text; None if it is empty, or neither a text nor a whole number."""
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


@dataclass(frozen=True, slots=True)
class InHeader(Place):
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
            raise ConfigurationError(f"{self.name!r} is not a header name: write it like the provider, with hyphens")

    @property
    def parts(self) -> frozenset[str]:
        """The header's name in lower case."""
        return frozenset({self.name.lower()})

    @property
    def header(self) -> str:
        """The header's name."""
        return self.name

    def find(self, event: Readable) -> str | None:
        """Return the header's value, or None if it is missing or empty."""
        return event.headers.one(self.name.lower()) or None

    def put(self, writing: Writable, value: str) -> None:
        """Write the header, in place of any other value."""
        if not value.isprintable() or value != value.strip(" ") or not 0 < len(value) <= MAX_VALUE:
            raise ConfigurationError(
                f"{self} cannot hold this text: give 1 to {MAX_VALUE} printable characters, and no space at either end"
            )
        writing.put_header(self.name, value)

    def exact_part(self, within: str = "") -> str:
        """Return the header's name in lower case."""
        return self.name.lower()

    def __str__(self) -> str:
        return f"header `{self.name}`"


@dataclass(frozen=True, slots=True)
class InBody(Place):
    """A text or a whole number at a dotted path in the JSON body: ``InBody("data.object.id")``.

    See :mod:`hookguard.json_path` for the syntax. ConfigurationError for a malformed path.
    """

    path: str
    _steps: Steps = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_steps", steps(self.path))

    @property
    def parts(self) -> frozenset[str]:
        """The body."""
        return frozenset({"body"})

    def find(self, event: Readable) -> str | None:
        """Return the value as text; None if it is missing, or neither a text nor a whole number."""
        return text_of(self.value(event))

    def value(self, event: Readable) -> Any:
        """Return the value of any type, or None if it is missing."""
        return read(event.document(), self._steps)

    def put(self, writing: Writable, value: str) -> None:
        """Write the text into the JSON body, with the objects on the way to it."""
        _need_text(value, self)
        writing.put_json(self.path, value)

    def exact_part(self, within: str = "") -> str:
        """Return the path, behind the list that it is in."""
        return f"body:{within}{self.path}"

    def __str__(self) -> str:
        return f"body `{self.path}`"


@dataclass(frozen=True, slots=True)
class InForm(Place):
    """A field of a form body."""

    field: str

    @property
    def parts(self) -> frozenset[str]:
        """The body."""
        return frozenset({"body"})

    def find(self, event: Readable) -> str | None:
        """Return the field's value, or None if it is missing or empty."""
        return event.form.get(self.field) or None

    def put(self, writing: Writable, value: str) -> None:
        """Write the field, in place of any other value."""
        _need_text(value, self)
        writing.put_form(self.field, value)

    def exact_part(self, within: str = "") -> str:
        """Return the field's name."""
        return f"form:{self.field}"

    def __str__(self) -> str:
        return f"form `{self.field}`"


@dataclass(frozen=True, slots=True)
class InQuery(Place):
    """A parameter of the URL's query, decoded."""

    parameter: str

    @property
    def parts(self) -> frozenset[str]:
        """The query."""
        return frozenset({"query"})

    def find(self, event: Readable) -> str | None:
        """Return the parameter's value, or None if it is missing or empty.

        MalformedDelivery if it came more than once or is not UTF-8, or if the query is longer than 8 KiB or has more than 100
        parameters.
        """
        return split_target(event.url).parameter(self.parameter)

    def put(self, writing: Writable, value: str) -> None:
        """Write the parameter, in place of any other value."""
        _need_text(value, self)
        try:
            writing.url = put_parameter(writing.url, self.parameter, value)
        except MalformedDelivery as error:
            raise ConfigurationError(f"{self} cannot be written: {error}") from None

    def exact_part(self, within: str = "") -> str:
        """Return the parameter's name."""
        return f"query:{self.parameter}"

    def __str__(self) -> str:
        return f"query `{self.parameter}`"


@dataclass(frozen=True, slots=True)
class InXml(Place):
    """The text of an element at a path under the root of an XML body: ``InXml("subject/transaction/id")``."""

    path: str

    @property
    def parts(self) -> frozenset[str]:
        """The body."""
        return frozenset({"body"})

    def find(self, event: Readable) -> str | None:
        """Return the element's text, or None if it is missing or empty; MalformedBody if it came more than once."""
        return text_of(self.value(event))

    def value(self, event: Readable) -> str | Element | None:
        """Return the element's text, or the element if it holds others; MalformedBody if it came more than once."""
        element = event.xml()
        for step in self.path.split("/"):
            found = [child for child in element if child.tag == step]
            if not found:
                return None
            if len(found) > 1:
                raise MalformedBody(f"the XML has {len(found)} elements {step!r} where one is expected")
            element = found[0]
        return element if len(element) else element.text

    def put(self, writing: Writable, value: str) -> None:
        """Write a new document with the text in the element."""
        _need_text(value, self)
        writing.put_xml(self.path, value)

    def exact_part(self, within: str = "") -> str:
        """Return the element's path."""
        return f"element:{self.path}"

    def __str__(self) -> str:
        return f"element `{self.path}`"


def need_place(given: object, what: str, *kinds: type) -> None:
    """Raise ConfigurationError unless it is a place; with ``kinds``, unless it is a place of one of them."""
    if not isinstance(given, kinds or Place):
        text = repr(given) if isinstance(given, str) else "…"
        usual = (InHeader, InBody, InForm, InQuery)
        *others, last = (f"{kind.__name__}({text if kind in usual else '…'})" for kind in kinds or usual)
        choice = f"{', '.join(others)} or {last}" if others else last
        shown = f"the class {given.__name__}" if isinstance(given, type) else in_words(given)
        raise ConfigurationError(f"{what} is {text if isinstance(given, str) else shown}: give its place with {choice}")


def _need_text(value: str, place: Place) -> None:
    """Raise ConfigurationError for an empty text, which counts as missing, and for one that is not UTF-8."""
    if not value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ConfigurationError(f"{place} cannot hold this text: give at least one character, in UTF-8")


def in_words(place: object) -> str:
    """Return a place in words, for messages: ``header `X-Id```, ``body `data.id```. An object of any other class is named."""
    return str(place) if type(place).__str__ is not object.__str__ else type(place).__name__
