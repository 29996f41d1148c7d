"""DocuSign Connect."""

from hookguard.facts import DAY, MIB, Facts, Source
from hookguard.place import FirstOf, InBody, Joined
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["DOCUSIGN"]

_DOCS = Source("https://developers.docusign.com/platform/webhooks/connect/validate/", "2026-11-24")
_FILES = Source("https://developers.docusign.com/docs/esign-soap-api/esign101/api-info/file-limitations", "2026-11-30")

DOCUSIGN = Preset(
    name="docusign",
    title="DocuSign",
    # One header for each active key of the account. The key looks like base64 and is not decoded.
    scheme=HmacScheme(signature=[SignatureHeader(f"X-DocuSign-Signature-{number}", "{base64}") for number in range(1, 17)]),
    # Events have no id, and the body counts the attempts. Each configuration of an account sends its own delivery.
    id_scope=(InBody("configurationId"),),
    event_id=FirstOf(
        Joined(InBody("event"), InBody("data.envelopeId"), InBody("data.recipientId"), InBody("generatedDateTime")),
        Joined(InBody("event"), InBody("data.envelopeId"), InBody("generatedDateTime")),
    ),
    event_type=InBody("event"),
    facts=Facts(
        schedule=_DOCS.silent("with growing gaps, for up to 15 days"),
        horizon=_DOCS.silent(15 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        # With documents included: files of up to 25 MB, in base64.
        largest_body=_FILES.silent(35 * MIB),
        timeout=_DOCS.silent(100.0),
        statuses=_DOCS.silent("2xx succeeds; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    docs="https://developers.docusign.com/platform/webhooks/connect/validate/",
    note="Set the configuration to JSON: the older XML has no such id and is rejected. At most sixteen keys are tried.",
)
