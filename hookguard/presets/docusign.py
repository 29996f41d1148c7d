"""DocuSign Connect."""

from hookguard.place import FirstOf, InBody, Joined
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["DOCUSIGN"]

_DOCS = Source("https://developers.docusign.com/platform/webhooks/connect/validate/", "2026-11-24")

DOCUSIGN = Preset(
    name="docusign",
    title="DocuSign",
    # One header for each active key of the account. The key looks like base64 and is not decoded.
    scheme=HmacScheme(signature=[SignatureHeader(f"X-DocuSign-Signature-{number}", "{base64}") for number in range(1, 17)]),
    # There is none, and the body counts the tries.
    event_id=FirstOf(
        Joined(InBody("event"), InBody("data.envelopeId"), InBody("data.recipientId"), InBody("generatedDateTime")),
        Joined(InBody("event"), InBody("data.envelopeId"), InBody("generatedDateTime")),
    ),
    event_type=InBody("event"),
    profile=Profile(
        schedule=_DOCS.silent("with growing gaps, for up to 15 days"),
        horizon=_DOCS.silent(15 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(100.0),
        statuses=_DOCS.silent("2xx succeeds; anything else is tried again"),
        networks=_DOCS.silent(None),
    ),
    docs="https://developers.docusign.com/platform/webhooks/connect/validate/",
    note="Set the configuration to JSON: the older XML carries no such id and is refused. Sixteen keys are looked at.",
)
