"""Slack: the Events API, interactivity and slash commands."""

from hookguard.challenge import Echo
from hookguard.place import FirstOf, InBody, InForm, InHeader
from hookguard.preset import Preset
from hookguard.profile import DAY, MINUTE, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["SLACK"]

_EVENTS = Source("https://docs.slack.dev/apis/events-api", "2026-11-25")

SLACK = Preset(
    name="slack",
    title="Slack",
    scheme=HmacScheme(
        signature=SignatureHeader("X-Slack-Signature", "v0={hex}"),
        timestamp=InHeader("X-Slack-Request-Timestamp"),
        signed="v0:{timestamp}:{body}",
    ),
    # Events carry event_id; interactivity (JSON in a form field) and slash commands (a form) carry trigger_id.
    event_id=FirstOf(InBody("event_id"), InBody("trigger_id"), InForm("trigger_id")),
    event_type=FirstOf(InBody("event.type"), InBody("type"), InForm("command")),
    json_field="payload",
    challenge=Echo(InBody("challenge"), when={InBody("type"): "url_verification"}),
    profile=Profile(
        schedule=_EVENTS.says(
            "three times: at once, after a minute, after five minutes; then hourly for a day, where the app switches"
            " Delayed Events on"
        ),
        horizon=_EVENTS.says(DAY + 6 * MINUTE),
        resigned=_EVENTS.silent(None),
        stable_body=_EVENTS.silent(None),
        timeout=_EVENTS.says(3.0),
        statuses=_EVENTS.says(
            "2xx succeeds, redirects are followed twice; X-Slack-No-Retry: 1 in a failed answer stops retries;"
            " under 5 % success within an hour disables the app's events"
        ),
        networks=_EVENTS.silent(None),
    ),
    proof=("vector", "sdk"),
    docs="https://docs.slack.dev/authentication/verifying-requests-from-slack",
)
