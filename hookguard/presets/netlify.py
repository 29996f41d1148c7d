"""Netlify's deploy notifications."""

from hookguard.place import FirstOf, InBody, InHeader, Joined
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.jwt import BodyHash, Equals, JwtScheme

__all__ = ["NETLIFY"]

_DOCS = Source("https://docs.netlify.com/deploy/deploy-notifications/", "2026-11-25")

NETLIFY = Preset(
    name="netlify",
    title="Netlify",
    scheme=JwtScheme(
        algorithm="HS256",
        token=InHeader("X-Webhook-Signature"),
        claims={"iss": Equals("netlify"), "sha256": BodyHash()},
        # The token carries no time.
        timestamp=None,
    ),
    # The id is the deploy's, which is built and then ready. Other notifications have no state.
    event_id=FirstOf(Joined(InBody("id"), InBody("state")), InBody("id")),
    event_type=InBody("state"),
    profile=Profile(
        schedule=_DOCS.silent("not said"),
        horizon=_DOCS.silent(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("2xx succeeds; a notification that keeps failing is disabled"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://docs.netlify.com/deploy/deploy-notifications/#payload-signature",
    note="The secret is the notification's JWS secret token. Without one Netlify signs nothing.",
)
