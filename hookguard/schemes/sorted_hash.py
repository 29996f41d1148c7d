"""A plain hash of the secret and three values, sorted as text, in the URL's query: WeCom's and DingTalk's callbacks.

The values are joined without a separator, so the hash alone does not protect the borders between them. The signed text is
also encrypted; its key and owner are checked when it is decrypted.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from hmac import compare_digest

from hookguard.bodies import Reading
from hookguard.delivery import Delivery
from hookguard.errors import (
    ConfigurationError,
    MalformedDelivery,
    MalformedSignature,
    MissingSignature,
    MissingTimestamp,
    SignatureMismatch,
)
from hookguard.place import FirstOf, InBody, InQuery, InXml
from hookguard.record import Record
from hookguard.schemes.base import Draft, Key, Scheme, Verified
from hookguard.schemes.timestamp import TimestampUnit, read_timestamp, write_timestamp
from hookguard.secret import Secret

__all__ = ["SortedHashScheme", "sorted_hash"]

_HEX = re.compile(r"[0-9a-f]{40}", re.ASCII)
_NONCE = re.compile(r"[!-~]{1,128}", re.ASCII)

_TIMESTAMP, _NONCE_PLACE = InQuery("timestamp"), InQuery("nonce")


@dataclass(frozen=True, slots=True, repr=False)
class _Carried(Record):
    signature: str
    stamp: str
    nonce: str


def sorted_hash(*values: str) -> str:
    """Return the SHA-1, in hex, of the sorted and joined values."""
    return hashlib.sha1("".join(sorted(values)).encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


class SortedHashScheme(Scheme):
    """SHA-1 of token, timestamp, nonce and the text at ``signed``, in the query parameter ``signature``.

    ``fields`` are the secret's fields for the envelope, in addition to ``token``. The rest of the body is not signed, and it is
    not part of the event: the event is in the envelope.
    """

    __slots__ = ("covers", "secret_fields", "signature", "signed", "timestamp_unit")

    signs_timestamp = True
    bare_timestamp = True

    def __init__(
        self,
        *,
        signature: InQuery | FirstOf,
        signed: InBody | InXml,
        fields: tuple[str, ...],
        timestamp_unit: TimestampUnit = "s",
    ) -> None:
        self.signature = signature
        self.signed = signed
        self.secret_fields = ("token", *fields)
        self.timestamp_unit: TimestampUnit = timestamp_unit
        self.covers = frozenset({"query:timestamp", "query:nonce", str(signed.exact_part())})

    @property
    def where(self) -> str:
        """The query parameter."""
        return str(self.signature)

    @property
    def what(self) -> str:
        """The hash and the signed content."""
        return f"SHA-1 of the token, the query's timestamp and nonce, and {self.signed}, sorted"

    def prepare(self, secret: Secret) -> str:
        """Return the token."""
        # Tokens may be short; the envelope's key may not.
        return secret.field("token")

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Try every token."""
        text = self.signed.find(Reading(delivery))
        if not text:
            raise MissingSignature(f"the signed value at {self.signed} is missing")
        return self.check(delivery, keys, text)

    def check(self, delivery: Delivery, keys: Sequence[Key], text: str) -> Verified:
        """Try every token against a text that came in the delivery."""
        carried = self._carried(delivery)
        timestamp = read_timestamp(carried.stamp, self.timestamp_unit)
        for key in keys:
            expected = sorted_hash(key.prepared, carried.stamp, carried.nonce, text)
            if compare_digest(expected, carried.signature):
                return key.name, timestamp
        raise SignatureMismatch(
            f"the signature in the URL does not match (tokens tried: {len(keys)}). Check that this is the endpoint's token.",
            secrets=len(keys),
        )

    def _carried(self, delivery: Delivery) -> _Carried:
        reading = Reading(delivery)
        signature = self.signature.find(reading)
        if not signature:
            raise MissingSignature(f"no {self.where}")
        if not _HEX.fullmatch(signature):
            raise MalformedSignature(f"the {self.where} is not 40 hex digits in lower case")
        stamp, nonce = _TIMESTAMP.find(reading), _NONCE_PLACE.find(reading)
        if not stamp:
            raise MissingTimestamp("no query `timestamp`")
        if not nonce or not _NONCE.fullmatch(nonce):
            raise MalformedSignature("the query `nonce` is missing, is longer than 128 characters, or is not printable ASCII")
        return _Carried(signature, stamp, nonce)

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign a body in its envelope, and write the signature into the URL's query."""
        if len(keys) != 1:
            raise ConfigurationError("the URL carries one signature: sign with one secret")
        reading = Reading(Delivery(draft.body, draft.headers, draft.method, draft.url))
        try:
            text = self.signed.find(reading)
            stamp = _TIMESTAMP.find(reading) or write_timestamp(draft.timestamp, self.timestamp_unit)
            nonce = _NONCE_PLACE.find(reading) or secrets.token_hex(5)
        except MalformedDelivery as error:
            raise ConfigurationError(f"the body cannot be signed: {error}") from None
        if not text:
            raise ConfigurationError(f"the body has no value at {self.signed}: seal it in its envelope first")
        writing = draft.writing()
        self.signature.put(writing, sorted_hash(keys[0].prepared, stamp, nonce, text))
        _TIMESTAMP.put(writing, stamp)
        _NONCE_PLACE.put(writing, nonce)
        return writing.delivery()

    def __repr__(self) -> str:
        return f"SortedHashScheme({self.signature!r}, signed={self.signed!r})"
