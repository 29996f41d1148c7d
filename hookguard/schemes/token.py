"""A shared token in plain text. It authenticates the sender, not the content of the delivery."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any, ClassVar, Literal, Union

from hookguard.bodies import Reading, read_json
from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError, MalformedSignature, MissingSignature, SignatureMismatch
from hookguard.json_path import Steps, join, read, steps
from hookguard.place import InBody, InForm, InHeader, InQuery, need_place
from hookguard.schemes.base import Draft, Key, Scheme, Verified
from hookguard.secret import Secret
from hookguard.writing import Writing, as_text

__all__ = ["InEvery", "TokenScheme"]

#: The most members of one delivery that may carry a token.
MAX_MEMBERS = 10_000


@dataclass(frozen=True, slots=True)
class InEvery:
    """A field of every member of a list in the JSON body: ``InEvery("value", "clientState")``. Every member must match."""

    items: str  #: the dotted path to the list; empty if the body itself is the list
    field: str  #: the dotted path in a member
    header: ClassVar[None] = None  #: as of a place outside of headers
    _list: Steps = dataclasses.field(init=False, repr=False, compare=False)
    _token: Steps = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_list", steps(self.items))
        object.__setattr__(self, "_token", steps(self.field))

    def listed(self, document: Any) -> list[Any]:
        """Return the members, or an empty list if the document has no such list."""
        found = read(document, self._list)
        return found if isinstance(found, list) else []

    def find_all(self, document: Any) -> list[str]:
        """Return the field of every member; MissingSignature if there is no member, or if a member lacks the text."""
        members = self.listed(document)
        if not members:
            raise MissingSignature(f"the body holds no list {self.items!r} whose members carry {self.field!r}")
        if len(members) > MAX_MEMBERS:
            raise MalformedSignature(
                f"the body lists {len(members)} members; at most {MAX_MEMBERS} are read", size=len(members), limit=MAX_MEMBERS
            )
        found: list[str] = []
        for member in members:
            token = read(member, self._token)
            if not isinstance(token, str) or not token:
                raise MissingSignature(f"a member of {self.items!r} carries no {self.field!r}")
            found.append(token)
        return found

    def put(self, writing: Writing, value: str) -> None:
        """Write the text into every member; ConfigurationError if the list is missing or empty."""
        members = self.listed(read_json(writing.body))
        if not members:
            raise ConfigurationError(f"the body holds no list {self.items!r} whose members could carry the token")
        for position in range(len(members)):
            writing.put_json(join(self.items, position, self.field), value)

    def __str__(self) -> str:
        return f"body `{self.items or 'every item'}[*].{self.field}`"


#: The places of a token.
TokenPlace = Union[InHeader, InQuery, InBody, InForm, InEvery]

#: How a header carries it: plain, behind ``Bearer``, or as the ``user:password`` of HTTP Basic authentication (RFC 7617).
TokenForm = Literal["plain", "bearer", "basic"]


class TokenScheme(Scheme):
    """The secret itself in the delivery. Nothing is signed, so anyone who sees one delivery can forge the next: use TLS.

    ``token`` is its place: ``InHeader`` (``Authorization`` by default), ``InQuery``, ``InBody``, ``InForm``, or ``InEvery`` for
    a token in each member of a list. ``form`` is how a header carries it: ``"plain"``, ``"bearer"``, or ``"basic"`` (then the
    secret is ``user:password``).
    """

    __slots__ = ("form", "required_header", "token")

    def __init__(self, *, token: TokenPlace | None = None, form: TokenForm = "plain") -> None:
        if form not in ("plain", "bearer", "basic"):
            raise ConfigurationError(f"form is {form!r}; choose 'plain', 'bearer' or 'basic'")
        token = InHeader("Authorization") if token is None else token
        if form != "plain" and not isinstance(token, InHeader):
            raise ConfigurationError(f"form={form!r} works in a header only: give token=InHeader(…)")
        need_place(token, "token", InHeader, InQuery, InBody, InForm, InEvery)
        self.token = token
        self.form = form
        self.required_header = token.header.lower() if token.header else None

    @property
    def where(self) -> str:
        """The place."""
        return f"`{self.token.header}`" if self.token.header else str(self.token)

    @property
    def what(self) -> str:
        """Nothing is signed."""
        how = {"plain": "the plain secret", "bearer": "Bearer and the secret", "basic": "Basic authentication"}[self.form]
        return f"nothing: {how}"

    def prepare(self, secret: Secret) -> bytes:
        """Return the token's bytes as the sender transmits them."""
        key = secret.key(field=self.secret_fields[0])
        if self.form != "basic":
            return key
        if b":" not in key:
            raise ConfigurationError("HTTP Basic authentication needs a secret of the form user:password")
        return base64.b64encode(key)

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Compare the delivery's token with every configured one. Of several tokens in the delivery, each must match."""
        tokens = self._find(delivery)
        matched = ""
        for came in tokens:
            name = ""
            for key in keys:
                if compare_digest(came, key.prepared):
                    name = key.name
                    break
            if not name:
                raise SignatureMismatch(
                    f"{self._where()} does not match (tokens tried: {len(keys)}). Check that this is the endpoint's token.",
                    secrets=len(keys),
                )
            matched = matched or name
        return matched, None

    def expected(self, delivery: Delivery, key: Key) -> tuple[str, ...]:
        """Return the token."""
        return (key.prepared.decode("latin-1"),)

    def _find(self, delivery: Delivery) -> list[bytes]:
        if self.required_header is not None:
            text = delivery.headers.one(self.required_header)
            if text and self.form != "plain":
                text = self._behind_word(text)
            # Servers decode headers as latin-1, so this restores the transmitted bytes.
            found = [text.encode("latin-1", "replace")] if text else []
        elif isinstance(self.token, InEvery):
            found = [text.encode("utf-8", "surrogatepass") for text in self.token.find_all(Reading(delivery).document())]
        else:
            text = self.token.find(Reading(delivery))
            found = [text.encode("utf-8", "surrogatepass")] if text else []
        if not found:
            raise MissingSignature(f"no {self._where()}", header=self.token.header)
        return found

    def _behind_word(self, text: str) -> str:
        word, _, token = text.partition(" ")
        # The word's case does not matter (RFC 9110 §11.1).
        if word.lower() != self.form:
            raise MalformedSignature(f"the {self.token.header} header does not use {self.form.capitalize()} authentication")
        return token.strip(" ")

    def _where(self) -> str:
        return f"{self.token.header} header" if self.token.header else self.where

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Write the token to its place."""
        if len(keys) != 1:
            raise ConfigurationError(f"{self._where()} carries one token: sign with one secret")
        token = keys[0].prepared
        word = "" if self.form == "plain" else f"{self.form.capitalize()} "
        text = word + token.decode("latin-1") if self.token.header else as_text(token, "the token")
        writing = draft.writing()
        self.token.put(writing, text)
        return writing.delivery()

    def __repr__(self) -> str:
        return f"TokenScheme({self.token!r}{'' if self.form == 'plain' else f', form={self.form!r}'})"
