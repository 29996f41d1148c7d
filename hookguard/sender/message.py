"""The headers of a webhook that is sent: Standard Webhooks, signed for each attempt with every secret that is valid then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from hookguard.errors import ConfigurationError
from hookguard.preset import make_keys
from hookguard.presets import STANDARD_WEBHOOKS
from hookguard.privacy.shown import printable
from hookguard.record import hides_arguments
from hookguard.schemes.base import Draft
from hookguard.secret import SecretLike
from hookguard.version import __version__

__all__ = ["Signer", "as_header", "usual_headers"]

#: Longest value of a header for people, in characters.
LONGEST = 255


class Signer:
    """Signs messages for one receiver. ConfigurationError for a secret that is not one of Standard Webhooks (``whsec_…``).

    Several secrets make several signatures, so that a receiver may change from one to the other at any time between. A secret
    that is not valid yet, or any more, is left out: see ``not_before`` and ``not_after`` of Secret.
    """

    @hides_arguments
    def __init__(self, secrets: SecretLike | Iterable[SecretLike], clock: Callable[[], float] = time.time) -> None:
        self._keys = make_keys(STANDARD_WEBHOOKS, secrets)
        self._clock = clock

    def sign(self, id: str, body: bytes) -> dict[str, str]:  # noqa: A002 - the field's own word
        """Return the three headers of a message that is sent now; ConfigurationError if no secret is valid now."""
        now = self._clock()
        keys = tuple(key for key in self._keys if key.secret.valid_at(now))
        if not keys:
            raise ConfigurationError("no secret is valid now: add one whose not_before and not_after include this time")
        signed = STANDARD_WEBHOOKS.scheme.sign(Draft(body, {}, "POST", "", id, now), keys)
        return dict(signed.headers.items())


def usual_headers(body_type: str) -> dict[str, str]:
    """Return the headers of every message besides its signature."""
    return {"Content-Type": body_type, "User-Agent": f"hookguard/{__version__}", "Accept-Encoding": "identity"}


def as_header(text: str) -> str:
    """Return a text as the value of a header that people read: printable ASCII of at most 255 characters."""
    return printable(text).encode("ascii", "backslashreplace").decode()[:LONGEST].strip()
