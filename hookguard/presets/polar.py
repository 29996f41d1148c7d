"""Polar: Standard Webhooks, but for how older secrets are read."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.profile import HOUR, Profile, Source
from hookguard.schemes.base import Draft, Key, Verified
from hookguard.schemes.hmac import HmacKey, HmacScheme, SignatureHeader
from hookguard.secret import Secret

__all__ = ["POLAR", "PolarScheme"]

_SENDER = Source("https://github.com/polarsource/polar/blob/main/server/polar/webhook/tasks.py", "2026-11-25")
_DOCS = Source("https://polar.sh/docs/integrate/webhooks/delivery", "2026-11-24")


class PolarScheme(HmacScheme):
    """Standard Webhooks whose secret is its own text where it was made early, and base64 behind ``whsec_`` where later.

    Nothing in a secret says which, so both readings are tried, as the provider's own packages do.
    """

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(
            signature=SignatureHeader("webhook-signature", "v1,{base64}", separator=" "),
            timestamp=InHeader("webhook-timestamp"),
            id=InHeader("webhook-id"),
            signed="{id}.{timestamp}.{body}",
        )

    def prepare(self, secret: Secret) -> tuple[HmacKey, ...]:  # type: ignore[override]
        """Make both readings ready, or one where the text is not base64."""
        readings = [HmacKey(secret.key("text"), self.digest)]
        with suppress(ConfigurationError):
            readings.append(HmacKey(secret.key("whsec"), self.digest))
        return tuple(readings)

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Try both readings of every secret."""
        return super().verify(delivery, [key._replace(prepared=reading) for key in keys for reading in key.prepared])

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign with each secret as it is read today: base64 where it can be."""
        return super().sign(draft, [key._replace(prepared=key.prepared[-1]) for key in keys])


POLAR = Preset(
    name="polar",
    title="Polar",
    scheme=PolarScheme(),
    event_id=InHeader("webhook-id"),
    event_type=InBody("type"),
    profile=Profile(
        schedule=_DOCS.says("up to ten times, with exponential backoff"),
        # The sender waits 20 minutes at the most between two tries.
        horizon=_SENDER.silent(4 * HOUR),
        resigned=_SENDER.says(True),
        stable_body=_SENDER.silent(None),
        timeout=_DOCS.says(10.0),
        statuses=_DOCS.says("2xx succeeds, 3xx fails; ten failures in a row disable the endpoint"),
        networks=_DOCS.says("https://polar.sh/docs/integrate/webhooks/delivery"),
    ),
    proof=("sdk",),
    docs="https://polar.sh/docs/integrate/webhooks/delivery",
    note="Give the secret just as Polar shows it, whsec_ included: it knows two ways to read it, and both are tried.",
)
