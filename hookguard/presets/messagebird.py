"""Bird, formerly MessageBird."""

from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.schemes.jwt import BodyHash, Equals, JwtScheme, UrlHash

__all__ = ["MESSAGEBIRD"]

_SDK = Source("https://github.com/messagebird/python-rest-api/blob/master/messagebird/request_validator.py", "2026-11-25")
_DOCS = Source("https://developers.messagebird.com/api/#verifying-http-requests", "2026-11-25")

MESSAGEBIRD = Preset(
    name="messagebird",
    title="MessageBird",
    scheme=JwtScheme(
        algorithm="HS256",
        token=InHeader("MessageBird-Signature-JWT"),
        claims={"iss": Equals("MessageBird"), "url_hash": UrlHash(), "payload_hash": BodyHash(required=False)},
        timestamp="nbf",
        required=("nbf", "exp"),
    ),
    # No id is common to all products.
    event_id=None,
    event_type=InBody("type"),
    identity="content",
    facts=Facts(
        schedule=_DOCS.silent("several times, with growing gaps"),
        horizon=_DOCS.silent(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("2xx succeeds; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("sdk",),
    docs="https://developers.messagebird.com/api/#verifying-http-requests",
    note=(
        "The secret is the signing key of the developer settings, not the API key. The URL is signed exactly as you entered"
        " it. A request without a body is rejected, because then the token does not cover the body."
    ),
)
