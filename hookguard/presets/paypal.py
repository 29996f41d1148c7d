"""PayPal's REST webhooks: RSA over ids, time and a checksum of the body, with a certificate that PayPal serves."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from hookguard.delivery import Delivery
from hookguard.errors import (
    ConfigurationError,
    MalformedSignature,
    MissingSignature,
    MissingTimestamp,
    SignatureMismatch,
    UntrustedKeySource,
)
from hookguard.facts import DAY, Facts, Source
from hookguard.keys import Wanted, trusted_url
from hookguard.place import FirstOf, InBody, InHeader
from hookguard.preset import Preset
from hookguard.record import Record
from hookguard.schemes.base import Draft, FetchingScheme, Key, Verified
from hookguard.schemes.certificates import check_dates, read_certificates
from hookguard.schemes.layout import Layout
from hookguard.schemes.public_key import PublicKey, need_cryptography, read_pinned_key, read_public_key
from hookguard.schemes.timestamp import read_timestamp
from hookguard.secret import Secret

__all__ = ["PAYPAL", "PayPalKey", "PayPalScheme"]

_DOCS = Source("https://developer.paypal.com/api/rest/webhooks/", "2026-11-25")
_RULES = "https://developer.paypal.com/api/rest/webhooks/rest/"

_ID, _TIME = "Paypal-Transmission-Id", "Paypal-Transmission-Time"
_SIGNATURE, _URL, _ALGORITHM = "Paypal-Transmission-Sig", "Paypal-Cert-Url", "Paypal-Auth-Algo"
_HOSTS = frozenset({"api.paypal.com", "api.sandbox.paypal.com"})
_PATH = re.compile(r"/v1/notifications/certs/CERT-[A-Za-z0-9-]{1,128}", re.ASCII)
_BASE64 = Layout("{base64}")


@dataclass(frozen=True, slots=True, repr=False)
class PayPalKey(Record):
    """The webhook's id, and a private key in tests."""

    webhook_id: str
    private: PublicKey | None


