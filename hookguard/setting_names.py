"""The names in a mapping of settings: any case is read, and a name that nobody knows is an error that suggests one."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from hookguard.errors import ConfigurationError

__all__ = ["known_settings"]


def known_settings(given: Mapping[Any, Any], names: Sequence[str], where: str) -> dict[str, Any]:
    """Return the mapping with its keys in lower case; ConfigurationError for a key that is not one of the ``names``."""
    found: dict[str, Any] = {}
    for key, value in given.items():
        low = str(key).lower()
        if low not in names:
            near = difflib.get_close_matches(low, names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the settings are {', '.join(names)}"
            raise ConfigurationError(f"{where}: unknown setting {key!r}; {hint}")
        found[low] = value
    return found
