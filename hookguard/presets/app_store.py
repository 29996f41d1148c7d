"""Apple's App Store Server Notifications (version 2): a token in the body, with the certificates that sign it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hookguard.bodies import Reading, read_json
from hookguard.delivery import Delivery
from hookguard.envelope import Envelope
from hookguard.errors import ConfigurationError, MalformedBody, MalformedSignature, MissingSignature, SignatureMismatch
from hookguard.facts import HOUR, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.record import Record
from hookguard.schemes.base import Draft, Key, Scheme, Verified
from hookguard.schemes.jws import Jws, JwsKey, need_jwt, read_jws
from hookguard.schemes.layout import Layout
from hookguard.schemes.public_key import read_key
from hookguard.secret import Secret
from hookguard.writing import put_json, write_json

__all__ = ["APP_STORE", "AppStoreKey", "AppStoreScheme", "SignedPayload"]

_DOCS = Source(
    "https://developer.apple.com/documentation/appstoreservernotifications/responding-to-app-store-server-notifications",
    "2026-11-25",
)
_IPS = Source(
    "https://developer.apple.com/documentation/appstoreservernotifications/enabling-app-store-server-notifications", "2026-11-25"
)

_FIELD = "signedPayload"
_WHOLE = Layout("{base64}")
#: SHA-256 of Apple Root CA - G3, https://www.apple.com/certificateauthority/AppleRootCA-G3.cer
_APPLE_ROOT = "63343abfb89a6a03ebb57e9b3f5fa7be7c4f5c756f3017b3a8c488c3653e9179"
#: Apple's marks in its certificates: one signs receipts and notifications (leaf), one issues such (intermediate).
_LEAF_MARK, _INTERMEDIATE_MARK = "1.2.840.113635.100.6.11.1", "1.2.840.113635.100.6.2.1"
#: The places of the app's bundle id in a notification.
_PARTS = ("data", "summary", "externalPurchaseToken", "appData")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True, repr=False)
class AppStoreKey(Record):
    """The app whose notifications are accepted, the trusted root, and the signing keys in tests."""

    bundle_id: str
    app_apple_id: str
    environment: str
    root: str
    certificates: tuple[bytes, ...]
    private: JwsKey | None

    def __repr__(self) -> str:
        return f"AppStoreKey({self.bundle_id!r})"


class AppStoreScheme(Scheme):
    """ES256 (JWS) in ``signedPayload``, with a certificate two steps below Apple Root CA - G3, for one app.

    No secret is shared, and Apple signs notifications for every app. So ``bundle_id``, ``environment`` (``Production`` or
    ``Sandbox``) and, if given, ``app_apple_id`` must match. The chain is checked at the signed time, and the verifier checks that
    time. ``root_fingerprint``, ``certificates`` (PEM, leaf first) and ``private_key`` are for tests.
    """

    __slots__ = ()

    where = "body `signedPayload`"
    what = "ES256 (JWS) with Apple's certificate"

    secret_fields = ("bundle_id", "environment")
    naming_fields = ("bundle_id",)
    optional_fields = ("app_apple_id", "root_fingerprint", "certificates", "private_key")
    covers = frozenset({"body"})
    extras = ("jwt",)
    signs_timestamp = True

    def prepare(self, secret: Secret) -> AppStoreKey:
        """Read the secret's fields; ConfigurationError if one is not valid, or a package is missing."""
        need_jwt()
        given = {name: secret.field(name) if secret.has(name) else "" for name in self.optional_fields}
        environment = secret.field("environment")
        if environment not in ("Production", "Sandbox"):
            raise ConfigurationError(f"environment is {environment!r}; Apple's are 'Production' and 'Sandbox'")
        root = given["root_fingerprint"].replace(":", "").lower() or _APPLE_ROOT
        if not _FINGERPRINT.fullmatch(root):
            raise ConfigurationError("root_fingerprint must be the SHA-256 of a certificate, in hex")
        private = JwsKey(read_key(given["private_key"]), "ES256") if given["private_key"] else None
        return AppStoreKey(
            secret.field("bundle_id"), given["app_apple_id"], environment, root, _from_pem(given["certificates"]), private
        )

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Check the chain, the signature and the app."""
        token, payload = _read(_token(Reading(delivery).document()))
        moment = payload.get("signedDate")
        if isinstance(moment, bool) or not isinstance(moment, int) or not 0 < moment < 10**15:
            raise MalformedSignature("the payload's signedDate is not milliseconds since 1970")
        chain = _chain(token.header)
        timestamp = moment / 1000
        leaf = _leaf_of(chain, {key.prepared.root for key in keys}, timestamp)
        if not leaf.verify(token):
            raise SignatureMismatch("the certificate in the token did not sign it")
        root = hashlib.sha256(chain[2]).hexdigest()
        for key in keys:
            if key.prepared.root == root and _is_wanted(payload, key.prepared):
                return key.name, timestamp
        raise SignatureMismatch("Apple signed this for another app or environment than those configured")

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign the body as the payload, with ``private_key`` and ``certificates`` in place of Apple's."""
        key: AppStoreKey = keys[0].prepared
        if len(keys) != 1 or key.private is None or len(key.certificates) != 3:
            raise ConfigurationError("only Apple signs notifications: in tests give one secret with private_key and certificates")
        try:
            payload = read_json(draft.body)
        except MalformedBody as error:
            raise ConfigurationError(f"the body must be the payload, as JSON: {error}") from None
        if not isinstance(payload, dict):
            raise ConfigurationError("the body must be the payload, as a JSON object")
        if _FIELD in payload:
            _, payload = _read(_token(payload))
        payload["signedDate"] = int(draft.timestamp * 1000)
        if not any(isinstance(payload.get(part), dict) for part in _PARTS):
            payload["data"] = {"bundleId": key.bundle_id, "environment": key.environment}
        header = {"typ": None, "x5c": [base64.b64encode(der).decode() for der in key.certificates]}
        text = write_json(payload)
        token = key.private.sign(header, text)
        return Delivery(put_json(b"{}", _FIELD, token), draft.headers, draft.method, draft.url)

    def __repr__(self) -> str:
        return "AppStoreScheme()"


