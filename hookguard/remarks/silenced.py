"""The setting ``silenced_checks``: ids of the doctor's checks that must not count, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookguard.errors import ConfigurationError

__all__ = ["read_silenced"]


def read_silenced(given: Any, where: str) -> dict[str, str]:
    """Return the reasons by their ids; ConfigurationError, which names the setting ``where``, for an id without a reason."""
    reasons = dict(given) if isinstance(given, Mapping) else {"": ""}
    if not all(isinstance(text, str) and text.strip() for pair in reasons.items() for text in pair):
        raise ConfigurationError(
            f"{where}: silenced_checks must map a check's id to the reason, as in {{'U2': 'the dashboard has the slash'}}"
        )
    return reasons
