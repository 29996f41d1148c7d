"""HMAC over named fields of the body, the query or the headers, for providers that do not sign the bytes.

The signature protects the named fields only. The rest of the body may be forged: fetch it from the provider's API if it
matters.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any, Union
from xml.etree.ElementTree import Element

from hookguard.bodies import Reading
from hookguard.delivery import Delivery
from hookguard.errors import (
    ConfigurationError,
    MalformedBody,
    MalformedHeader,
    MalformedSignature,
    MissingSignature,
    MissingTimestamp,
    SignatureMismatch,
)
from hookguard.json_path import join, read, steps
from hookguard.place import FirstOf, InBody, InForm, Place, Readable, in_words, need_place, text_of
from hookguard.schemes.base import Draft, Key, Scheme, Verified
from hookguard.schemes.hmac import DIGESTS, HmacKey
from hookguard.schemes.layout import Layout
from hookguard.schemes.template import SignatureHeader
from hookguard.schemes.timestamp import TimestampUnit, need_unit, read_timestamp, write_timestamp
from hookguard.secret import Secret, SecretFormat, need_format
from hookguard.writing import Writing

__all__ = ["FieldsScheme", "IfPresent", "InSignature"]

#: The most members of one delivery that may each carry a signature.
MAX_MEMBERS = 1000


@dataclass(frozen=True, slots=True)
class IfPresent:
    """A field that may be missing, empty or null. Then it is not signed, nor is the text before and behind it.

    Any other value that is not text (true, 1.5, a list, an object) is rejected: it would be signed as if it were missing.
    """

    place: Place
    before: str = ""
    behind: str = ""


@dataclass(frozen=True, slots=True)
class InSignature:
    """The timestamp in the signed text, if the signature header carries it."""

    def __str__(self) -> str:
        return "the timestamp"


#: A piece of the signed text: literal text, the value at a place, or a value that may be missing.
Piece = Union[str, Place, IfPresent, InSignature]


class FieldsScheme(Scheme):
    """HMAC of ``signed``, a sequence of literal texts and places. The values at the places are joined as text, in order.

    ``signature`` is where the signature is: a :class:`SignatureHeader`, or a place in the body. ``layout`` is the form of the
    signature in the body. A delivery is rejected if a place is empty, unless the place is inside :class:`IfPresent`.
    ``timestamp`` is one of the signed places, or ``InSignature()`` if the signature header carries it.

    A signed value that holds the literal text behind it is rejected, because it could move the border between two values.
    ``borders=False`` accepts such values, for providers that send them. ``each`` is the dotted path to a list whose members
    each carry a signature: all of them must match. ``wrapped`` is the key that each member is wrapped in. ``json_field`` is
    the form field that holds the JSON. Raises ConfigurationError if the arguments do not fit together.
    """

    __slots__ = (
        "_layout",
        "_list",
        "_member",
        "bare_timestamp",
        "borders",
        "covers",
        "digest",
        "each",
        "json_field",
        "required_header",
        "secret_format",
        "signature",
        "signed",
        "signs_timestamp",
        "timestamp",
        "timestamp_unit",
        "wrapped",
    )

    def __init__(
        self,
        *,
        signature: SignatureHeader | InBody | InForm | FirstOf,
        signed: Sequence[Piece],
        layout: str = "{hex}",
        digest: str = "sha256",
        secret_format: SecretFormat = "text",
        timestamp: Place | InSignature | None = None,
        timestamp_unit: TimestampUnit = "s",
        borders: bool = True,
        each: str | None = None,
        wrapped: str = "",
        json_field: str | None = None,
    ) -> None:
        if digest not in DIGESTS:
            raise ConfigurationError(f"digest {digest!r} is not one of sha256, sha512, sha384 and sha1")
        self.signed: tuple[Piece, ...] = tuple(signed)
        if not any(not isinstance(piece, str) for piece in self.signed):
            raise ConfigurationError("signed must name at least one field: literal text alone proves nothing")
        places = [place for piece in self.signed if not isinstance(place := _place(piece), str)]
        if not isinstance(signature, SignatureHeader):
            need_place(signature, "signature", SignatureHeader, InBody, InForm, FirstOf)
        for place in places:
            if not isinstance(place, InSignature):
                need_place(place, "what is signed")
        if timestamp is not None and timestamp not in places:
            raise ConfigurationError(
                f"timestamp is {in_words(timestamp)}, which is not signed and proves nothing: add it to signed"
            )
        if each is not None and isinstance(signature, SignatureHeader):
            raise ConfigurationError("each member carries its own signature: give signature=InBody(…), inside the member")
        self.signature = signature
        self._layout = signature.layout if isinstance(signature, SignatureHeader) else Layout(layout)
        if self._layout.has_timestamp != (timestamp == InSignature()):
            raise ConfigurationError("timestamp=InSignature() and a layout with {timestamp} go together")
        self.digest = digest
        need_format(secret_format)
        self.secret_format: SecretFormat = secret_format
        self.timestamp = timestamp
        need_unit(timestamp_unit)
        self.timestamp_unit: TimestampUnit = timestamp_unit
        self.bare_timestamp = _touches(self.signed, timestamp)
        self.borders = borders
        self.each = each
        self.wrapped = wrapped
        self._list, self._member = steps(each or ""), steps(wrapped)
        self.json_field = json_field
        self.signs_timestamp = timestamp is not None
        self.required_header = signature.lower if isinstance(signature, SignatureHeader) else None
        # The named fields are covered, not the whole body; in a list, the fields of each member. Of several alternative places
        # only the first one with a value is signed, so together they have one name.
        within = "" if each is None else f"{each}[*].{wrapped}{'.' if wrapped else ''}"
        read = (place for place in places if not isinstance(place, InSignature))
        self.covers = frozenset(part for place in read if (part := place.exact_part(within)) is not None)

    @property
    def where(self) -> str:
        """The header or the place."""
        return f"`{self.signature.name}`" if isinstance(self.signature, SignatureHeader) else in_words(self.signature)

    @property
    def what(self) -> str:
        """The hash and the fields."""
        fields = [in_words(_place(piece)) for piece in self.signed if not isinstance(piece, str)]
        which = " of every member" if self.each is not None else ""
        return f"HMAC-{self.digest.upper().replace('SHA', 'SHA-')} of {', '.join(fields)}{which}"

    def prepare(self, secret: Secret) -> HmacKey:
        """Hash the key's two blocks once."""
        return HmacKey(secret.key(self.secret_format, self.secret_fields[0]), self.digest)

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Check the fields' signature, or the signatures of all members."""
        matched: Verified | None = None
        for reading in self._readings(delivery):
            found = self._check(reading, delivery, keys)
            matched = matched or found
        if matched is None:  # pragma: no cover - there is always one reading
            raise MissingSignature("the delivery holds nothing that could be signed")
        return matched

    def _readings(self, delivery: Delivery) -> list[Readable]:
        reading = Reading(delivery, self.json_field)
        if self.each is None:
            return [reading]
        members = read(reading.document(), self._list)
        if not isinstance(members, list) or not members:
            raise MissingSignature(f"the body holds no list {self.each!r} of signed members")
        if len(members) > MAX_MEMBERS:
            raise MalformedSignature(
                f"the body lists {len(members)} members; {MAX_MEMBERS} are checked at most", size=len(members), limit=MAX_MEMBERS
            )
        if self.wrapped:
            members = [read(member, self._member) for member in members]
        return [_Member(member, reading) for member in members]

    def _check(self, reading: Readable, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        signatures, stamp = self._carried(reading, delivery)
        message, timestamp = self._message(reading, stamp)
        for key in keys:
            expected = self._layout.prefix + self._layout.encode(key.prepared.digest(message))
            for signature in signatures:
                if compare_digest(expected, signature):
                    return key.name, timestamp
        raise SignatureMismatch(
            f"signature does not match the {self.what} (secrets tried: {len(keys)}). Check that this is the endpoint's secret.",
            secrets=len(keys),
        )

    def _carried(self, reading: Readable, delivery: Delivery) -> tuple[Sequence[str], str | None]:
        if isinstance(self.signature, SignatureHeader):
            value = self.signature.value(delivery.headers)
            if not value:
                raise MissingSignature(f"no {self.signature.name} header", header=self.signature.name)
            signatures, stamp = self._layout.parse_header(value)
        else:
            value = self.signature.find(reading)
            if not value:
                raise MissingSignature(f"no signature at {in_words(self.signature)}")
            try:
                signatures, stamp = self._layout.parse_header(value)
            except MalformedHeader:
                # The layout reads it like a header, but it is in the body.
                raise MalformedSignature(
                    f"the signature at {in_words(self.signature)} holds a control character, or lists too many signatures"
                ) from None
        if not all(signature.isascii() for signature in signatures):
            raise MalformedSignature("the signature holds characters that are not ASCII")
        return signatures, stamp

    def _message(self, reading: Readable, stamp: str | None, timestamp: float | None = None) -> tuple[bytes, float | None]:
        """The signed bytes, and the timestamp among them."""
        pieces: list[str] = []
        for position, piece in enumerate(self.signed):
            if isinstance(piece, str):
                pieces.append(piece)
                continue
            following = self.signed[position + 1] if position + 1 < len(self.signed) else ""
            border = following if isinstance(following, str) else ""
            if isinstance(piece, IfPresent):
                place, before, behind = piece.place, piece.before, piece.behind
                value = _text_at(place, reading)
                if not value:
                    continue
                border = behind or border
                pieces += [before, value, behind]
            else:
                place = piece  # type: ignore[assignment]  # only compared and named
                value = stamp if isinstance(piece, InSignature) else _text_at(piece, reading)
                if not value:
                    raise (MissingTimestamp if place == self.timestamp else MissingSignature)(
                        f"the signed value at {in_words(place)} is missing"
                    )
                pieces.append(value)
            if self.borders and border and border in value:
                raise MalformedSignature(f"the value at {in_words(place)} holds {border!r}, the text that ends it")
            if place == self.timestamp:
                timestamp = read_timestamp(value, self.timestamp_unit)
        return "".join(pieces).encode("utf-8", "surrogatepass"), timestamp

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign the fields in the draft's body, query and headers, and write the signature to its place.

        A missing timestamp in the body is added. The caller writes the other fields.
        """
        if len(keys) != 1:
            raise ConfigurationError("the delivery carries one signature: sign with one secret")
        writing = draft.writing()
        if self.each is not None:
            self._sign_each(writing, keys[0])
            return writing.delivery()
        stamp = write_timestamp(draft.timestamp, self.timestamp_unit)
        place = self.timestamp
        if (
            place is not None
            and not isinstance(place, InSignature)
            and (place.header or place.find(Reading(writing.delivery(), self.json_field)) is None)
        ):
            place.put(writing, stamp)
        message, _ = self._message(Reading(writing.delivery(), self.json_field), stamp)
        signature = self._layout.prefix + self._layout.encode(keys[0].prepared.digest(message))
        if isinstance(self.signature, SignatureHeader):
            writing.put_header(self.signature.name, self._layout.write_header([signature], stamp, [keys[0].name]))
        else:
            self.signature.put(writing, signature)
        return writing.delivery()

    def _sign_each(self, writing: Writing, key: Key) -> None:
        target = self.signature
        if not isinstance(target, InBody):
            raise ConfigurationError("members are signed in JSON: give signature=InBody(…)")
        for position, member in enumerate(self._readings(writing.delivery())):
            message, _ = self._message(member, None)
            signature = self._layout.prefix + self._layout.encode(key.prepared.digest(message))
            writing.put_json(join(self.each or "", position, self.wrapped, target.path), signature)

    def __repr__(self) -> str:
        return f"FieldsScheme({self.signature!r}, signed={self.signed!r}, digest={self.digest!r})"


class _Member:
    """One member of a list, for places to read."""

    __slots__ = ("_member", "form", "headers", "url")

    def __init__(self, member: Any, reading: Reading) -> None:
        if not isinstance(member, dict):
            raise MalformedBody("a member that should be signed is not a JSON object")
        self._member = member
        self.headers = reading.headers
        self.url = reading.url
        self.form: dict[str, str] = {}

    def document(self) -> Any:
        return self._member

    def xml(self) -> Element:
        raise MalformedBody("a member of a JSON body is not XML")


def _text_at(place: Place, reading: Readable) -> str | None:
    """Return the text at a place, or None if the place is empty.

    Raises MalformedSignature for any other value: it would be signed as if it were missing, so anyone could have added it.
    """
    value = place.value(reading)
    if value is None or value == "":
        return None
    text = text_of(value)
    if text is None:
        raise MalformedSignature(f"the value at {in_words(place)} is not text, and would be signed as if it were missing")
    return text


def _touches(signed: Sequence[Piece], timestamp: Place | InSignature | None) -> bool:
    """Whether no text is between the timestamp and the value before or behind it."""
    for left, right in itertools.pairwise(signed):
        ends = left.behind if isinstance(left, IfPresent) else left if isinstance(left, str) else ""
        begins = right.before if isinstance(right, IfPresent) else right if isinstance(right, str) else ""
        if not ends and not begins and timestamp in (_place(left), _place(right)):
            return True
    return False


def _place(piece: Piece) -> Place | InSignature | str:
    return piece.place if isinstance(piece, IfPresent) else piece
