"""Cloudinary."""

from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.profile import HOUR, Profile, Source
from hookguard.schemes.hash import HashScheme
from hookguard.schemes.hmac import SignatureHeader

__all__ = ["CLOUDINARY", "cloudinary_scheme"]

_SDK = Source("https://github.com/cloudinary/pycloudinary/blob/master/cloudinary/utils.py", "2026-11-25")
_DOCS = Source("https://cloudinary.com/documentation/notification_signatures", "2026-11-25")


def cloudinary_scheme(digest: str = "sha1") -> HashScheme:
    """Return the scheme for an account's signature algorithm: ``sha1``, which is the usual one, or ``sha256``."""
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
    # There is none. Bodies carry the request's id and its time.
    event_id=None,
    event_type=InBody("notification_type"),
    identity="content",
    # As the official package has it.
    tolerance=7200.0,
    profile=Profile(
        schedule=_DOCS.silent("three times, at growing distances"),
        horizon=_DOCS.silent(HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("2xx succeeds; anything else is tried again"),
        networks=_DOCS.silent(None),
    ),
    proof=("sdk",),
    docs="https://cloudinary.com/documentation/notification_signatures",
    note=(
        "The secret is the account's API secret. The hash is no HMAC, and SHA-1 unless the account chose SHA-256: then write a"
        ' preset with cloudinary_scheme("sha256").'
    ),
)
