"""Netlify's deploy notifications."""

from hookguard.facts import DAY, Facts, Source
from hookguard.place import FirstOf, InBody, InHeader, Joined
from hookguard.preset import Preset
from hookguard.schemes.jwt import BodyHash, Equals, JwtScheme

__all__ = ["NETLIFY"]

_DOCS = Source("https://docs.netlify.com/deploy/deploy-notifications/", "2026-11-25")

NETLIFY = Preset(
    name="netlify",
    title="Netlify",
    not_secrets=(("nfp_", "an access token"),),
    scheme=JwtScheme(
        algorithm="HS256",
        token=InHeader("X-Webhook-Signature"),
        claims={"iss": Equals("netlify"), "sha256": BodyHash()},
        # The token carries no time.
        timestamp=None,
    ),
    # The id is the deploy's or the form's. A deploy that is locked and unlocked keeps its state. The event's name is in a header
    # that is not signed; the content distinguishes the events.
    event_id=FirstOf(Joined(InBody("id"), InBody("state")), InBody("id")),
    id_scope=(InHeader("X-Netlify-Event"),),
    event_type=InBody("state"),
    identity="id+content",
    facts=Facts(
        schedule=_DOCS.silent("not stated"),
        horizon=_DOCS.silent(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("2xx succeeds; a notification that keeps failing is disabled"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://docs.netlify.com/deploy/deploy-notifications/#payload-signature",
    note="The secret is the notification's JWS secret token. Without it Netlify signs nothing.",
)
