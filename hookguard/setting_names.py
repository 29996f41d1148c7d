"""Names in settings: any case is read, and the error for a name that nobody knows suggests one that is similar."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hookguard.errors import ConfigurationError

__all__ = ["known_settings", "similar", "suggestion"]


def known_settings(given: Mapping[Any, Any], names: Sequence[str], where: str) -> dict[str, Any]:
    """Return the mapping with its keys in lower case; ConfigurationError for a key that is not one of the ``names``."""
    found: dict[str, Any] = {}
    for key, value in given.items():
        low = str(key).lower()
        if low not in names:
            hint = suggestion(low, names, f"the settings are {', '.join(names)}")
            raise ConfigurationError(f"{where}: unknown setting {key!r}; {hint}")
        found[low] = value
    return found


def suggestion(name: str, names: Iterable[str], otherwise: str, *, most: int = 1) -> str:
    """Return a question with the names that are similar, or ``otherwise`` if none is."""
    near = similar(name, names, most=most)
    return f"did you mean {', '.join(map(repr, near))}?" if near else otherwise


def similar(name: str, names: Iterable[str], *, most: int = 1) -> list[str]:
    """Return the names that are similar, the most similar first."""
    import difflib  # noqa: PLC0415 - only a mistake needs it

    return difflib.get_close_matches(name, list(names), n=most)
