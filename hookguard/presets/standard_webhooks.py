"""Standard Webhooks, with a shared secret (v1) or a public key (v1a), and Svix, which uses other header names."""

from dataclasses import replace

from hookguard.facts import HOUR, MINUTE, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader
from hookguard.schemes.public_key import PublicKeyScheme
from hookguard.secret import SecretFormat

__all__ = [
    "STANDARD_WEBHOOKS",
    "STANDARD_WEBHOOKS_V1A",
    "SVIX",
    "SVIX_V1A",
    "standard_scheme",
    "standard_v1a_scheme",
]

_SPEC = Source("https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md", "2026-11-24")
_SVIX = Source("https://docs.svix.com/retries", "2026-11-25")
_SVIX_IPS = Source("https://docs.svix.com/receiving/source-ips", "2026-11-25")
_SVIX_SENDER = Source("https://github.com/svix/svix-webhooks/blob/main/server/svix-server/src/worker.rs", "2026-11-25")


def standard_scheme(prefix: str, secret_format: SecretFormat = "whsec") -> HmacScheme:
    """Return the v1 scheme with the three headers behind ``prefix``; ``secret_format`` is for senders with another form."""
    return HmacScheme(
        signature=SignatureHeader(f"{prefix}-signature", "v1,{base64}", separator=" "),
        timestamp=InHeader(f"{prefix}-timestamp"),
        id=InHeader(f"{prefix}-id"),
        signed="{id}.{timestamp}.{body}",
        secret_format=secret_format,
    )


def standard_v1a_scheme(prefix: str) -> PublicKeyScheme:
    """Return the v1a scheme with the three headers behind ``prefix``: Ed25519 over v1's content, with a ``whpk_`` key."""
    return PublicKeyScheme(
        signature=SignatureHeader(f"{prefix}-signature", "v1a,{base64}", separator=" "),
        algorithm="ed25519",
        timestamp=InHeader(f"{prefix}-timestamp"),
        id=InHeader(f"{prefix}-id"),
        signed="{id}.{timestamp}.{body}",
    )


STANDARD_WEBHOOKS = Preset(
    name="standard-webhooks",
    title="Standard Webhooks",
    secret_shape="whsec_[A-Za-z0-9+/=]{24,}",
    scheme=standard_scheme("webhook"),
    event_id=InHeader("webhook-id"),
    event_type=InBody("type"),
    facts=Facts(
        schedule=_SPEC.says("the sender's choice; the specification's example: nine times over 75 hours and 35 minutes"),
        horizon=_SPEC.says(75 * HOUR + 35 * MINUTE + 5),
        resigned=_SPEC.says(True),
        stable_body=_SPEC.silent(None),
        stable_id=_SPEC.says(True),
        largest_body=_SPEC.silent(None),
        timeout=_SPEC.says(30.0),
        statuses=_SPEC.says("2xx succeeds; 3xx fails; 410 disables the endpoint; 429, 502 and 504 slow the sender down"),
        networks=_SPEC.silent(None),
    ),
    proof=("vector", "sdk"),
    docs="https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
    note=(
        "The times are the specification's advice (for the timeout, the longer of 15 to 30 s). If your sender's times are"
        " longer, set lease and retention."
    ),
)

SVIX = Preset(
    name="svix",
    title="Svix",
    secret_shape="whsec_[A-Za-z0-9+/=]{24,}",
    not_secrets=(("(?:test|auth)sk_", "an API key"),),
    scheme=standard_scheme("svix"),
    event_id=InHeader("svix-id"),
    event_type=InBody("type"),
    facts=Facts(
        schedule=_SVIX.says("after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h"),
        horizon=_SVIX.says(27 * HOUR + 35 * MINUTE + 5),
        resigned=_SVIX_SENDER.says(True),
        stable_body=_SVIX.silent(None),
        stable_id=_SVIX.silent(True),
        largest_body=_SVIX.silent(None),
        timeout=_SVIX.says(15.0),
        statuses=_SVIX.says(
            "2xx succeeds, 3xx fails; webhook-delivery: abort-message stops retries; five days of failures disable the endpoint"
        ),
        networks=_SVIX_IPS.says("https://docs.svix.com/receiving/source-ips"),
    ),
    proof=("vector", "sdk"),
    docs="https://docs.svix.com/receiving/verifying-payloads/how-manual",
    note="For senders that rename the headers to webhook-*, use the preset standard-webhooks.",
)

_PINNED = "The key is the sender's public key (whpk_…): copy it from the sender's page, never from a delivery."

STANDARD_WEBHOOKS_V1A = replace(
    STANDARD_WEBHOOKS,
    name="standard-webhooks-v1a",
    title="Standard Webhooks (v1a)",
    scheme=standard_v1a_scheme("webhook"),
    proof=("vector",),
    note=f"{_PINNED} {STANDARD_WEBHOOKS.note}",
)

SVIX_V1A = replace(SVIX, name="svix-v1a", title="Svix (v1a)", scheme=standard_v1a_scheme("svix"), proof=("vector",), note=_PINNED)
