"""HMAC over named fields of the body, the query or the headers, where a provider does not sign the bytes.

What the signature does not name is not protected: a verified delivery of these says that the named fields are genuine, and
nothing about the rest of the body. Fetch the rest from the provider's API where it matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any, Union
from xml.etree.ElementTree import Element

from hookguard.delivery import Delivery
from hookguard.documents import Reading, put_form, put_json
from hookguard.errors import (
    ConfigurationError,
    MalformedBody,
    MalformedHeader,
    MalformedSignature,
    MissingSignature,
    MissingTimestamp,
    SignatureMismatch,
)
from hookguard.layout import Layout
from hookguard.place import FirstOf, InBody, InForm, InHeader, Place, Readable, exact_part, in_words, need_place
from hookguard.schemes.base import Draft, Key, Scheme, Verified
from hookguard.schemes.hmac import DIGESTS, HmacKey
from hookguard.schemes.template import SignatureHeader
from hookguard.secret import Secret, SecretFormat, need_format
from hookguard.timestamp import TimestampUnit, need_unit, read_timestamp, write_timestamp

__all__ = ["FieldsScheme", "IfPresent", "InSignature"]

#: Members of one delivery that may be signed each by itself.
MAX_MEMBERS = 1000


@dataclass(frozen=True, slots=True)
class IfPresent:
    """A field that may be missing: then it, and the text before and behind it, are left out of what is signed."""

    place: Place
    before: str = ""
    behind: str = ""


@dataclass(frozen=True, slots=True)
class InSignature:
    """The timestamp among what is signed, where the signature header carries it."""

    def __str__(self) -> str:
        return "the timestamp"


#: A piece of what is signed: literal text, the value found at a place, or one that may be missing.
Piece = Union[str, Place, IfPresent, InSignature]


class FieldsScheme(Scheme):
    """HMAC of ``signed``, a sequence of literal texts and places, whose values are taken as text one after the other.

    ``signature`` is where the signature is: a :class:`SignatureHeader`, or a place in the body with ``layout`` saying how it
    is written there. A place that holds nothing refuses the delivery; :class:`IfPresent` leaves a pair out, and an
    ``IfPresent`` without texts around it is empty. ``timestamp`` is one of the signed places (or ``InSignature()``, where the
    signature header carries it). A signed value that holds the literal text behind it is refused, because the border between
    two values could be moved by it, unless ``borders=False`` says that the provider lets its values hold it. ``each`` is the
    dotted path to a list whose members are signed each by itself: all of them must match; ``wrapped`` is the key each member
    is wrapped in. ``json_field`` is the form field that holds the JSON. ConfigurationError when the parts do not fit.
    """

    __slots__ = (
        "_layout",
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
        places = [piece.place if isinstance(piece, IfPresent) else piece for piece in self.signed if not isinstance(piece, str)]
        if not isinstance(signature, SignatureHeader):
            need_place(signature, "signature", SignatureHeader, InBody, InForm, FirstOf)
        for place in places:
            if not isinstance(place, InSignature):
                need_place(place, "what is signed")
        if timestamp is not None and timestamp not in places:
            raise ConfigurationError(
                f"timestamp is {in_words(timestamp)}, which is not among what is signed, so it proves nothing"
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
        self.borders = borders
        self.each = each
        self.wrapped = wrapped
        self.json_field = json_field
        self.signs_timestamp = timestamp is not None
        self.required_header = signature.lower if isinstance(signature, SignatureHeader) else None
        # Of the body only the named fields are covered, which is not the body; of a list's members each one's own. What the
        # first of several places holds is signed, but none of them is whenever it is there, so they have one name together.
        within = "" if each is None else f"{each}[*].{wrapped}{'.' if wrapped else ''}"
        self.covers = frozenset(part for place in places if (part := exact_part(place, within)) is not None)

    @property
    def where(self) -> str:
        """The header or the place."""
        return f"`{self.signature.name}`" if isinstance(self.signature, SignatureHeader) else in_words(self.signature)

    @property
    def what(self) -> str:
        """The hash and the fields."""
        fields = [
            in_words(piece.place if isinstance(piece, IfPresent) else piece)
            for piece in self.signed
            if not isinstance(piece, str)
        ]
        which = " of every member" if self.each is not None else ""
        return f"HMAC-{self.digest.upper().replace('SHA', 'SHA-')} of {', '.join(fields)}{which}"

    def prepare(self, secret: Secret) -> HmacKey:
        """Hash the key's two blocks once."""
        return HmacKey(secret.key(self.secret_format, self.secret_fields[0]), self.digest)

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Check the fields' signature; where the members are signed each by itself, all of them."""
        matched: Verified | None = None
        for reading in self._readings(delivery):
            found = self._check(reading, delivery, keys)
            matched = matched or found
        if matched is None:  # pragma: no cover - there is always one reading
            raise MissingSignature("nothing that could be signed")
        return matched

    def _readings(self, delivery: Delivery) -> list[Readable]:
        reading = Reading(delivery, self.json_field)
        if self.each is None:
            return [reading]
        members = reading.document()
        for step in self.each.split(".") if self.each else ():
            members = members.get(step) if isinstance(members, dict) else None
        if not isinstance(members, list) or not members:
            raise MissingSignature(f"the body holds no list {self.each!r} of signed members")
        if len(members) > MAX_MEMBERS:
            raise MalformedSignature(f"the body lists {len(members)} members; {MAX_MEMBERS} are checked at most")
        if self.wrapped:
            members = [member.get(self.wrapped) if isinstance(member, dict) else None for member in members]
        return [_Member(member, reading) for member in members]

    def _check(self, reading: Readable, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        signatures, stamp = self._carried(reading, delivery)
        message, timestamp = self._message(reading, stamp)
        for key in keys:
            expected = self._layout.prefix + self._layout.encode(key.prepared.digest(message))
            for signature in signatures:
                if compare_digest(expected, signature):
                    return key.name, timestamp
        raise SignatureMismatch(f"none of {len(keys)} secrets makes the {self.what}: is it this endpoint's?")

    def _carried(self, reading: Readable, delivery: Delivery) -> tuple[Sequence[str], str | None]:
        if isinstance(self.signature, SignatureHeader):
            value = self.signature.value(delivery.headers)
            if not value:
                raise MissingSignature(f"no {self.signature.name} header")
            signatures, stamp = self._layout.read(value)
        else:
            value = self.signature.find(reading)
            if not value:
                raise MissingSignature(f"no signature at {in_words(self.signature)}")
            try:
                signatures, stamp = self._layout.read(value)
            except MalformedHeader:
                # It is read as a header is, and is none.
                raise MalformedSignature(
                    f"what is at {in_words(self.signature)} holds a control character, or more signatures than are tried"
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
                value = place.find(reading)
                if not value:
                    continue
                border = behind or border
                pieces += [before, value, behind]
            else:
                place = piece  # type: ignore[assignment]  # only compared and named
                value = stamp if isinstance(piece, InSignature) else piece.find(reading)
                if not value:
                    raise (MissingTimestamp if place == self.timestamp else MissingSignature)(
                        f"nothing at {in_words(place)}, which is signed"
                    )
                pieces.append(value)
            if self.borders and border and border in value:
                raise MalformedSignature(f"what is at {in_words(place)} holds {border!r}, which ends it")
            if place == self.timestamp:
                timestamp = read_timestamp(value, self.timestamp_unit)
        return "".join(pieces).encode("utf-8", "surrogatepass"), timestamp

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign the fields the draft's body, query and headers hold, and put the signature where it belongs.

        A timestamp in the body is written there when it is missing; the other fields are the caller's to write.
        """
        if len(keys) != 1:
            raise ConfigurationError("one signature goes with the fields: sign with one secret")
        stamp = write_timestamp(draft.timestamp, self.timestamp_unit)
        delivery = Delivery(draft.body, draft.headers, draft.method, draft.url)
        if self.each is not None:
            return self._sign_each(delivery, keys[0])
        place = _first(self.timestamp)
        if isinstance(place, InHeader):
            delivery = Delivery(draft.body, {**draft.headers, place.name: stamp}, draft.method, draft.url)
        elif isinstance(place, (InBody, InForm)) and place.find(Reading(delivery, self.json_field)) is None:
            delivery = delivery._replace(body=_put(delivery.body, place, stamp))
        message, _ = self._message(Reading(delivery, self.json_field), stamp)
        signature = self._layout.prefix + self._layout.encode(keys[0].prepared.digest(message))
        if isinstance(self.signature, SignatureHeader):
            headers = dict(delivery.headers.items())
            headers[self.signature.name] = self._layout.write([signature], stamp, [keys[0].name])
            return Delivery(delivery.body, headers, draft.method, draft.url)
        return delivery._replace(body=_put(delivery.body, _first(self.signature), signature))

    def _sign_each(self, delivery: Delivery, key: Key) -> Delivery:
        body = delivery.body
        target = self.signature
        if not isinstance(target, InBody):
            raise ConfigurationError("members are signed in JSON: give signature=InBody(…)")
        for position, member in enumerate(self._readings(delivery)):
            message, _ = self._message(member, None)
            signature = self._layout.prefix + self._layout.encode(key.prepared.digest(message))
            path = [self.each or "", str(position), self.wrapped, target.path]
            body = put_json(body, ".".join(step for step in path if step), signature)
        return delivery._replace(body=body)

    def __repr__(self) -> str:
        return f"FieldsScheme({self.signature!r}, signed={self.signed!r}, digest={self.digest!r})"


class _Member:
    """One member of a list, as places look into it."""

    __slots__ = ("_member", "form", "headers", "url")

    def __init__(self, member: Any, reading: Reading) -> None:
        if not isinstance(member, dict):
            raise MalformedBody("a member that should be signed is no JSON object")
        self._member = member
        self.headers = reading.headers
        self.url = reading.url
        self.form: dict[str, str] = {}

    def document(self) -> Any:
        return self._member

    def xml(self) -> Element:
        raise MalformedBody("a member of a JSON body is no XML")


def _first(place: Any) -> Any:
    return place.places[0] if isinstance(place, FirstOf) else place


def _put(body: bytes, place: Any, value: str) -> bytes:
    if isinstance(place, InForm):
        return put_form(body, place.field, value)
    if isinstance(place, InBody):
        return put_json(body, place.path, value)
    raise ConfigurationError(
        f"a signature cannot be put at {in_words(place)}: sign with a scheme whose signature is in the body or a header"
    )
