"""Where a delivery carries its event's id and type: a header, a path in the JSON body, a form field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from hookguard.errors import ConfigurationError
from hookguard.headers import Headers

__all__ = ["FirstOf", "InBody", "InForm", "InHeader", "Joined", "Place", "Readable"]


class Readable(Protocol):
    """What a place looks into: a verified event."""

    @property
    def headers(self) -> Headers:
        """The delivery's headers."""

    def document(self) -> Any:
        """The JSON the body holds, or None when it is a form that holds none."""

    @property
    def form(self) -> Mapping[str, str]:
        """The body as a form, empty when it is none."""


class Place(Protocol):
    """Finds one text in a delivery."""

    @property
    def parts(self) -> frozenset[str]:
        """Which parts it reads: ``"body"`` or a lower-case header name."""

    def find(self, event: Readable) -> str | None:
        """Return the text, or None when it is not there."""


@dataclass(frozen=True, slots=True)
class InHeader:
    """The value of a header that comes once."""

    name: str

    def __post_init__(self) -> None:
        if not self.name or not self.name.isascii() or "_" in self.name or self.name != self.name.strip():
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
    """A text or a whole number at a dotted path in the JSON body: ``InBody("data.object.id")``."""

    path: str

    @property
    def parts(self) -> frozenset[str]:
        """The body."""
        return frozenset({"body"})

    def find(self, event: Readable) -> str | None:
        """Return the value as text; None when the path leads nowhere or to anything but a text or a whole number."""
        value = event.document()
        for step in self.path.split("."):
            if not isinstance(value, dict):
                return None
            value = value.get(step)
        if isinstance(value, str):
            return value or None
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return None


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


class FirstOf:
    """The first of several places that holds something: for providers that send more than one kind of body."""

    __slots__ = ("places",)

    def __init__(self, *places: Place) -> None:
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
