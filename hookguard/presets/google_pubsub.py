"""Google Cloud Pub/Sub push subscriptions, and services that use them, such as Gmail's notifications."""

from hookguard.facts import DAY, MIB, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.jws import KeySet
from hookguard.schemes.jwt import Equals, FieldOf, PublishedJwtScheme

__all__ = ["GOOGLE_PUBSUB"]

_DOCS = Source("https://docs.cloud.google.com/pubsub/docs/authenticate-push-subscriptions", "2026-11-24")
_PUSH = Source("https://docs.cloud.google.com/pubsub/docs/push", "2026-11-24")
_QUOTAS = Source("https://cloud.google.com/pubsub/quotas", "2026-11-30")

GOOGLE_PUBSUB = Preset(
    name="google-pubsub",
    title="Google Cloud Pub/Sub",
    scheme=PublishedJwtScheme(
        published=KeySet("https://www.googleapis.com/oauth2/v3/certs"),
        algorithm="RS256",
        prefix="Bearer ",
        claims={
            "iss": Equals("https://accounts.google.com", "accounts.google.com"),
            "aud": FieldOf("audience"),
            "email": FieldOf("email"),
            "email_verified": Equals(True),
        },
        # A token is used for many messages until it expires, after at most an hour.
        timestamp=None,
        # The official package rejects a token without iat as well.
        required=("iat", "exp"),
    ),
    # Unique within the topic. Each subscription sends its own delivery.
    event_id=InBody("message.messageId"),
    id_scope=(InBody("subscription"),),
    # The token does not cover the body: anyone with a token can send anything until it expires.
    identity="id",
    facts=Facts(
        schedule=_PUSH.silent("with exponential backoff, for as long as the subscription keeps messages (usually seven days)"),
        horizon=_PUSH.silent(7 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        # A message of up to 10 MB, in base64.
        largest_body=_QUOTAS.silent(14 * MIB),
        timeout=_PUSH.silent(60.0),
        statuses=_PUSH.says("102, 200, 201, 202 and 204 succeed; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("sdk",),
    docs="https://docs.cloud.google.com/pubsub/docs/authenticate-push-subscriptions",
    note=(
        "Give Secret.of(audience=…, email=…): the subscription's audience (its URL by default) and the service account that"
        " signs. Both are needed, because anyone with a Google account can get a token for any audience."
    ),
)
