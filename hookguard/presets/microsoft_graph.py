"""Microsoft Graph's change notifications."""

import re

from hookguard.batch import Batch
from hookguard.challenge import Echo
from hookguard.place import EachDelivery, FirstOf, InBody, InQuery, Joined
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
    # Few notifications have an id. Outlook's name the version of the object; where data comes along, it is signed with a key
    # that is used once. What is left, such as a drive's, is the same to the letter for every change: taking the second for a
    # retry of the first would lose it, and handling one twice only looks at the object twice, so each is handled.
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
        " A notification without an id, a version (resourceData's @odata.etag) or such data, as those of OneDrive and of"
        " subscriptions themselves, looks like the one before it, so it is handled whenever it comes: a retry of a delivery with"
        " such ones in it runs them all again."
    ),
)
