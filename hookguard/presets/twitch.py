"""Twitch's EventSub."""

from hookguard.challenge import Echo
from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["TWITCH"]

_DOCS = Source("https://dev.twitch.tv/docs/eventsub/handling-webhook-events/", "2026-11-24")

TWITCH = Preset(
    name="twitch",
    title="Twitch",
    scheme=HmacScheme(
        signature=SignatureHeader("Twitch-Eventsub-Message-Signature", "sha256={hex}"),
        timestamp=InHeader("Twitch-Eventsub-Message-Timestamp"),
        timestamp_unit="rfc3339",
        id=InHeader("Twitch-Eventsub-Message-Id"),
        signed="{id}{timestamp}{body}",
    ),
    event_id=InHeader("Twitch-Eventsub-Message-Id"),
    # The headers with the same values are not signed.
    event_type=InBody("subscription.type"),
    challenge=Echo(InBody("challenge"), when={InBody("subscription.status"): "webhook_callback_verification_pending"}),
    facts=Facts(
        schedule=_DOCS.silent("several times; no page says when"),
        horizon=_DOCS.silent(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(10.0),
        statuses=_DOCS.says("2xx succeeds; failing too often revokes the subscription"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://dev.twitch.tv/docs/eventsub/handling-webhook-events/",
    note="A revoked subscription sends one last event. Its subscription.status says why.",
)
