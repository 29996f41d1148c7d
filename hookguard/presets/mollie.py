"""Mollie's signed webhooks (the older ones are unsigned: a form with an id to be asked for)."""

from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.profile import HOUR, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["MOLLIE"]

_DOCS = Source("https://docs.mollie.com/reference/webhooks-new", "2026-11-25")
_IPS = Source("https://help.mollie.com/hc/en-us/articles/213470829-Which-IP-addresses-does-Mollie-use", "2026-11-25")

MOLLIE = Preset(
    name="mollie",
    title="Mollie",
    # The header may come several times while a secret is being rotated; the official validator takes it without prefix too.
    scheme=HmacScheme(signature=SignatureHeader("X-Mollie-Signature", "sha256={hex}", repeated=True, optional_prefix=True)),
    event_id=InBody("id"),
    event_type=InBody("type"),
    profile=Profile(
        # The older webhooks' schedule; the page on the signed ones gives none.
        schedule=_DOCS.silent("ten times over 26 hours"),
        horizon=_DOCS.silent(26 * HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(15.0),
        statuses=_DOCS.silent("2xx succeeds; anything else is tried again"),
        networks=_IPS.says("https://ip-ranges.mollie.com/ips.txt"),
    ),
    proof=("sdk",),
    docs="https://docs.mollie.com/reference/webhooks-new",
    note="Only the webhooks made with a signing secret are signed. The older ones (a form with an id) are not, and are refused.",
)
