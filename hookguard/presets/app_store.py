"""Apple's App Store Server Notifications (version 2): a token in the body, signed by a certificate that comes with it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hookguard.delivery import Delivery
from hookguard.documents import Reading, put_json, read_json, write_json
from hookguard.envelope import Envelope
from hookguard.errors import ConfigurationError, MalformedBody, MalformedSignature, MissingSignature, SignatureMismatch
from hookguard.layout import Layout
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.profile import DAY, HOUR, Profile, Source
from hookguard.schemes.base import Draft, Key, Scheme, Verified
from hookguard.schemes.jwt import Jws, JwsKey, need_jwt, read_jws
from hookguard.schemes.public_key import read_key
from hookguard.secret import Secret

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
#: What Apple marks its certificates with: signs receipts and notifications (leaf), issues such (intermediate).
_LEAF_MARK, _INTERMEDIATE_MARK = "1.2.840.113635.100.6.11.1", "1.2.840.113635.100.6.2.1"
#: Where a notification says whose it is.
_PARTS = ("data", "summary", "externalPurchaseToken", "appData")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}", re.ASCII)


class AppStoreKey(NamedTuple):
    """Whose notifications are wanted, which root is trusted, and what signs, in tests."""

    bundle_id: str
    app_apple_id: str
    environment: str
    root: str
    certificates: tuple[bytes, ...]
    private: JwsKey | None

    def __repr__(self) -> str:
        return f"AppStoreKey({self.bundle_id!r})"


class AppStoreScheme(Scheme):
    """ES256 (JWS) in ``signedPayload``, by a certificate two steps under Apple Root CA - G3, for one app.

    Nothing is shared, so anyone may have Apple sign notifications of an app of their own: ``bundle_id`` and ``environment``
    (``Production`` or ``Sandbox``) tell yours, and ``app_apple_id`` where it is given. The chain is judged at the time that was
    signed, and the verifier judges that time. ``root_fingerprint``, ``certificates`` (PEM, leaf first) and ``private_key``
    are for tests.
    """

    __slots__ = ()

    where = "body `signedPayload`"
    what = "ES256 (JWS) by a certificate of Apple's"

    secret_fields = ("bundle_id", "environment")
    optional_fields = ("app_apple_id", "root_fingerprint", "certificates", "private_key")
    covers = frozenset({"body"})
    extras = ("jwt",)
    signs_timestamp = True

    def prepare(self, secret: Secret) -> AppStoreKey:
        """Read what is wanted; ConfigurationError when something does not fit or a package is missing."""
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
        """Check the chain, the signature and whose notification it is."""
        token, payload = _read(_token(Reading(delivery).document()))
        moment = payload.get("signedDate")
        if isinstance(moment, bool) or not isinstance(moment, int) or not 0 < moment < 10**15:
            raise MalformedSignature("the payload's signedDate is not milliseconds since 1970")
        chain = _chain(token.header)
        timestamp = moment / 1000
        leaf = _judged(chain, {key.prepared.root for key in keys}, timestamp)
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
            raise ConfigurationError(
                "only Apple signs notifications: for tests give one secret with private_key and certificates"
            )
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
    """The payload of the token in ``signedPayload``; the scheme that signs it also wraps it."""

    __slots__ = ()

    def open(self, delivery: Delivery, key: Key) -> bytes:
        """Return the payload."""
        return read_jws(_token(Reading(delivery).document())).payload

    def seal(self, draft: Draft, key: Key) -> Draft:
        """Leave it to the scheme."""
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


def _judged(chain: Sequence[bytes], roots: set[str], moment: float) -> JwsKey:
    """Return the leaf's key, if the chain is what Apple makes and was valid at the moment."""
    from cryptography import x509  # noqa: PLC0415 - an extra

    # The root first: nothing of a stranger's chain is read.
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
    except Exception as error:  # what can be wrong with a certificate has many names there
        raise SignatureMismatch(f"the chain in the token does not hold ({type(error).__name__})") from None
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
    # In the sandbox Apple leaves the app's number out.
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
    # No page says whether a retry is signed anew; the last comes 157 hours after the first try.
    tolerance=7 * DAY,
    profile=Profile(
        schedule=_DOCS.says("five times: 1, 12, 24, 48 and 72 hours after the previous try; in the sandbox never"),
        horizon=_DOCS.says(157 * HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.says("200 to 206 succeed; anything else is tried again"),
        networks=_IPS.says(_IPS.address),
    ),
    proof=("sdk",),
    docs="https://developer.apple.com/documentation/appstoreservernotifications/receiving-app-store-server-notifications",
    note=(
        "Give Secret.of(bundle_id=…, environment='Production', app_apple_id=…): nothing is shared with Apple, and these tell"
        " your notifications from those of other apps. The event reads the payload; the transactions in it are tokens of"
        " their own, signed alike. Revoked certificates are not asked for."
    ),
)
