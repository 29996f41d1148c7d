"""Cloudinary."""

from hookguard.facts import HOUR, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.schemes.hash import HashScheme
from hookguard.schemes.hmac import SignatureHeader

__all__ = ["CLOUDINARY", "cloudinary_scheme"]

_SDK = Source("https://github.com/cloudinary/pycloudinary/blob/master/cloudinary/utils.py", "2026-11-25")
_DOCS = Source("https://cloudinary.com/documentation/notification_signatures", "2026-11-25")


def cloudinary_scheme(digest: str = "sha1") -> HashScheme:
    """Return the scheme for an account's signature algorithm: ``sha1`` (the default at Cloudinary) or ``sha256``."""
    return HashScheme(
        signature=SignatureHeader("X-Cld-Signature", "{hex}"),
        timestamp=InHeader("X-Cld-Timestamp"),
        signed="{body}{timestamp}{secret}",
        digest=digest,
    )


CLOUDINARY = Preset(
    name="cloudinary",
    title="Cloudinary",
    scheme=cloudinary_scheme(),
    # Events have no id. Bodies carry the request's id and its time.
    event_id=None,
    event_type=InBody("notification_type"),
    identity="content",
    # The official package's default.
    tolerance=7200.0,
    facts=Facts(
        schedule=_DOCS.silent("three times, with growing gaps"),
        horizon=_DOCS.silent(HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("2xx succeeds; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("sdk",),
    docs="https://cloudinary.com/documentation/notification_signatures",
    note=(
        "The secret is the account's API secret. The signature is a plain SHA-1 hash, not an HMAC. If the account uses"
        ' SHA-256, write a preset with cloudinary_scheme("sha256").'
    ),
)
