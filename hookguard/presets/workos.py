"""WorkOS."""

from collections.abc import Sequence

from hookguard.delivery import Delivery
from hookguard.errors import MalformedSignature
from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.base import Key, Verified
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["WORKOS", "WorkOSScheme"]

_SDK = Source("https://github.com/workos/workos-python/blob/main/src/workos/webhooks/_verification.py", "2026-11-25")
_DOCS = Source("https://workos.com/docs/events/data-syncing/webhooks", "2026-11-25")


class WorkOSScheme(HmacScheme):
    """HMAC-SHA256 over time and body; a header that lists more than one signature is rejected, as the official package does."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(
            signature=SignatureHeader("WorkOS-Signature", "t={timestamp}, v1={hex}", separator=", "),
            timestamp_unit="ms",
            signed="{timestamp}.{body}",
        )

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Count the header's items, then check the signature."""
        if (delivery.headers.one("workos-signature") or "").count(", ") > 1:
            raise MalformedSignature("the WorkOS-Signature header holds more than one time and one signature")
        return super().verify(delivery, keys)


WORKOS = Preset(
    name="workos",
    title="WorkOS",
    not_secrets=(("sk_(?:live|test)_", "an API key"),),
    scheme=WorkOSScheme(),
    event_id=InBody("id"),
    event_type=InBody("event"),
    facts=Facts(
        schedule=_DOCS.says("up to six times within three days"),
        horizon=_DOCS.says(3 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.says("200 succeeds; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("sdk",),
    docs="https://workos.com/docs/events/data-syncing/webhooks",
)
