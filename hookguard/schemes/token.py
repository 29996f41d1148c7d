"""A shared token that comes as it is: proves who sent, and nothing about what was sent."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any, Literal, Union
from urllib.parse import quote

from hookguard.delivery import Delivery
from hookguard.documents import Reading, as_text, put_form, put_json, read_json
from hookguard.errors import ConfigurationError, MalformedSignature, MissingSignature, SignatureMismatch
from hookguard.place import InBody, InForm, InHeader, InQuery, in_words, need_place
from hookguard.schemes.base import Draft, Key, Scheme, Verified
from hookguard.secret import Secret

__all__ = ["InEvery", "TokenScheme"]

#: Members of one delivery that may carry a token.
MAX_MEMBERS = 10_000


@dataclass(frozen=True, slots=True)
class InEvery:
    """A field of every member of a list in the JSON body: ``InEvery("value", "clientState")``. All of them count."""

    items: str  #: the dotted path to the list; empty where the body itself is the list
    field: str

    def find_all(self, document: Any) -> list[str]:
        """Return the field of every member; MissingSignature when there is no member or one has no such text."""
        for step in self.items.split(".") if self.items else ():
            document = document.get(step) if isinstance(document, dict) else None
        if not isinstance(document, list) or not document:
            raise MissingSignature(f"the body holds no list {self.items!r} whose members carry {self.field!r}")
        if len(document) > MAX_MEMBERS:
            raise MalformedSignature(f"the body lists {len(document)} members; {MAX_MEMBERS} are read at most")
        found: list[str] = []
        for member in document:
            token = member.get(self.field) if isinstance(member, dict) else None
            if not isinstance(token, str) or not token:
                raise MissingSignature(f"a member of {self.items!r} carries no {self.field!r}")
            found.append(token)
        return found


#: Where a token may come.
TokenPlace = Union[InHeader, InQuery, InBody, InForm, InEvery]

#: How it is written there: as it is, behind ``Bearer``, or as the ``user:password`` of HTTP Basic authentication (RFC 7617).
TokenForm = Literal["plain", "bearer", "basic"]


class TokenScheme(Scheme):
    """The secret itself in the delivery. Nothing is signed, so anyone who sees one delivery can forge the next: use TLS.

    ``token`` is where it comes: ``InHeader`` (``Authorization`` by default), ``InQuery``, ``InBody``, ``InForm``, or
    ``InEvery`` for one in each member of a list. ``form`` says how a header carries it: ``"plain"``, ``"bearer"``, or
    ``"basic"``, for which the secret is ``user:password``.
    """

    __slots__ = ("form", "required_header", "token")

    def __init__(self, *, token: TokenPlace | None = None, form: TokenForm = "plain") -> None:
        if form not in ("plain", "bearer", "basic"):
            raise ConfigurationError(f"form is {form!r}; choose 'plain', 'bearer' or 'basic'")
        token = InHeader("Authorization") if token is None else token
        if form != "plain" and not isinstance(token, InHeader):
            raise ConfigurationError(f"form={form!r} is how a header carries a token: give token=InHeader(…)")
        need_place(token, "token", InHeader, InQuery, InBody, InForm, InEvery)
        self.token = token
        self.form = form
        self.required_header = token.name.lower() if isinstance(token, InHeader) else None

    @property
    def where(self) -> str:
        """The place."""
        if isinstance(self.token, InEvery):
            return f"body `{self.token.items or 'every item'}[*].{self.token.field}`"
        return f"`{self.token.name}`" if isinstance(self.token, InHeader) else in_words(self.token)

    @property
    def what(self) -> str:
        """Nothing is signed."""
        how = {"plain": "the secret as it is", "bearer": "Bearer and the secret", "basic": "Basic authentication"}[self.form]
        return f"nothing: {how}"

    def prepare(self, secret: Secret) -> bytes:
        """Return the token's bytes as they come over the wire."""
        key = secret.key(field=self.secret_fields[0])
        if self.form != "basic":
            return key
        if b":" not in key:
            raise ConfigurationError("HTTP Basic authentication needs a secret of the form user:password")
        return base64.b64encode(key)

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Compare what came with every token; where several came, each must be one of them."""
        tokens = self._find(delivery)
        matched = ""
        for came in tokens:
            name = ""
            for key in keys:
                if compare_digest(came, key.prepared):
                    name = key.name
                    break
            if not name:
                raise SignatureMismatch(f"{self._where()} is none of {len(keys)} tokens: is it this endpoint's?")
            matched = matched or name
        return matched, None

    def _find(self, delivery: Delivery) -> list[bytes]:
        place = self.token
        if isinstance(place, InHeader):
            value = delivery.headers.one(place.name.lower())
            if value and self.form != "plain":
                word, _, value = value.partition(" ")
                # The word's case does not matter (RFC 9110 §11.1).
                if word.lower() != self.form:
                    raise MalformedSignature(f"the {place.name} header is no {self.form.capitalize()} authentication")
                value = value.strip(" ")
            # Headers are latin-1 on the wire, so this gives back the bytes that came; other text cannot come from a server.
            found = [value.encode("latin-1", "replace")] if value else []
        elif isinstance(place, InEvery):
            found = [token.encode("utf-8", "surrogatepass") for token in place.find_all(Reading(delivery).document())]
        else:
            token = place.find(Reading(delivery))
            found = [token.encode("utf-8", "surrogatepass")] if token else []
        if not found:
            raise MissingSignature(f"no {self._where()}")
        return found

    def _where(self) -> str:
        return f"{self.token.name} header" if isinstance(self.token, InHeader) else self.where

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Put the token where it belongs."""
        if len(keys) != 1:
            raise ConfigurationError(f"{self._where()} carries one token: sign with one secret")
        token = keys[0].prepared
        headers, body, url = dict(draft.headers), draft.body, draft.url
        place = self.token
        if isinstance(place, InHeader):
            word = "" if self.form == "plain" else f"{self.form.capitalize()} "
            headers[place.name] = word + token.decode("latin-1")
        elif isinstance(place, InQuery):
            # The same URL again is signed already.
            item = f"{quote(place.parameter, safe='')}={quote(token, safe='')}"
            if item not in url.partition("?")[2].split("&"):
                url = f"{url}{'&' if '?' in url else '?'}{item}"
        elif isinstance(place, InForm):
            body = put_form(body, place.field, as_text(token, "the token"))
        elif isinstance(place, InBody):
            body = put_json(body, place.path, as_text(token, "the token"))
        else:
            members = _members(body, place.items)
            for position in range(members):
                body = put_json(body, f"{place.items}.{position}.{place.field}".lstrip("."), as_text(token, "the token"))
        return Delivery(body, headers, draft.method, url)

    def __repr__(self) -> str:
        return f"TokenScheme({self.token!r}{'' if self.form == 'plain' else f', form={self.form!r}'})"


def _members(body: bytes, items: str) -> int:
    document = read_json(body)
    for step in items.split(".") if items else ():
        document = document.get(step) if isinstance(document, dict) else None
    if not isinstance(document, list) or not document:
        raise ConfigurationError(f"the body holds no list {items!r} whose members could carry the token")
    return len(document)
