"""Microsoft Graph's change notifications."""

import re

from hookguard.batch import Batch
from hookguard.challenge import Echo
from hookguard.place import EachDelivery, FirstOf, InBody, InQuery
from hookguard.preset import Preset
from hookguard.profile import HOUR, Profile, Source
from hookguard.schemes.token import InEvery, TokenScheme

__all__ = ["MICROSOFT_GRAPH"]

_DOCS = Source("https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks", "2026-11-25")

MICROSOFT_GRAPH = Preset(
    name="microsoft-graph",
    title="Microsoft Graph",
    # Every notification must carry it.
    scheme=TokenScheme(token=InEvery("value", "clientState")),
    batch=Batch("value"),
    # Few resources give notifications an id; without one, two changes of one object look the same, so each is handled.
    event_id=FirstOf(InBody("id"), EachDelivery()),
    event_type=FirstOf(InBody("lifecycleEvent"), InBody("changeType")),
    identity="id",
    # When a subscription is made. The token holds blanks and colons.
    challenge=Echo(
        InQuery("validationToken"),
        comes_unsigned=True,
        shape=re.compile(r"[A-Za-z0-9 :;,.+/=_-]{1,1024}", re.ASCII),
    ),
    profile=Profile(
        schedule=_DOCS.says("for up to four hours, with growing gaps"),
        horizon=_DOCS.says(4 * HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.says(10.0),
        statuses=_DOCS.says("2xx succeeds, else it is tried again; endpoints that are slow too often are slowed down or dropped"),
        networks=_DOCS.silent(None),
    ),
    docs="https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks",
    note=(
        "The secret is the clientState given when the subscription was made; it is sent in clear and signs nothing. Encrypted"
        " notifications with resource data are handed over as they came."
    ),
)
