"""Google Cloud Pub/Sub, pushed; also what comes through it, such as Gmail's notifications."""

from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.jwt import Equals, FieldOf, KeySet, PublishedJwtScheme

__all__ = ["GOOGLE_PUBSUB"]

_DOCS = Source("https://docs.cloud.google.com/pubsub/docs/authenticate-push-subscriptions", "2026-11-24")
_PUSH = Source("https://docs.cloud.google.com/pubsub/docs/push", "2026-11-24")

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
        # A token serves many messages until it expires, after an hour at the most.
        timestamp=None,
        # The official package refuses a token without iat as well.
        required=("iat", "exp"),
    ),
    event_id=InBody("message.messageId"),
    # The token says nothing of the body: whoever has one can send anything until it expires.
    identity="id",
    profile=Profile(
        schedule=_PUSH.silent("with exponential backoff, for as long as the subscription keeps messages (usually seven days)"),
        horizon=_PUSH.silent(7 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_PUSH.silent(60.0),
        statuses=_PUSH.says("102, 200, 201, 202 and 204 succeed; anything else is tried again"),
        networks=_DOCS.silent(None),
    ),
    proof=("sdk",),
    docs="https://docs.cloud.google.com/pubsub/docs/authenticate-push-subscriptions",
    note=(
        "Give Secret.of(audience=…, email=…): the audience of the subscription (its URL, unless it was set) and the service"
        " account that signs. Both count, as anyone with an account can have Google sign a token for any audience."
    ),
)