class SignedPayload(Envelope):
    """The payload of the token in ``signedPayload``. The scheme wraps it when it signs."""

    __slots__ = ()

    def open(self, delivery: Delivery, key: Key) -> bytes:
        """Return the payload."""
        return read_jws(_token(Reading(delivery).document())).payload

    def seal(self, draft: Draft, key: Key) -> Draft:
        """Return the draft unchanged: the scheme wraps it."""
        return draft

    def __repr__(self) -> str:
        return "SignedPayload()"


def _token(document: Any) -> str:
    token = document.get(_FIELD) if isinstance(document, dict) else None
    if not isinstance(token, str) or not token:
        raise MissingSignature(f"the body has no {_FIELD}: version 1 notifications are not signed")
    return token


def _read(text: str) -> tuple[Jws, dict[str, Any]]:
    token = read_jws(text)
    try:
        payload = read_json(token.payload)
    except MalformedBody:
        payload = None
    if not isinstance(payload, dict):
        raise MalformedSignature(f"the payload of {_FIELD} is not a JSON object")
    return token, payload


def _chain(header: Mapping[str, Any]) -> list[bytes]:
    listed = header.get("x5c")
    if not isinstance(listed, list) or len(listed) != 3:
        raise MalformedSignature("the token does not carry a chain of three certificates")
    chain = [_WHOLE.decode(each) if isinstance(each, str) and each.isascii() else None for each in listed]
    if None in chain:
        raise MalformedSignature("a certificate in the token is not base64")
    return [each for each in chain if each is not None]


def _leaf_of(chain: Sequence[bytes], roots: set[str], moment: float) -> JwsKey:
    """Return the leaf's key, if the chain is Apple's and was valid at that time."""
    from cryptography import x509  # noqa: PLC0415 - an extra

    # Check the root first, so that no other chain is read.
    if hashlib.sha256(chain[2]).hexdigest() not in roots:
        raise SignatureMismatch("the chain in the token does not end at Apple Root CA - G3")
    try:
        leaf, intermediate, root = (x509.load_der_x509_certificate(der) for der in chain)
        leaf.verify_directly_issued_by(intermediate)
        intermediate.verify_directly_issued_by(root)
        constraints = intermediate.extensions.get_extension_for_class(x509.BasicConstraints).value
        for certificate, mark in ((leaf, _LEAF_MARK), (intermediate, _INTERMEDIATE_MARK)):
            certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier(mark))
            if not certificate.not_valid_before_utc.timestamp() <= moment <= certificate.not_valid_after_utc.timestamp():
                raise SignatureMismatch("a certificate in the token was not valid when it was signed")
        key = JwsKey(leaf.public_key(), "ES256")
    except SignatureMismatch:
        raise
    except Exception as error:  # the package raises many kinds of errors
        raise SignatureMismatch(f"the chain in the token is not valid ({type(error).__name__})") from None
    if not constraints.ca:
        raise SignatureMismatch("the certificate in the middle of the chain may not issue others")
    return key


def _is_wanted(payload: Mapping[str, Any], key: AppStoreKey) -> bool:
    part = next((payload[name] for name in _PARTS if isinstance(payload.get(name), dict)), None)
    if part is None or part.get("bundleId") != key.bundle_id:
        return False
    if "externalPurchaseId" in part:
        environment = "Sandbox" if str(part["externalPurchaseId"]).startswith("SANDBOX") else "Production"
    else:
        environment = part.get("environment")
    # In the sandbox Apple omits the app's number.
    compared = key.app_apple_id if environment == "Production" else ""
    return environment == key.environment and (not compared or str(part.get("appAppleId")) == compared)


def _from_pem(pem: str) -> tuple[bytes, ...]:
    if not pem:
        return ()
    from cryptography import x509  # noqa: PLC0415 - an extra
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    try:
        return tuple(each.public_bytes(Encoding.DER) for each in x509.load_pem_x509_certificates(pem.encode()))
    except ValueError as error:
        raise ConfigurationError(f"certificates holds no PEM certificates ({type(error).__name__})") from None


APP_STORE = Preset(
    name="app-store",
    title="App Store Server Notifications (version 2)",
    scheme=AppStoreScheme(),
    envelope=SignedPayload(),
    event_id=InBody("notificationUUID"),
    event_type=InBody("notificationType"),
    facts=Facts(
        schedule=_DOCS.says("five times: 1, 12, 24, 48 and 72 hours after the previous try; in the sandbox never"),
        horizon=_DOCS.says(157 * HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.says("200 to 206 succeed; anything else is retried"),
        networks=_IPS.says(_IPS.address),
    ),
    proof=("sdk",),
    docs="https://developer.apple.com/documentation/appstoreservernotifications/receiving-app-store-server-notifications",
    note=(
        "Give Secret.of(bundle_id=…, environment='Production', app_apple_id=…): no secret is shared with Apple, and these"
        " fields distinguish your app's notifications from other apps'. The event holds the payload. The transactions in it are"
        " signed tokens too. Revocation of certificates is not checked."
    ),
)
