"""Telnyx."""

from hookguard.facts import HOUR, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.schemes.hmac import SignatureHeader
from hookguard.schemes.public_key import PublicKey, PublicKeyScheme, read_public_key
from hookguard.secret import Secret

__all__ = ["TELNYX", "TelnyxScheme"]

_SDK = Source("https://github.com/team-telnyx/telnyx-python/blob/master/src/telnyx/lib/webhook_verification.py", "2026-11-25")
_DOCS = Source("https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks", "2026-11-25")


class TelnyxScheme(PublicKeyScheme):
    """Ed25519 with a public key shown as the base64 of its 32 bytes."""

    __slots__ = ()

    def prepare(self, secret: Secret) -> PublicKey:
        """Read the key."""
        value = secret.value("public_key")
        return read_public_key(f"whpk_{value}" if isinstance(value, str) and len(value) == 44 else value, self.algorithm)


TELNYX = Preset(
    name="telnyx",
    title="Telnyx",
    scheme=TelnyxScheme(
        signature=SignatureHeader("telnyx-signature-ed25519", "{base64}"),
        algorithm="ed25519",
        timestamp=InHeader("telnyx-timestamp"),
        signed="{timestamp}|{body}",
    ),
    event_id=InBody("data.id"),
    event_type=InBody("data.event_type"),
    facts=Facts(
        schedule=_DOCS.silent("up to three times at the URL and three at the failover URL"),
        horizon=_DOCS.silent(HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.says(2.0),
        statuses=_DOCS.silent("2xx succeeds; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("sdk",),
    docs="https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks",
    note="The key is the account's public key, as Mission Control shows it.",
)
