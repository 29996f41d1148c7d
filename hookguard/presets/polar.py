"""Polar: Standard Webhooks, with two ways to read a secret."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError
from hookguard.facts import HOUR, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.schemes.base import Draft, Key, Verified
from hookguard.schemes.hmac import HmacKey, HmacScheme, SignatureHeader
from hookguard.secret import Secret

__all__ = ["POLAR", "PolarScheme"]

_SENDER = Source("https://github.com/polarsource/polar/blob/main/server/polar/webhook/tasks.py", "2026-11-25")
_DOCS = Source("https://polar.sh/docs/integrate/webhooks/delivery", "2026-11-24")


class PolarScheme(HmacScheme):
    """Standard Webhooks. An older secret's text is the key; a newer secret is base64 behind ``whsec_``.

    A secret does not show its age, so both readings are tried, as in the provider's own packages.
    """

    __slots__ = ()

    tries_last_match_first = False  # verify makes a list of both readings, which has one order

    def __init__(self) -> None:
        super().__init__(
            signature=SignatureHeader("webhook-signature", "v1,{base64}", separator=" "),
            timestamp=InHeader("webhook-timestamp"),
            id=InHeader("webhook-id"),
            signed="{id}.{timestamp}.{body}",
        )

    def prepare(self, secret: Secret) -> tuple[HmacKey, ...]:  # type: ignore[override]
        """Prepare both readings, or one if the text is not base64."""
        readings = [HmacKey(secret.key("text"), self.digest)]
        with suppress(ConfigurationError):
            readings.append(HmacKey(secret.key("whsec"), self.digest))
        return tuple(readings)

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Try both readings of every secret."""
        return super().verify(delivery, [Key(key.name, key.secret, reading) for key in keys for reading in key.prepared])

    def expected(self, delivery: Delivery, key: Key) -> tuple[str, ...]:
        """Return the signature by each reading."""
        first, *others = (super(PolarScheme, self).expected(delivery, key._replace(prepared=one)) for one in key.prepared)
        return first + tuple(made for each in others for made in each)

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign with the newer reading of each secret: base64 if it can be decoded."""
        return super().sign(draft, [key._replace(prepared=key.prepared[-1]) for key in keys])


POLAR = Preset(
    name="polar",
    title="Polar",
    secret_shape="polar_whs_[A-Za-z0-9]{32,}|whsec_[A-Za-z0-9+/=]{24,}",
    not_secrets=(("polar_(?:oat|pat|at)_", "an access token"),),
    scheme=PolarScheme(),
    event_id=InHeader("webhook-id"),
    event_type=InBody("type"),
    facts=Facts(
        schedule=_DOCS.says("up to ten times, with exponential backoff"),
        # The sender waits at most 20 minutes between two attempts.
        horizon=_SENDER.silent(4 * HOUR),
        resigned=_SENDER.says(True),
        stable_body=_SENDER.silent(None),
        stable_id=_SENDER.silent(True),
        largest_body=_SENDER.silent(None),
        timeout=_DOCS.says(10.0),
        statuses=_DOCS.says("2xx succeeds, 3xx fails; ten failures in a row disable the endpoint"),
        networks=_DOCS.says("https://polar.sh/docs/integrate/webhooks/delivery"),
    ),
    proof=("sdk",),
    docs="https://polar.sh/docs/integrate/webhooks/delivery",
    note="Give the secret exactly as Polar shows it, with whsec_. Polar reads a secret in one of two ways, and both are tried.",
)
