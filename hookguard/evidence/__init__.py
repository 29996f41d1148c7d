"""Evidence: optional records of deliveries, kept beside the claims. They say what came, what became of it, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hookguard.errors import ConfigurationError

if TYPE_CHECKING:
    from hookguard.evidence.settings import EvidenceSettings

__all__ = ["evidence_settings"]


def evidence_settings(given: object, endpoint: str) -> EvidenceSettings | None:
    """Read an endpoint's setting ``evidence``; None for an endpoint without one, which loads nothing of this package."""
    if given is None or given is False:
        return None
    from hookguard.evidence.settings import EvidenceSettings  # noqa: PLC0415 - most applications have none

    try:
        return EvidenceSettings.of(given)
    except ConfigurationError as error:
        raise ConfigurationError(f"endpoint {endpoint!r}: {error}") from None
