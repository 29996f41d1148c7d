"""Braintree: a form with an XML document in base64 and a signature."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hmac import compare_digest
from urllib.parse import urlencode

from hookguard.bodies import Reading
from hookguard.challenge import Computed
from hookguard.delivery import Delivery
from hookguard.envelope import Base64Envelope
from hookguard.errors import MalformedHeader, MalformedSignature, MissingSignature, SignatureMismatch
from hookguard.facts import DAY, Facts, Source
from hookguard.head.content_type import says_form
from hookguard.place import InForm, InQuery, InXml, Place, Readable
from hookguard.preset import Preset
from hookguard.record import Record
from hookguard.reply import Reply
from hookguard.schemes.base import Draft, Key, Scheme, Verified
from hookguard.schemes.hmac import HmacKey
from hookguard.schemes.layout import MAX_CANDIDATES
from hookguard.secret import Secret

__all__ = ["BRAINTREE", "BraintreeKey", "BraintreeScheme", "SignedPayload"]

_DOCS = Source("https://developer.paypal.com/braintree/docs/guides/webhooks/overview", "2026-11-24")
_PARSE = Source("https://developers.braintreepayments.com/guides/webhooks/parse/java", "2026-11-25")

_SIGNATURE = "bt_signature"
_PAYLOAD = "bt_payload"
_BASE64 = re.compile(r"[A-Za-z0-9+=/\n]+", re.ASCII)
_CHALLENGE = re.compile(r"[a-f0-9]{20,32}", re.ASCII)


@dataclass(frozen=True, slots=True, repr=False)
class BraintreeKey(Record):
    """The public key that names a signature, and the prepared private key."""

    public: str
    hmac: HmacKey

    def __repr__(self) -> str:
        return f"BraintreeKey({self.public!r})"


class BraintreeScheme(Scheme):
    """HMAC-SHA1 over the field ``bt_payload``, with the SHA-1 of the private key as its key, listed by public key.

    The field's value is signed, not the body's bytes: another spelling of the same form is the same event.
    """

    __slots__ = ()

    where = "form `bt_signature`"
    what = "HMAC-SHA-1 of the form's `bt_payload`"

    secret_fields = ("public_key", "private_key")
    covers = frozenset({"form:bt_payload"})

    def prepare(self, secret: Secret) -> BraintreeKey:
        """Hash the private key, as the provider's own packages do."""
        private = hashlib.sha1(secret.key("text", "private_key"), usedforsecurity=False).digest()
        return BraintreeKey(secret.field("public_key"), HmacKey(private, "sha1"))

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Check the signature under each key's public key."""
        form = Reading(delivery).form
        listed, payload = form.get(_SIGNATURE), form.get(_PAYLOAD)
        if not listed or not payload:
            raise MissingSignature(f"the form has no {_SIGNATURE} or no {_PAYLOAD}")
        # A signature from the answer to a challenge must never be valid for an event.
        if not _BASE64.fullmatch(payload) or not listed.isascii() or _CHALLENGE.fullmatch(payload.strip("\n")):
            raise MalformedSignature(f"{_PAYLOAD} or {_SIGNATURE} does not have Braintree's form")
        pairs = [pair.partition("|")[::2] for pair in listed.split("&")]
        if len(pairs) > MAX_CANDIDATES:
            raise MalformedHeader(
                f"{_SIGNATURE} lists {len(pairs)} signatures; at most {MAX_CANDIDATES} are tried",
                size=len(pairs),
                limit=MAX_CANDIDATES,
            )
        # The last line break is signed, but may be lost on the way.
        signed = [payload.encode(), payload.encode() + b"\n"]
        for key in keys:
            expected = [key.prepared.hmac.digest(text).hex() for text in signed]
            for public, signature in pairs:
                if public == key.prepared.public and any(compare_digest(each, signature) for each in expected):
                    return key.name, None
        raise SignatureMismatch(
            f"signature does not match (secrets tried: {len(keys)}). Check the endpoint's public and private key.",
            secrets=len(keys),
            candidates=len(pairs),
        )

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign a form's ``bt_payload``, or put any other body into one and sign it."""
        payload = base64.encodebytes(draft.body).decode()
        delivery = Delivery(draft.body, draft.headers)
        if says_form(delivery.headers):
            payload = Reading(delivery).form.get(_PAYLOAD, payload)
        listed = "&".join(f"{key.prepared.public}|{key.prepared.hmac.digest(payload.encode()).hex()}" for key in keys)
        headers = {name: value for name, value in draft.headers.items() if name.lower() != "content-type"}
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = urlencode([(_SIGNATURE, listed), (_PAYLOAD, payload)]).encode()
        return Delivery(body, headers, draft.method, draft.url)

    def __repr__(self) -> str:
        return "BraintreeScheme()"


class SignedPayload(Place):
    """The digest of the payload without its last line break, which may be lost. One event has one digest."""

    __slots__ = ()

    parts = frozenset({"form:bt_payload"})

    def find(self, event: Readable) -> str | None:
        """Return the digest, or None if the form has no payload."""
        payload = InForm(_PAYLOAD).find(event)
        return f"sha256:{hashlib.sha256(payload.rstrip(chr(10)).encode()).hexdigest()}" if payload else None

    def __str__(self) -> str:
        return "form `bt_payload`"

    def __repr__(self) -> str:
        return "SignedPayload()"


def _answer(challenge: str, key: Key) -> Reply:
    return Reply.text(200, f"{key.prepared.public}|{key.prepared.hmac.digest(challenge.encode()).hex()}")


BRAINTREE = Preset(
    name="braintree",
    title="Braintree",
    scheme=BraintreeScheme(),
    envelope=Base64Envelope(InForm(_PAYLOAD)),
    event_id=SignedPayload(),
    event_type=InXml("kind"),
    challenge=Computed(InQuery("bt_challenge"), answer=_answer, shape=_CHALLENGE, method="GET", comes_unsigned=True),
    facts=Facts(
        schedule=_PARSE.says("hourly for up to 24 hours, in the sandbox for three"),
        horizon=_PARSE.says(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        largest_body=_DOCS.silent(None),
        timeout=_PARSE.says(30.0),
        statuses=_PARSE.says("2xx succeeds; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector", "sdk"),
    docs="https://developer.paypal.com/braintree/docs/guides/webhooks/parse",
    note=(
        "Give Secret.of(public_key=…, private_key=…), the API's own keys. The event holds the XML inside: event.xml(). Other"
        " fields of the form are not signed, and event.form leaves them out."
    ),
)
