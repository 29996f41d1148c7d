"""Lark and Feishu: events that are signed and encrypted, and those that carry a token alone."""

from __future__ import annotations

from collections.abc import Sequence
from hmac import compare_digest

from hookguard.challenge import TOKEN, Answer, Challenge, Echo
from hookguard.delivery import Delivery
from hookguard.documents import read_json
from hookguard.envelope import HashedKeyAes
from hookguard.errors import MalformedBody, MalformedDelivery, SignatureMismatch
from hookguard.place import FirstOf, InBody, InHeader
from hookguard.preset import Preset
from hookguard.profile import HOUR, MINUTE, Profile, Source
from hookguard.reply import Reply
from hookguard.schemes.base import Key
from hookguard.schemes.hash import HashScheme
from hookguard.schemes.hmac import SignatureHeader
from hookguard.schemes.token import TokenScheme

__all__ = ["LARK", "LARK_TOKEN", "LarkScheme", "UrlVerification"]

_DOCS = Source("https://open.feishu.cn/document/server-docs/event-subscription-guide/overview", "2026-11-24")
_SDK = Source("https://github.com/larksuite/oapi-sdk-python", "2026-11-24")
_HEALTH = Source(
    "https://open.feishu.cn/document/event-subscription-guide/event-subscriptions/event-callback-optimization-guide", "2026-11-25"
)

_ENVELOPE = HashedKeyAes()
#: Handshakes are small.
LARGEST = 4096


class LarkScheme(HashScheme):
    """SHA-256 of time, nonce, encrypt key and body, with the encrypt key that opens the body too."""

    __slots__ = ()

    secret_fields = ("encrypt_key",)
    optional_fields = ("verification_token",)

    def __init__(self) -> None:
        super().__init__(
            signature=SignatureHeader("X-Lark-Signature", "{hex}"),
            timestamp=InHeader("X-Lark-Request-Timestamp"),
            signed="{timestamp}{header:X-Lark-Request-Nonce}{secret}{body}",
        )


class UrlVerification(Challenge):
    """The first delivery, encrypted and not signed: its token is sent back, decrypted.

    What cannot be decrypted, or is anything else, is no handshake: the signature decides, so that the answer tells nobody why.
    """

    __slots__ = ()

    comes_unsigned = True
    needs_keys = True

    def unsigned(self, delivery: Delivery, keys: Sequence[Key]) -> Answer:
        """Decrypt and answer it."""
        if delivery.method != "POST" or len(delivery.body) > LARGEST:
            return None
        for key in keys:
            try:
                document = read_json(_ENVELOPE.open(delivery, key))
            except MalformedBody:
                continue
            if isinstance(document, dict) and document.get("type") == "url_verification":
                return _answer(document, key)
        return None


def _answer(document: dict[str, object], key: Key) -> Reply:
    came = str(document.get("token")).encode("utf-8", "surrogatepass")
    if key.secret.has("verification_token") and not compare_digest(came, key.secret.field("verification_token").encode()):
        raise SignatureMismatch("the handshake's token is not this endpoint's verification_token")
    token = document.get("challenge")
    if not isinstance(token, str) or not TOKEN.fullmatch(token):
        raise MalformedDelivery("the handshake's challenge is no token")
    return Reply.json(200, {"challenge": token})


_PROFILE = Profile(
    # Others report after 15 seconds, 5 minutes, 1 hour and 6 hours.
    schedule=_HEALTH.says("up to four times"),
    horizon=_DOCS.silent(7 * HOUR + 6 * MINUTE),
    resigned=_DOCS.silent(None),
    stable_body=_DOCS.silent(None),
    timeout=_HEALTH.says(3.0),
    statuses=_HEALTH.says("200 succeeds; anything else is tried again"),
    networks=_DOCS.silent(None),
)

LARK = Preset(
    name="lark",
    title="Lark / Feishu",
    scheme=LarkScheme(),
    envelope=_ENVELOPE,
    event_id=FirstOf(InBody("header.event_id"), InBody("uuid")),
    event_type=FirstOf(InBody("header.event_type"), InBody("event.type")),
    challenge=UrlVerification(),
    profile=_PROFILE,
    proof=("sdk",),
    docs=_DOCS.address,
    note=(
        "The secret is the encrypt key, and better Secret.of(encrypt_key=…, verification_token=…). The event reads what was"
        " decrypted. Without an encrypt key Lark signs nothing (preset lark-token)."
    ),
)

LARK_TOKEN = Preset(
    name="lark-token",
    title="Lark / Feishu (token)",
    scheme=TokenScheme(token=InBody("header.token")),
    event_id=InBody("header.event_id"),
    event_type=InBody("header.event_type"),
    # Nothing is signed, so whoever has the token can send anything; the id is the event's own.
    identity="id",
    challenge=Echo(
        InBody("challenge"),
        when={InBody("type"): "url_verification"},
        comes_unsigned=True,
        proof=(InBody("token"), "secret"),
        as_field="challenge",
    ),
    profile=_PROFILE,
    docs=_DOCS.address,
    note=(
        "The verification token is sent in clear, in the body, and signs nothing: set an encrypt key (preset lark). Events of"
        " schema 1.0 are not read."
    ),
)
