"""Presets, one file for each provider, and the registry of names.

A preset is loaded when it is first used: as ``presets.STRIPE``, by ``from hookguard.presets import STRIPE``, or by its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hookguard.presets.built_in import CONSTANTS, load
from hookguard.presets.registry import get, names, register

if TYPE_CHECKING:
    from hookguard.preset import Preset
    from hookguard.presets.generic import generic_hmac

    BUILT_IN: tuple[Preset, ...]

__all__ = ["BUILT_IN", "generic_hmac", "get", "names", "register"]


def __getattr__(name: str) -> Preset:
    """Load a preset by its constant; ``BUILT_IN`` is the tuple of all built-in presets."""
    if name in CONSTANTS.values():
        found: object = load(name)
    elif name == "BUILT_IN":
        found = tuple(map(load, CONSTANTS.values()))
    elif name == "generic_hmac":
        from hookguard.presets.generic import generic_hmac as found  # noqa: PLC0415 - loaded when it is asked for
    else:
        raise AttributeError(f"hookguard has no preset {name!r}: `hookguard presets` lists them all")
    globals()[name] = found
    return found  # type: ignore[return-value]  # type checkers know the other two from above


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *CONSTANTS.values()})