class PayPalScheme(FetchingScheme):
    """RSA with SHA-256 over transmission id, time, webhook id and the CRC-32 of the body.

    The certificate is trusted because it comes over HTTPS from PayPal's own host. It must be issued to PayPal and be valid now.
    A CRC-32 is not a cryptographic hash: anyone who has seen one delivery can make another body with the same checksum. So the
    body does not count as covered, and a guard accepts each signed transmission id with one body only. ``private_key`` is for
    tests.
    """

    __slots__ = ()

    where = f"header `{_SIGNATURE}`"
    what = "RSA (SHA-256) of ids, time and the CRC-32 of the body"

    secret_fields = ("webhook_id",)
    optional_fields = ("private_key",)
    covers = frozenset({_ID.lower(), _TIME.lower()})
    signs_timestamp = True
    required_header = _SIGNATURE.lower()

    def prepare(self, secret: Secret) -> PayPalKey:
        """Return the webhook's id; ConfigurationError if it is not valid or ``cryptography`` is missing."""
        need_cryptography()
        webhook_id = secret.field("webhook_id")
        if "|" in webhook_id or len(webhook_id) < 8:
            raise ConfigurationError("webhook_id is not valid: copy the webhook's id from PayPal's dashboard")
        private = read_public_key(secret.value("private_key"), "rsa-sha256") if secret.has("private_key") else None
        return PayPalKey(webhook_id, private)

    def wants(self, delivery: Delivery, keys: Sequence[Key]) -> Wanted:
        """Return the certificate that the delivery names, if its address is PayPal's."""
        self._signature(delivery)
        url = trusted_url(delivery.headers.one(_URL.lower()) or "", _HOSTS, path=_PATH)
        return Wanted(url, url, lambda document, now: {url: _certified(document, now)})

    def verify(self, delivery: Delivery, keys: Sequence[Key], found: Any = None) -> Verified:
        """Check the signature with the certificate's key, for every webhook id."""
        signature = self._signature(delivery)
        trusted_url(delivery.headers.one(_URL.lower()) or "", _HOSTS, path=_PATH)
        if not isinstance(found, PublicKey):
            raise UntrustedKeySource("the certificate's key was not found")
        transmission = delivery.headers.one(_ID.lower()) or ""
        stamp = delivery.headers.whole(_TIME.lower())
        if not stamp:
            raise MissingTimestamp(f"no {_TIME} header", header=_TIME)
        timestamp = read_timestamp(stamp, "rfc3339")
        if not transmission or "|" in transmission:
            raise MalformedSignature(f"the {_ID} header is missing, empty or holds a '|', the character that ends it")
        for key in keys:
            if found.verify(signature, _message(transmission, stamp, key.prepared.webhook_id, delivery.body)):
                return key.name, timestamp
        raise SignatureMismatch(
            f"signature does not match (webhook ids tried: {len(keys)}). Check the webhook's id: live and sandbox have"
            " different ids, and simulated events cannot be verified.",
            secrets=len(keys),
            candidates=1,
        )

    def check_key_name(self, name: str) -> None:
        """Check that the name is the address of a certificate of the provider."""
        trusted_url(name, _HOSTS, path=_PATH)

    def read_pinned_key(self, text: str | bytes) -> PublicKey:
        """Read PEM: a certificate or a public key."""
        return PublicKey(read_pinned_key(text), "rsa-sha256")

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign with the private key of a secret; the draft's id is the transmission id."""
        if len(keys) != 1 or keys[0].prepared.private is None:
            raise ConfigurationError("only PayPal signs its webhooks: in tests give one secret with a private_key")
        key: PayPalKey = keys[0].prepared
        stamp = datetime.fromtimestamp(int(draft.timestamp), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        headers = {
            _URL: "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-test",
            **draft.headers,
            _ALGORITHM: "SHA256withRSA",
            _ID: draft.id,
            _TIME: stamp,
        }
        message = _message(draft.id, stamp, key.webhook_id, draft.body)
        headers[_SIGNATURE] = base64.b64encode(key.private.sign(message)).decode() if key.private else ""
        return Delivery(draft.body, headers, draft.method, draft.url)

    def _signature(self, delivery: Delivery) -> bytes:
        written = delivery.headers.one(_SIGNATURE.lower())
        if not written:
            raise MissingSignature(f"no {_SIGNATURE} header", header=_SIGNATURE)
        if delivery.headers.one(_ALGORITHM.lower()) != "SHA256withRSA":
            raise MalformedSignature(f"the {_ALGORITHM} header does not say SHA256withRSA")
        signature = _BASE64.decode(written)
        if signature is None:
            raise MalformedSignature(f"the {_SIGNATURE} header is not base64")
        return signature

    def __repr__(self) -> str:
        return "PayPalScheme()"


def _message(transmission: str, stamp: str, webhook_id: str, body: bytes) -> bytes:
    return f"{transmission}|{stamp}|{webhook_id}|{zlib.crc32(body)}".encode("utf-8", "surrogatepass")


def _certified(document: bytes, now: float) -> PublicKey:
    """Return the key of the first certificate, if it is PayPal's and valid now; ValueError otherwise."""
    from cryptography.x509 import NameOID  # noqa: PLC0415 - an extra

    certificate = read_certificates(document)[0]
    names = [name.value for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if not any(isinstance(name, str) and name.endswith(".paypal.com") for name in names):
        raise UntrustedKeySource("the certificate is not issued to PayPal")
    check_dates(certificate, now)
    return PublicKey(certificate.public_key(), "rsa-sha256")


PAYPAL = Preset(
    name="paypal",
    title="PayPal",
    stand_ins=(("webhook_id", "WEBHOOK_ID"),),
    scheme=PayPalScheme(),
    # PayPal may send an event again with another transmission id; the event's id stays the same. A checksum alone covers the
    # event's id, so each transmission id is accepted with one body only.
    event_id=FirstOf(InBody("id"), InHeader(_ID)),
    nonce=InHeader(_ID),
    event_type=InBody("event_type"),
    facts=Facts(
        schedule=_DOCS.says("up to 25 times over three days"),
        horizon=_DOCS.says(3 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.says("2xx succeeds; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs=_RULES,
    note=(
        "The secret is the webhook's id from the dashboard; live and sandbox have different ids. The simulator's events"
        " cannot be verified. Only a CRC-32 covers the body, so a transmission id that comes with a second body is rejected."
        " If much depends on an event, query the event or the payment at PayPal."
    ),
)
