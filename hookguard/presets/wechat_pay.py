"""WeChat Pay (API v3): an RSA signature over the body, and an encrypted resource in it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from hookguard.delivery import Delivery
from hookguard.envelope import SealedResource
from hookguard.errors import (
    ConfigurationError,
    MalformedSignature,
    MissingSignature,
    MissingTimestamp,
    SignatureMismatch,
    UnknownKey,
)
from hookguard.facts import HOUR, MINUTE, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.base import Draft, Key, Scheme, Verified
from hookguard.schemes.layout import Layout
from hookguard.schemes.public_key import PublicKey, read_public_key
from hookguard.schemes.timestamp import read_timestamp, write_timestamp
from hookguard.secret import Secret

__all__ = ["WECHAT_PAY", "WeChatPayScheme"]

_DOCS = Source("https://pay.weixin.qq.com/wiki/doc/apiv3/apis/chapter3_1_5.shtml", "2026-11-25")
_SIGNATURES = "https://pay.weixin.qq.com/wiki/doc/api_external/en/wechatpay/wechatpay3_3.shtml"

_SIGNATURE, _TIMESTAMP, _NONCE, _SERIAL = "Wechatpay-Signature", "Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Serial"
_TYPE = "wechatpay-signature-type"
_BASE64 = Layout("{base64}")


class WeChatPayScheme(Scheme):
    """RSA with SHA-256 over time, nonce and body, one line each. The delivery names the key by its serial number.

    ``public_keys`` maps a serial number to its platform certificate or public key (``PUB_KEY_ID_…``); ``api_v3_key``
    decrypts the notification's resource.
    """

    __slots__ = ()

    where = "header `Wechatpay-Signature`"
    what = "RSA with SHA-256 of time, nonce and body"

    secret_fields = ("public_keys", "api_v3_key")
    extras = ("crypto",)
    signs_privately = True
    covers = frozenset({"body", _TIMESTAMP.lower(), _NONCE.lower()})
    signs_timestamp = True
    required_header = _SIGNATURE.lower()

    def prepare(self, secret: Secret) -> Mapping[str, PublicKey]:
        """Read the public keys, by serial number; ConfigurationError names a key that is not valid."""
        public = {}
        for serial, text in secret.mapping("public_keys").items():
            try:
                public[serial] = read_public_key(text, "rsa-sha256")
            except ConfigurationError as error:
                raise ConfigurationError(f"public_keys[{serial!r}]: {error}") from None
        return public

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Check the signature with the named key of any secret."""
        headers = delivery.headers
        written = headers.one(self.required_header)
        if not written:
            raise MissingSignature(f"no {_SIGNATURE} header", header=_SIGNATURE)
        if headers.one(_TYPE) not in (None, "WECHATPAY2-SHA256-RSA2048"):
            raise MalformedSignature("the signature is of a type that is not WECHATPAY2-SHA256-RSA2048")
        # WeChat Pay sends test signatures that are not valid (WECHATPAY/SIGNTEST/…) and expects a rejection.
        signature = _BASE64.decode(written)
        if signature is None:
            raise MalformedSignature(f"the {_SIGNATURE} header is not base64")
        stamp = headers.whole(_TIMESTAMP.lower())
        if not stamp:
            raise MissingTimestamp(f"no {_TIMESTAMP} header", header=_TIMESTAMP)
        timestamp = read_timestamp(stamp)
        message = _message(stamp, headers.whole(_NONCE.lower()), delivery.body)
        serial = headers.one(_SERIAL.lower()) or ""
        known = [key for key in keys if serial in key.prepared]
        if not known:
            raise UnknownKey(
                f"no public key with serial number {serial[:64]!r} is configured: add the current one to public_keys",
                key_id=serial[:64],
            )
        for key in known:
            if key.prepared[serial].verify(signature, message):
                return key.name, timestamp
        raise SignatureMismatch(
            f"signature does not match the public key {serial[:64]!r}. Check that nothing changed the body on the way.",
            secrets=len(known),
            candidates=1,
            size=len(delivery.body),
        )

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign with the first private key among ``public_keys``; the draft's id is the nonce."""
        if len(keys) != 1:
            raise ConfigurationError("a delivery carries one signature: sign with one secret")
        serial, key = next(iter(keys[0].prepared.items()))
        stamp = write_timestamp(draft.timestamp)
        signature = key.sign(_message(stamp, draft.id, draft.body))
        headers = {
            **draft.headers,
            _TIMESTAMP: stamp,
            _NONCE: draft.id,
            _SERIAL: serial,
            _SIGNATURE: base64.b64encode(signature).decode(),
        }
        return Delivery(draft.body, headers, draft.method, draft.url)

    def __repr__(self) -> str:
        return "WeChatPayScheme()"


def _message(stamp: str, nonce: str | None, body: bytes) -> bytes:
    if not nonce or not nonce.isascii() or not nonce.isprintable():
        raise MalformedSignature(f"the {_NONCE} header is missing, empty or not printable ASCII")
    return b"%b\n%b\n%b\n" % (stamp.encode(), nonce.encode(), body)


WECHAT_PAY = Preset(
    name="wechat-pay",
    title="WeChat Pay (API v3)",
    scheme=WeChatPayScheme(),
    envelope=SealedResource("api_v3_key"),
    event_id=InBody("id"),
    event_type=InBody("event_type"),
    facts=Facts(
        schedule=_DOCS.says(
            "payments: after 15 s, 15 s, 30 s, 3 min, 10 min, 20 min, three times 30 min, 60 min, three times 3 h and twice 6 h"
        ),
        horizon=_DOCS.says(24 * HOUR + 4 * MINUTE),
        # The official packages reject deliveries older than five minutes, and retries continue for a day. So each retry should
        # have its own time, but no page states it: the tolerance covers the retries.
        resigned=_DOCS.silent(True),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(5.0),
        statuses=_DOCS.says("200 and 204 succeed; 4xx and 5xx are retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs=_SIGNATURES,
    note=(
        "Give Secret.of(public_keys={serial: PEM}, api_v3_key=…): platform certificates by serial number, or the WeChat Pay"
        " public key by its PUB_KEY_ID. The event's field resource holds the decrypted content. The notify URL must not have"
        " a query."
    ),
)
