"""Presets by name, for settings files and the command line.

The built-in ones are registered by :mod:`hookguard.presets`. Third parties register theirs by ``register``, or by an
entry point in the group ``hookguard.presets`` whose name is the preset's name and whose value is the Preset. Entry points
are loaded when their name is asked for, never at import.
"""

from __future__ import annotations

import difflib
from importlib.metadata import entry_points

from hookguard.errors import ConfigurationError
from hookguard.preset import Preset

__all__ = ["ENTRY_POINTS", "get", "names", "register"]

ENTRY_POINTS = "hookguard.presets"

_presets: dict[str, Preset] = {}


def register(preset: Preset) -> Preset:
    """Make a preset known by its name and return it; ConfigurationError when another one has the name."""
    known = _presets.setdefault(preset.name, preset)
    if known is not preset and known != preset:
        raise ConfigurationError(f"a preset called {preset.name!r} is already registered: choose another name")
    return preset


def get(name: str) -> Preset:
    """Return the preset of that name; ConfigurationError lists near ones when there is none."""
    if name in _presets:
        return _presets[name]
    for point in entry_points(group=ENTRY_POINTS, name=name):
        preset = point.load()
        if not isinstance(preset, Preset) or preset.name != name:
            raise ConfigurationError(f"entry point {name!r} ({point.value}) is not a Preset called {name!r}")
        return register(preset)
    near = difflib.get_close_matches(name, names(), n=3)
    hint = f"did you mean {', '.join(map(repr, near))}?" if near else f"there are {', '.join(names())}"
    raise ConfigurationError(f"no preset is called {name!r}: {hint}")


def names() -> list[str]:
    """Return every known name, sorted, third parties' included."""
    return sorted({*_presets, *(point.name for point in entry_points(group=ENTRY_POINTS))})
