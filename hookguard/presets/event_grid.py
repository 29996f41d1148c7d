"""Azure Event Grid, in its own schema and as CloudEvents."""

import re

from hookguard.batch import Batch
from hookguard.challenge import AnyOf, Echo
from hookguard.place import FirstOf, InBody, InHeader, InQuery
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.token import TokenScheme

__all__ = ["EVENT_GRID", "event_grid_scheme"]

_DOCS = Source("https://learn.microsoft.com/en-us/azure/event-grid/end-point-validation-event-grid-events-schema", "2026-11-24")
_RETRIES = Source("https://learn.microsoft.com/en-us/azure/event-grid/delivery-and-retry", "2026-11-25")
_SECURITY = Source("https://learn.microsoft.com/en-us/azure/event-grid/security-authentication", "2026-11-24")


def event_grid_scheme(token: InQuery | InHeader) -> TokenScheme:
    """Return the scheme for a subscription whose secret comes in another parameter of the URL, or in a delivery header."""
    return TokenScheme(token=token)


EVENT_GRID = Preset(
    name="event-grid",
    title="Azure Event Grid",
    scheme=event_grid_scheme(InQuery("code")),
    batch=Batch(may_be_one=True),
    event_id=InBody("id"),
    event_type=FirstOf(InBody("eventType"), InBody("type")),
    # Nothing is signed, so whoever has the secret can send anything; the id is the event's own.
    identity="id",
    challenge=AnyOf(
        Echo(
            InBody("0.data.validationCode"),
            when={InBody("0.eventType"): "Microsoft.EventGrid.SubscriptionValidationEvent"},
            as_field="validationResponse",
        ),
        # CloudEvents ask whether deliveries are welcome before the first.
        Echo(
            InHeader("WebHook-Request-Origin"),
            method="OPTIONS",
            comes_unsigned=True,
            shape=re.compile(r"[A-Za-z0-9.-]{1,253}", re.ASCII),
            as_header="WebHook-Allowed-Origin",
        ),
    ),
    profile=Profile(
        schedule=_RETRIES.says("up to 30 times within 24 hours, at growing distances"),
        horizon=_RETRIES.says(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_RETRIES.says(30.0),
        statuses=_RETRIES.says("200 to 204 succeed; 400, 401, 403 and 413 are given up; others are tried again"),
        networks=_DOCS.silent(None),
    ),
    docs="https://learn.microsoft.com/en-us/azure/event-grid/security-authentication",
    note=(
        "Event Grid signs nothing. The secret stands in the URL of the subscription (https://host/path?code=…); with another"
        " parameter, or a delivery header, write a preset with event_grid_scheme(…)."
    ),
)
