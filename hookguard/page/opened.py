"""The kept form of an entry as the page shows it: how it was verified; and, to people who may open it, what came."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from hookguard.errors import StoreError
from hookguard.inbox.contract import Kept
from hookguard.inbox.hidden import Pointer, shown_body
from hookguard.inbox.kept import read_head, read_proof
from hookguard.page.html import Child, when
from hookguard.record import Record

__all__ = ["EndpointFacts", "OpenedEntry", "Provenance", "open_entry", "provenance"]


@dataclass(frozen=True, slots=True)
class EndpointFacts:
    """The facts of an endpoint that the page shows, or must know so that it does not show too much."""

    covers: tuple[str, ...]  #: the parts of a delivery that the signature covers; empty where a gateway vouches
    secret_headers: frozenset[str]  #: headers that carry a signature or a token, in lower case: a relay may keep them
    hide: tuple[Pointer, ...]  #: JSON pointers to values of the body that nobody is shown


class Provenance(NamedTuple):
    """How an entry's event was verified, as far as the inbox knows."""

    secret: str | None = None
    timestamp: float | None = None
    tenant: str | None = None
    covers: tuple[str, ...] = ()
    problem: str = ""

    def facts(self, now: float) -> Iterator[tuple[str, Child]]:
        """Yield names and values."""
        if self.problem:
            yield "unknown", self.problem
            return
        yield "secret", self.secret or "without a name"
        if self.covers:
            yield "the signature covers", ", ".join(self.covers)
        if self.timestamp is not None:
            yield "signed at", when(self.timestamp, now)
        if self.tenant is not None:
            yield "tenant", self.tenant


@dataclass(frozen=True, slots=True, repr=False)
class OpenedEntry(Record):
    """A delivery to show: titles and texts. A ``repr`` has the titles alone: a text may be a body."""

    parts: list[tuple[str, str]]

    def __repr__(self) -> str:
        return f"OpenedEntry({[title for title, _ in self.parts]!r})"


def provenance(kept: Kept, endpoints: Mapping[str, EndpointFacts]) -> Provenance:
    """Return how it was verified. Nothing of the body and of the headers is read."""
    try:
        proof = read_proof(kept)
    except StoreError as error:
        return Provenance(problem=str(error))
    known = endpoints.get(kept.endpoint)
    return Provenance(proof.secret, proof.timestamp, proof.tenant, known.covers if known is not None else ())


def open_entry(kept: Kept, endpoints: Mapping[str, EndpointFacts]) -> OpenedEntry:
    """Return the request line, the headers, the body and the decrypted content, without the values that must stay hidden.

    Where it is unknown which these are, the body is left out.
    """
    known = endpoints.get(kept.endpoint)
    if known is None:
        why = "No endpoint with an inbox has this name now, so it is unknown which values must stay hidden."
        return OpenedEntry([("Not shown", f"{why} On the server, `hookguard inbox STORE show KEY --body` writes the body.")])
    parts = []
    try:
        head = read_head(kept)
    except StoreError as error:
        return OpenedEntry([("Not shown", str(error))])
    parts.append(("Request", f"{head.method} {head.scheme}://{head.host}{head.target}"))
    headers = [f"{name}: {value}" for name, value in head.headers if name not in known.secret_headers]
    parts.append(("Headers that are kept", "\n".join(headers) or "none"))
    parts.append(("Body", shown_body(kept.body, known.hide) or "empty"))
    if kept.content is not None:
        parts.append(("Decrypted content", shown_body(kept.content, known.hide) or "empty"))
    return OpenedEntry(parts)
