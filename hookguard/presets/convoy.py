"""Convoy: simple and advanced signatures, with SHA-256 in hex, a project's default.

For a project with SHA-512 or base64, write your own preset with ``convoy_scheme("sha512", "base64", advanced=True)``.
"""

from dataclasses import replace
from typing import Literal

from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["CONVOY", "CONVOY_ADVANCED", "convoy_scheme"]

_SCHEDULE = Source("https://www.getconvoy.io/docs/glossary/retry-schedule", "2026-11-24")
_IPS = Source("https://www.getconvoy.io/docs/product-manual/static-ips", "2026-11-24")
_SENDER = Source("https://github.com/frain-dev/convoy/blob/main/worker/task/process_event_delivery.go", "2026-11-25")
_DEFAULTS = Source("https://github.com/frain-dev/convoy/blob/main/const.go", "2026-11-25")
_SIGNING = Source("https://github.com/frain-dev/convoy/blob/main/pkg/signature/signature.go", "2026-11-25")

_PROFILE = Facts(
    schedule=_SCHEDULE.says("as the project's settings say; the default exponential schedule is seven times within 35 minutes"),
    horizon=_SCHEDULE.silent(3 * DAY),
    # Each attempt is signed, but over the body alone.
    resigned=_SIGNING.says(False),
    stable_body=_SCHEDULE.silent(None),
    stable_id=_SCHEDULE.silent(True),
    largest_body=_SCHEDULE.silent(None),
    # The default; an endpoint's settings may change it.
    timeout=_DEFAULTS.says(10.0),
    statuses=_SENDER.says("2xx succeeds; anything else is retried, unless the delivery is set to at most once"),
    # The hosted service's, on plans with fixed addresses. A self-hosted installation has its own.
    networks=_IPS.says("https://www.getconvoy.io/docs/product-manual/static-ips"),
)


def convoy_scheme(
    digest: str = "sha256", encoding: Literal["hex", "base64"] = "hex", *, advanced: bool, header: str = "X-Convoy-Signature"
) -> HmacScheme:
    """Return the scheme for a project's settings: hash, encoding, signature kind and header name."""
    if not advanced:
        return HmacScheme(signature=SignatureHeader(header, f"{{{encoding}}}"), digest=digest)
    # Convoy joins time and body with a comma; other providers use a dot.
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
    facts=_PROFILE,
    proof=("vector",),
    docs="https://www.getconvoy.io/docs/product-manual/signatures",
    note="Turn on the event-id header in the project's settings.",
)

CONVOY_ADVANCED = Preset(
    name="convoy-advanced",
    title="Convoy (advanced)",
    scheme=convoy_scheme(advanced=True),
    event_id=InHeader("X-Convoy-Event-ID"),
    event_type=InBody("type"),
    identity="id+content",
    facts=replace(_PROFILE, resigned=_SIGNING.says(True)),
    proof=("vector",),
    docs="https://www.getconvoy.io/docs/product-manual/signatures",
    note="Turn on the event-id header in the project's settings.",
)
