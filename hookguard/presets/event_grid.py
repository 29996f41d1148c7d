"""Azure Event Grid, in its own schema and as CloudEvents."""

import re

from hookguard.batch import Batch
from hookguard.challenge import AnyOf, Echo
from hookguard.facts import DAY, MIB, Facts, Source
from hookguard.place import FirstOf, InBody, InHeader, InQuery
from hookguard.preset import Preset
from hookguard.schemes.token import TokenScheme

__all__ = ["EVENT_GRID", "event_grid_scheme"]

_DOCS = Source("https://learn.microsoft.com/en-us/azure/event-grid/end-point-validation-event-grid-events-schema", "2026-11-24")
_RETRIES = Source("https://learn.microsoft.com/en-us/azure/event-grid/delivery-and-retry", "2026-11-25")
_BATCHES = Source("https://learn.microsoft.com/en-us/azure/event-grid/delivery-and-retry#output-batching", "2026-11-30")
_SECURITY = Source("https://learn.microsoft.com/en-us/azure/event-grid/security-authentication", "2026-11-24")


def event_grid_scheme(token: InQuery | InHeader) -> TokenScheme:
    """Return the scheme for a subscription with its secret in another URL parameter, or in a delivery header."""
    return TokenScheme(token=token)


EVENT_GRID = Preset(
    name="event-grid",
    title="Azure Event Grid",
    scheme=event_grid_scheme(InQuery("code")),
    batch=Batch(may_be_one=True, largest=_BATCHES.says(5000)),
    # Unique within the publisher (CloudEvents: source and id together). Each subscription sends its own delivery.
    event_id=InBody("id"),
    id_scope=(InHeader("aeg-subscription-name"), FirstOf(InBody("source"), InBody("topic"))),
    event_type=FirstOf(InBody("eventType"), InBody("type")),
    # Nothing is signed, so anyone with the secret can send anything. The id is the event's own.
    identity="id",
    challenge=AnyOf(
        Echo(
            InBody("0.data.validationCode"),
            when={InBody("0.eventType"): "Microsoft.EventGrid.SubscriptionValidationEvent"},
            as_field="validationResponse",
        ),
        # CloudEvents asks for permission before the first delivery.
        Echo(
            InHeader("WebHook-Request-Origin"),
            method="OPTIONS",
            comes_unsigned=True,
            shape=re.compile(r"[A-Za-z0-9.-]{1,253}", re.ASCII),
            as_header="WebHook-Allowed-Origin",
        ),
    ),
    facts=Facts(
        schedule=_RETRIES.says("up to 30 times within 24 hours, with growing gaps"),
        horizon=_RETRIES.says(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        # A batch of up to 1,024 kB, and the text around its events.
        largest_body=_BATCHES.silent(2 * MIB),
        timeout=_RETRIES.says(30.0),
        statuses=_RETRIES.says("200 to 204 succeed; 400, 401, 403 and 413 are final; others are retried"),
        networks=_DOCS.silent(None),
    ),
    docs="https://learn.microsoft.com/en-us/azure/event-grid/security-authentication",
    note=(
        "Event Grid signs nothing. The secret is in the subscription's URL (https://host/path?code=…). For another parameter,"
        " or a delivery header, write a preset with event_grid_scheme(…)."
    ),
)
