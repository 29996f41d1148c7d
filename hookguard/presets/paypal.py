"""PayPal's REST webhooks: RSA over ids, time and a checksum of the body, by a certificate at PayPal's."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple

from hookguard.certificates import check_dates, read_certificates
from hookguard.delivery import Delivery
from hookguard.errors import (
    ConfigurationError,
    MalformedSignature,
    MissingSignature,
    MissingTimestamp,
    SignatureMismatch,
    UntrustedKeySource,
)
from hookguard.keys import Wanted, trusted_url
from hookguard.layout import Layout
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.base import Draft, FetchingScheme, Key, Verified
from hookguard.schemes.public_key import PublicKey, need_cryptography, read_public_key
from hookguard.secret import Secret
from hookguard.timestamp import read_timestamp

__all__ = ["PAYPAL", "PayPalKey", "PayPalScheme"]

_DOCS = Source("https://developer.paypal.com/api/rest/webhooks/", "2026-11-25")
_RULES = "https://developer.paypal.com/api/rest/webhooks/rest/"

_ID, _TIME = "Paypal-Transmission-Id", "Paypal-Transmission-Time"
_SIGNATURE, _URL, _ALGORITHM = "Paypal-Transmission-Sig", "Paypal-Cert-Url", "Paypal-Auth-Algo"
_HOSTS = frozenset({"api.paypal.com", "api.sandbox.paypal.com"})
_PATH = re.compile(r"/v1/notifications/certs/CERT-[A-Za-z0-9-]{1,128}", re.ASCII)
_BASE64 = Layout("{base64}")


class PayPalKey(NamedTuple):
    """The webhook's id, and what signs in tests."""

    webhook_id: str
    private: PublicKey | None


class PayPalScheme(FetchingScheme):
    """RSA with SHA-256 over transmission id, time, webhook id and the CRC-32 of the body.

    The certificate comes over HTTPS from PayPal's own host, which is what vouches for it; it must be issued to PayPal and in
    its dates. A CRC-32 is no hash: who has seen one delivery can make another body with the same checksum. So the body is not
    counted as covered, and the transmission id, which is signed, is what tells deliveries apart. ``private_key`` is for tests.
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
        """Take the webhook's id; ConfigurationError when it is none or ``cryptography`` is not installed."""
        need_cryptography()
        webhook_id = secret.field("webhook_id")
        if "|" in webhook_id or len(webhook_id) < 8:
            raise ConfigurationError("webhook_id is not what PayPal's dashboard shows as the webhook's id")
        private = read_public_key(secret.value("private_key"), "rsa-sha256") if secret.has("private_key") else None
        return PayPalKey(webhook_id, private)

    def wants(self, delivery: Delivery, keys: Sequence[Key]) -> Wanted:
        """Ask for the certificate the delivery names, if it is one of PayPal's."""
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
            raise MissingTimestamp(f"no {_TIME} header")
        timestamp = read_timestamp(stamp, "rfc3339")
        if not transmission or "|" in transmission:
            raise MalformedSignature(f"the {_ID} header is missing, empty or holds a '|', which ends it")
        for key in keys:
            if found.verify(signature, _message(transmission, stamp, key.prepared.webhook_id, delivery.body)):
                return key.name, timestamp
        raise SignatureMismatch(
            f"the signature is for none of {len(keys)} webhook ids: live and sandbox have one each, simulated events have none"
        )

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign with the private key of a secret; the draft's id is the transmission id."""
        if len(keys) != 1 or keys[0].prepared.private is None:
            raise ConfigurationError("only PayPal signs its webhooks: for tests give one secret with a private_key")
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
            raise MissingSignature(f"no {_SIGNATURE} header")
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
    """Return the key of the first certificate, if it is PayPal's and valid now. ValueError when there is none."""
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
    scheme=PayPalScheme(),
    # The body's own id is covered by a checksum only, and a captured delivery could come back with another.
    event_id=InHeader(_ID),
    event_type=InBody("event_type"),
    # No page says whether a retry is signed anew, and one that is refused for its age would be lost.
    tolerance=4 * DAY,
    profile=Profile(
        schedule=_DOCS.says("up to 25 times over three days"),
        horizon=_DOCS.says(3 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.says("2xx succeeds; anything else is tried again"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs=_RULES,
    note=(
        "The secret is the webhook's id from the dashboard; live and sandbox have one each. The simulator's events do not verify."
        " The body is covered by a CRC-32 only: where much depends on it, ask PayPal for the event or the payment."
    ),
)
