"""Several places that count as one, and places whose text no delivery carries: it is made when the event arrives."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from hookguard.errors import ConfigurationError
from hookguard.place.single import Place, Readable, Writable, in_words, need_place

__all__ = ["Content", "EachDelivery", "FirstOf", "Joined", "MatchedSecret", "before_slash"]


class _Several(Place):
    """Several places that count as one."""

    __slots__ = ("places",)

    def __init__(self, *places: Place) -> None:
        for place in places:
            need_place(place, f"a place of {type(self).__name__}")
        self.places = places

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.places))})"

    @property
    def parts(self) -> frozenset[str]:
        """Every part that any of the places reads."""
        return frozenset().union(*(place.parts for place in self.places))


class FirstOf(_Several):
    """The first of several places with a value: for providers that send more than one kind of body."""

    __slots__ = ()

    def find(self, event: Readable) -> str | None:
        """Return the text at the first place that has one."""
        for place in self.places:
            if (found := place.find(event)) is not None:
                return found
        return None

    def value(self, event: Readable) -> Any:
        """Return the value of any type at the first place that has one."""
        for place in self.places:
            if (found := place.value(event)) is not None and found != "":
                return found
        return None

    def put(self, writing: Writable, value: str) -> None:
        """Write to the first place."""
        self.places[0].put(writing, value)

    def exact_part(self, within: str = "") -> str | None:
        """Return the names of all places; None if one of them has none."""
        names = [place.exact_part(within) for place in self.places]
        return None if None in names else ", else ".join(map(str, names))

    def __str__(self) -> str:
        return ", else ".join(map(in_words, self.places))


class Joined(_Several):
    """Several places whose values together are the id, joined with ``/``; None if one of them is missing.

    A ``/`` in any value but the last is escaped, so different values never make the same text.
    """

    __slots__ = ()

    def find(self, event: Readable) -> str | None:
        """Return the joined text, or None if a value is missing."""
        found: list[str] = []
        for place in self.places:
            if not (text := place.find(event)):
                return None
            found.append(text)
        *before, last = found
        return "".join(map(before_slash, before)) + last

    def put(self, writing: Writable, value: str) -> None:
        """Write each part of a joined text to its place."""
        *before, last = value.split("/", len(self.places) - 1)
        texts = [*(part.replace("%2F", "/").replace("%25", "%") for part in before), last]
        if len(texts) != len(self.places) or "".join(map(before_slash, texts[:-1])) + last != value:
            raise ConfigurationError(f"{self} cannot hold this text: give {len(self.places)} parts as Joined reads them")
        for place, text in zip(self.places, texts, strict=True):
            place.put(writing, text)

    def __str__(self) -> str:
        return " with ".join(map(in_words, self.places))


def before_slash(text: str) -> str:
    """Return a part of an id followed by ``/``. A ``/`` in the part is escaped, so that the border cannot move."""
    return text.replace("%", "%25").replace("/", "%2F") + "/"


@dataclass(frozen=True, slots=True)
class EachDelivery(Place):
    """A new random id for each event that arrives, for senders whose honest deliveries cannot be distinguished.

    Then nothing is a duplicate, not even a retry.
    """

    @property
    def parts(self) -> frozenset[str]:
        """No part of a delivery."""
        return frozenset({"arrival"})

    def find(self, event: Readable) -> str:
        """Return a new id."""
        return secrets.token_hex(16)

    def __str__(self) -> str:
        return "none: each delivery counts"


@dataclass(frozen=True, slots=True)
class Content(Place):
    """The digest of the event's content: for event types without an id, behind the place for the others in ``FirstOf``.

    Two events with equal content are then one event, so the content must include a value that is never repeated.
    """

    @property
    def parts(self) -> frozenset[str]:
        """The body."""
        return frozenset({"body"})

    def find(self, event: Readable) -> str | None:
        """Return the digest; None before the delivery was verified."""
        digest = getattr(event, "digest", None)
        return None if digest is None else f"sha256:{digest()}"

    def __str__(self) -> str:
        return "its content"


@dataclass(frozen=True, slots=True)
class MatchedSecret(Place):
    """The name of the secret that matched: it distinguishes bots or webhooks, if each has a secret of its own.

    For a preset's ``id_scope``. Secrets without a name have their position.
    """

    @property
    def parts(self) -> frozenset[str]:
        """No part that a sender could change."""
        return frozenset()

    def find(self, event: Readable) -> str | None:
        """Return the name; None before the delivery was verified."""
        return getattr(event, "secret", None)

    def __str__(self) -> str:
        return "the secret that matched"
