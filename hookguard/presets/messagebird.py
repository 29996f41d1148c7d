"""Bird, once MessageBird."""

from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
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
    # There is none that all products send.
    event_id=None,
    event_type=InBody("type"),
    identity="content",
    profile=Profile(
        schedule=_DOCS.silent("some times, with growing gaps"),
        horizon=_DOCS.silent(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("2xx succeeds; anything else is tried again"),
        networks=_DOCS.silent(None),
    ),
    proof=("sdk",),
    docs="https://developers.messagebird.com/api/#verifying-http-requests",
    note=(
        "The secret is the signing key of the developer settings, not the API key. The URL is signed just as it was entered. A"
        " request without a body is refused, as the token then says nothing of it."
    ),
)
