"""CircleCI."""

from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["CIRCLECI"]

_DOCS = Source("https://circleci.com/docs/guides/integration/outbound-webhooks/", "2026-11-25")

CIRCLECI = Preset(
    name="circleci",
    title="CircleCI",
    # A list, in which only the newest known version counts: further ones may come and are not looked at.
    scheme=HmacScheme(signature=SignatureHeader("circleci-signature", "v1={hex}", separator=",")),
    event_id=InBody("id"),
    event_type=InBody("type"),
    profile=Profile(
        schedule=_DOCS.says("later, without saying when and how often"),
        horizon=_DOCS.silent(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.says(10.0),
        statuses=_DOCS.says("2xx succeeds; anything else is tried again later"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://circleci.com/docs/guides/integration/outbound-webhooks/",
)
