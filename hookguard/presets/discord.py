"""Discord: interactions, and webhook events."""

from hookguard.challenge import Fixed
from hookguard.facts import MINUTE, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.reply import Reply
from hookguard.schemes.hmac import SignatureHeader
from hookguard.schemes.public_key import PublicKeyScheme

__all__ = ["DISCORD", "DISCORD_EVENTS"]

_INTERACTIONS = Source("https://discord.com/developers/docs/interactions/overview", "2026-11-24")
_EVENTS = Source("https://discord.com/developers/docs/events/webhook-events", "2026-11-25")

_SCHEME = PublicKeyScheme(
    signature=SignatureHeader("X-Signature-Ed25519", "{hex}"),
    algorithm="ed25519",
    timestamp=InHeader("X-Signature-Timestamp"),
    signed="{timestamp}{body}",
)

DISCORD = Preset(
    name="discord",
    title="Discord (interactions)",
    secret_shape="[0-9a-f]{64}",
    not_secrets=((r"[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{6}\.", "a bot token"),),
    scheme=_SCHEME,
    event_id=InBody("id"),
    event_type=InBody("type"),
    # Discord sends PING with right and with wrong signatures. The wrong ones must be rejected with 401.
    challenge=Fixed(Reply.json(200, {"type": 1}), when={InBody("type"): "1"}),
    facts=Facts(
        schedule=_INTERACTIONS.silent("never"),
        horizon=_INTERACTIONS.silent(0.0),
        resigned=_INTERACTIONS.silent(None),
        stable_body=_INTERACTIONS.silent(None),
        stable_id=_INTERACTIONS.silent(True),
        largest_body=_INTERACTIONS.silent(None),
        timeout=_INTERACTIONS.says(3.0),
        statuses=_INTERACTIONS.says("the answer is the reply to the user; an endpoint that accepts a wrong signature is removed"),
        networks=_INTERACTIONS.silent(None),
    ),
    proof=("sdk",),
    docs="https://discord.com/developers/docs/interactions/overview#setting-up-an-endpoint-validating-security-request-headers",
    note="The key is the application's public key. An interaction expects an answer: your handler's reply is shown to the user.",
)

DISCORD_EVENTS = Preset(
    name="discord-events",
    title="Discord (webhook events)",
    scheme=_SCHEME,
    # Events have no id. The body carries the event's time.
    event_id=None,
    event_type=InBody("event.type"),
    identity="content",
    challenge=Fixed(Reply(204, (("Content-Type", "application/json"),)), when={InBody("type"): "0"}),
    facts=Facts(
        schedule=_EVENTS.says("for up to ten minutes, with exponential backoff"),
        horizon=_EVENTS.says(10 * MINUTE),
        resigned=_EVENTS.silent(None),
        stable_body=_EVENTS.silent(None),
        stable_id=_EVENTS.silent(None),
        largest_body=_EVENTS.silent(None),
        timeout=_EVENTS.says(3.0),
        statuses=_EVENTS.says("204 succeeds; anything else is retried; an endpoint that accepts a wrong signature is removed"),
        networks=_EVENTS.silent(None),
    ),
    proof=("sdk",),
    docs="https://discord.com/developers/docs/events/webhook-events",
    note="The key is the application's public key. Answer 204.",
)
