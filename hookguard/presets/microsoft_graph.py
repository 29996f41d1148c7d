"""Microsoft Graph's change notifications."""

import re

from hookguard.batch import Batch
from hookguard.challenge import Echo
from hookguard.facts import HOUR, Facts, Source
from hookguard.place import EachDelivery, FirstOf, InBody, InQuery, Joined
from hookguard.preset import Preset
from hookguard.schemes.token import InEvery, TokenScheme

__all__ = ["MICROSOFT_GRAPH"]

_DOCS = Source("https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks", "2026-11-25")

MICROSOFT_GRAPH = Preset(
    name="microsoft-graph",
    title="Microsoft Graph",
    # Every notification must carry the clientState.
    scheme=TokenScheme(token=InEvery("value", "clientState")),
    batch=Batch("value", largest=_DOCS.silent(None)),
    # Few notifications have an id. Outlook's name the version of the object. Notifications with data carry a signature whose
    # key is used once. The rest, such as a drive's, are equal for every change. If the second counted as a retry of the first,
    # it would be lost; handling one twice only reads the object twice. So each is handled.
    event_id=FirstOf(
        Joined(InBody("subscriptionId"), InBody("id")),
        Joined(
            InBody("subscriptionId"),
            InBody("changeType"),
            InBody("resource"),
            InBody(r"resourceData.@odata\.etag"),
        ),
        Joined(InBody("subscriptionId"), InBody("encryptedContent.dataSignature")),
        EachDelivery(),
    ),
    event_type=FirstOf(InBody("lifecycleEvent"), InBody("changeType")),
    identity="id",
    # Sent when a subscription is created. The token holds spaces and colons.
    challenge=Echo(
        InQuery("validationToken"),
        comes_unsigned=True,
        shape=re.compile(r"[A-Za-z0-9 :;,.+/=_-]{1,1024}", re.ASCII),
    ),
    facts=Facts(
        schedule=_DOCS.says("for up to four hours, with growing gaps"),
        horizon=_DOCS.says(4 * HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.says(10.0),
        statuses=_DOCS.says("2xx succeeds, else it is retried; endpoints that are slow too often are slowed down or dropped"),
        networks=_DOCS.silent(None),
    ),
    docs="https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks",
    note=(
        "The secret is the clientState that you gave when you created the subscription. It is sent in plain text and signs"
        " nothing. Encrypted notifications with resource data reach your handler unchanged. Some notifications have no id, no"
        " version (resourceData's @odata.etag) and no such data, for example those of OneDrive and of subscriptions. They"
        " equal the one before, so each is handled: a retry of such a delivery runs all of them once more."
    ),
)
