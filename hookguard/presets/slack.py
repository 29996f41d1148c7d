"""Slack: the Events API, interactivity and slash commands."""

from hookguard.challenge import Echo
from hookguard.facts import DAY, MINUTE, Facts, Source
from hookguard.place import Content, FirstOf, InBody, InForm, InHeader, Joined
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["SLACK"]

_EVENTS = Source("https://docs.slack.dev/apis/events-api", "2026-11-25")

SLACK = Preset(
    name="slack",
    title="Slack",
    secret_shape="[0-9a-f]{32}",
    not_secrets=(
        ("xox[a-z]-", "a bot or user token"),
        ("xapp-", "an app-level token"),
        (r"xoxe\.", "a refresh token"),
    ),
    scheme=HmacScheme(
        signature=SignatureHeader("X-Slack-Signature", "v0={hex}"),
        timestamp=InHeader("X-Slack-Request-Timestamp"),
        signed="v0:{timestamp}:{body}",
    ),
    # Events carry event_id. Most interactions (JSON in a form field) and slash commands (a form) carry trigger_id. The others may
    # be asked twice with equal bodies, and Slack does not retry them: their time distinguishes them.
    event_id=FirstOf(
        InBody("event_id"),
        InBody("trigger_id"),
        InForm("trigger_id"),
        Joined(InHeader("X-Slack-Request-Timestamp"), Content()),
    ),
    # Several apps at one endpoint may each receive the same event.
    id_scope=(FirstOf(InBody("api_app_id"), InForm("api_app_id")),),
    event_type=FirstOf(InBody("event.type"), InBody("type"), InForm("command")),
    json_field="payload",
    challenge=Echo(InBody("challenge"), when={InBody("type"): "url_verification"}),
    facts=Facts(
        schedule=_EVENTS.says(
            "three times: immediately, after a minute, after five minutes; then hourly for a day, if the app turns on"
            " Delayed Events"
        ),
        horizon=_EVENTS.says(DAY + 6 * MINUTE),
        resigned=_EVENTS.silent(None),
        stable_body=_EVENTS.silent(None),
        stable_id=_EVENTS.silent(True),
        largest_body=_EVENTS.silent(None),
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
