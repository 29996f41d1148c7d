"""Lark and Feishu: events that are signed and encrypted, and events that carry only a token."""

from __future__ import annotations

from collections.abc import Sequence
from hmac import compare_digest

from hookguard.bodies import read_json
from hookguard.challenge import TOKEN, Answer, Challenge, Echo
from hookguard.delivery import Delivery
from hookguard.envelope import HashedKeyAes
from hookguard.errors import MalformedBody, MalformedDelivery, SignatureMismatch
from hookguard.facts import HOUR, MINUTE, Facts, Source
from hookguard.place import FirstOf, InBody, InHeader
from hookguard.preset import Preset
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
    """SHA-256 of time, nonce, encrypt key and body. The same encrypt key decrypts the body."""

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
    """The first delivery, which is encrypted but not signed. The answer is its decrypted challenge.

    A body that cannot be decrypted, or has other content, is not a handshake: then the signature decides. So the answer does
    not reveal why a body was rejected.
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
    # AES-CBC does not authenticate: an attacker who has seen a handshake could change its blocks, and our answers would decrypt
    # other texts. The token inside, which the attacker does not know, authenticates the handshake.
    if not key.secret.has("verification_token"):
        raise SignatureMismatch(
            "the secret has no verification_token to check a handshake with: give"
            " Secret.of(encrypt_key=…, verification_token=…), as the app's page shows them"
        )
    came = document.get("token")
    known = key.secret.field("verification_token").encode()
    if not isinstance(came, str) or not compare_digest(came.encode("utf-8", "surrogatepass"), known):
        raise SignatureMismatch("the handshake's token is not this endpoint's verification_token")
    token = document.get("challenge")
    if not isinstance(token, str) or not TOKEN.fullmatch(token):
        raise MalformedDelivery("the handshake's challenge does not have a token's form")
    return Reply.json(200, {"challenge": token})


_PROFILE = Facts(
    # Other sources report after 15 seconds, 5 minutes, 1 hour and 6 hours.
    schedule=_HEALTH.says("up to four times"),
    horizon=_DOCS.silent(7 * HOUR + 6 * MINUTE),
    resigned=_DOCS.silent(None),
    stable_body=_DOCS.silent(None),
    stable_id=_DOCS.silent(True),
    largest_body=_DOCS.silent(None),
    timeout=_HEALTH.says(3.0),
    statuses=_HEALTH.says("200 succeeds; anything else is retried"),
    networks=_DOCS.silent(None),
)

# Several apps at one endpoint may each receive the same event.
_ID_SCOPE = (FirstOf(InBody("header.app_id"), InBody("event.app_id")),)

LARK = Preset(
    name="lark",
    title="Lark / Feishu",
    scheme=LarkScheme(),
    envelope=_ENVELOPE,
    event_id=FirstOf(InBody("header.event_id"), InBody("uuid")),
    id_scope=_ID_SCOPE,
    event_type=FirstOf(InBody("header.event_type"), InBody("event.type")),
    challenge=UrlVerification(),
    facts=_PROFILE,
    proof=("sdk",),
    docs=_DOCS.address,
    note=(
        "Give Secret.of(encrypt_key=…, verification_token=…). The handshake is encrypted but not signed: with the encrypt key"
        " alone events are verified, and the handshake is rejected. The event holds the decrypted content. Without an encrypt"
        " key Lark signs nothing (preset lark-token)."
    ),
)

LARK_TOKEN = Preset(
    name="lark-token",
    title="Lark / Feishu (token)",
    scheme=TokenScheme(token=InBody("header.token")),
    event_id=InBody("header.event_id"),
    id_scope=_ID_SCOPE,
    event_type=InBody("header.event_type"),
    # Nothing is signed, so anyone with the token can send anything. The id is the event's own.
    identity="id",
    challenge=Echo(
        InBody("challenge"),
        when={InBody("type"): "url_verification"},
        comes_unsigned=True,
        proof=(InBody("token"), "secret"),
        as_field="challenge",
    ),
    facts=_PROFILE,
    docs=_DOCS.address,
    note=(
        "The verification token is sent in plain text in the body and signs nothing: set an encrypt key (preset lark). Events"
        " of schema 1.0 are not supported."
    ),
)
