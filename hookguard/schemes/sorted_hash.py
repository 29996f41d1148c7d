"""A plain hash of the secret and three values, sorted by their text, in the URL's query: WeCom's and DingTalk's callbacks.

What is hashed is put together without anything between, so the hash alone would leave the borders open. The text that is
signed is encrypted as well, with a key and an owner that are checked when it is opened.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from hmac import compare_digest
from typing import NamedTuple
from urllib.parse import quote

from hookguard.delivery import Delivery
from hookguard.documents import Reading
from hookguard.errors import (
    ConfigurationError,
    MalformedDelivery,
    MalformedSignature,
    MissingSignature,
    MissingTimestamp,
    SignatureMismatch,
)
from hookguard.place import FirstOf, InBody, InQuery, InXml, exact_part, in_words
from hookguard.schemes.base import Draft, Key, Scheme, Verified
from hookguard.secret import Secret
from hookguard.timestamp import TimestampUnit, read_timestamp, write_timestamp

__all__ = ["SortedHashScheme", "sorted_hash"]

_HEX = re.compile(r"[0-9a-f]{40}", re.ASCII)
_NONCE = re.compile(r"[!-~]{1,128}", re.ASCII)

_TIMESTAMP, _NONCE_PLACE = InQuery("timestamp"), InQuery("nonce")


class _Carried(NamedTuple):
    signature: str
    stamp: str
    nonce: str


def sorted_hash(*values: str) -> str:
    """Return the SHA-1, in hex, of the values put together in the order of their text."""
    return hashlib.sha1("".join(sorted(values)).encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


class SortedHashScheme(Scheme):
    """SHA-1 of token, timestamp, nonce and the text at ``signed``, in the query parameter ``signature``.

    ``fields`` are what the secret holds besides the ``token``, for the envelope. The rest of the body is not signed and is not
    what the event says either: that is in the envelope.
    """

    __slots__ = ("covers", "secret_fields", "signature", "signed", "timestamp_unit")

    signs_timestamp = True

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
        self.covers = frozenset({"query:timestamp", "query:nonce", str(exact_part(signed))})

    @property
    def where(self) -> str:
        """The query parameter."""
        return in_words(self.signature)

    @property
    def what(self) -> str:
        """The hash, and what goes into it."""
        return f"SHA-1 of the token, the query's timestamp and nonce, and {in_words(self.signed)}, sorted"

    def prepare(self, secret: Secret) -> str:
        """Take the token."""
        # Short ones are usual, and the key of the envelope is not.
        return secret.field("token")

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Try every token."""
        text = self.signed.find(Reading(delivery))
        if not text:
            raise MissingSignature(f"nothing is at {in_words(self.signed)}, which is signed")
        return self.check(delivery, keys, text)

    def check(self, delivery: Delivery, keys: Sequence[Key], text: str) -> Verified:
        """Try every token against a text that came in the delivery."""
        carried = self._carried(delivery)
        timestamp = read_timestamp(carried.stamp, self.timestamp_unit)
        for key in keys:
            expected = sorted_hash(key.prepared, carried.stamp, carried.nonce, text)
            if compare_digest(expected, carried.signature):
                return key.name, timestamp
        raise SignatureMismatch(f"none of {len(keys)} tokens makes the signature in the URL: is it this endpoint's?")

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
            raise MalformedSignature("the query `nonce` is missing, or longer than any that is sent")
        return _Carried(signature, stamp, nonce)

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign a body that is in its envelope, and put the signature into the URL's query."""
        if len(keys) != 1:
            raise ConfigurationError("the URL carries one signature: sign with one secret")
        reading = Reading(Delivery(draft.body, draft.headers, draft.method, draft.url))
        try:
            text = self.signed.find(reading)
            stamp = _TIMESTAMP.find(reading) or write_timestamp(draft.timestamp, self.timestamp_unit)
            nonce = _NONCE_PLACE.find(reading) or secrets.token_hex(5)
        except MalformedDelivery as error:
            raise ConfigurationError(f"this cannot be signed: {error}") from None
        if not text:
            raise ConfigurationError(f"the body holds nothing at {in_words(self.signed)}: it must be in its envelope first")
        path, _, query = draft.url.partition("?")
        first = self.signature.places[0] if isinstance(self.signature, FirstOf) else self.signature
        name = first.parameter if isinstance(first, InQuery) else "signature"
        own = (name, "timestamp", "nonce")
        others = [pair for pair in query.split("&") if pair and pair.partition("=")[0] not in own]
        values = (sorted_hash(keys[0].prepared, stamp, nonce, text), stamp, nonce)
        pairs = [*others, *(f"{key}={quote(value, safe='')}" for key, value in zip(own, values, strict=True))]
        return Delivery(draft.body, draft.headers, draft.method, f"{path}?{'&'.join(pairs)}")

    def __repr__(self) -> str:
        return f"SortedHashScheme({self.signature!r}, signed={self.signed!r})"
