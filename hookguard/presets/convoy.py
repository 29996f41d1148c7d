"""Convoy: simple and advanced signatures, SHA-256 in hex, which is how projects start out.

A project may be set to SHA-512 or base64: write ``convoy_scheme("sha512", "base64", advanced=True)`` into a preset of
your own then.
"""

from dataclasses import replace
from typing import Literal

from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["CONVOY", "CONVOY_ADVANCED", "convoy_scheme"]

_SCHEDULE = Source("https://www.getconvoy.io/docs/glossary/retry-schedule", "2026-11-24")
_IPS = Source("https://www.getconvoy.io/docs/product-manual/static-ips", "2026-11-24")
_SENDER = Source("https://github.com/frain-dev/convoy/blob/main/worker/task/process_event_delivery.go", "2026-11-25")
_DEFAULTS = Source("https://github.com/frain-dev/convoy/blob/main/const.go", "2026-11-25")
_SIGNING = Source("https://github.com/frain-dev/convoy/blob/main/pkg/signature/signature.go", "2026-11-25")

_PROFILE = Profile(
    schedule=_SCHEDULE.says("as the project is set; the usual exponential schedule is seven times within 35 minutes"),
    horizon=_SCHEDULE.silent(3 * DAY),
    # Signed anew each time, but over the body alone.
    resigned=_SIGNING.says(False),
    stable_body=_SCHEDULE.silent(None),
    # Unless the endpoint is set otherwise.
    timeout=_DEFAULTS.says(10.0),
    statuses=_SENDER.says("2xx succeeds; anything else is tried again, unless the delivery is set to at most once"),
    # Of the hosted service, on plans with fixed addresses; an installation of one's own has its own.
    networks=_IPS.says("https://www.getconvoy.io/docs/product-manual/static-ips"),
)


def convoy_scheme(
    digest: str = "sha256", encoding: Literal["hex", "base64"] = "hex", *, advanced: bool, header: str = "X-Convoy-Signature"
) -> HmacScheme:
    """Return the scheme for a project's settings: hash, encoding, signature kind and header name."""
    if not advanced:
        return HmacScheme(signature=SignatureHeader(header, f"{{{encoding}}}"), digest=digest)
    # A comma joins time and body, where everyone else has a dot.
    return HmacScheme(
        signature=SignatureHeader(header, f"t={{timestamp}},v1={{{encoding}}}"), signed="{timestamp},{body}", digest=digest
    )


CONVOY = Preset(
    name="convoy",
    title="Convoy (simple)",
    scheme=convoy_scheme(advanced=False),
    event_id=InHeader("X-Convoy-Event-ID"),
    event_type=InBody("type"),
    identity="id+content",
    profile=_PROFILE,
    proof=("vector",),
    docs="https://www.getconvoy.io/docs/product-manual/signatures",
    note="Switch the event-id header on in the project's settings.",
)

CONVOY_ADVANCED = Preset(
    name="convoy-advanced",
    title="Convoy (advanced)",
    scheme=convoy_scheme(advanced=True),
    event_id=InHeader("X-Convoy-Event-ID"),
    event_type=InBody("type"),
    identity="id+content",
    profile=replace(_PROFILE, resigned=_SIGNING.says(True)),
    proof=("vector",),
    docs="https://www.getconvoy.io/docs/product-manual/signatures",
    note="Switch the event-id header on in the project's settings.",
)
