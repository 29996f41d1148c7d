"""Mollie's signed webhooks. The older ones are not signed: a form with an id, to query at Mollie."""

from hookguard.facts import HOUR, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["MOLLIE"]

_DOCS = Source("https://docs.mollie.com/reference/webhooks-new", "2026-11-25")
_IPS = Source("https://help.mollie.com/hc/en-us/articles/213470829-Which-IP-addresses-does-Mollie-use", "2026-11-25")

MOLLIE = Preset(
    name="mollie",
    title="Mollie",
    not_secrets=((r"(?:test|live)_[A-Za-z0-9]{24,}\Z", "an API key"),),
    # The header may come several times during a rotation. The official validator accepts it without the prefix too.
    scheme=HmacScheme(signature=SignatureHeader("X-Mollie-Signature", "sha256={hex}", repeated=True, optional_prefix=True)),
    event_id=InBody("id"),
    event_type=InBody("type"),
    facts=Facts(
        # The older webhooks' schedule; the page on the signed ones states none.
        schedule=_DOCS.silent("ten times over 26 hours"),
        horizon=_DOCS.silent(26 * HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(15.0),
        statuses=_DOCS.silent("2xx succeeds; anything else is retried"),
        networks=_IPS.says("https://ip-ranges.mollie.com/ips.txt"),
    ),
    networks_field="",
    proof=("sdk",),
    docs="https://docs.mollie.com/reference/webhooks-new",
    note=(
        "Only webhooks created with a signing secret are signed. The older ones (a form with an id) are not signed and are"
        " rejected."
    ),
)
