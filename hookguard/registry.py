"""Presets by name, for settings files and the command line.

The built-in ones are registered by :mod:`hookguard.presets`. Third parties register theirs by ``register``, or by an
entry point in the group ``hookguard.presets`` whose name is the preset's name and whose value is the Preset. Entry points
are loaded when their name is asked for, never at import.
"""

from __future__ import annotations

import difflib
from importlib.metadata import EntryPoint, entry_points

from hookguard.errors import ConfigurationError
from hookguard.preset import Preset

__all__ = ["ENTRY_POINTS", "get", "loaded", "names", "register"]

ENTRY_POINTS = "hookguard.presets"

_presets: dict[str, Preset] = {}


def register(preset: Preset) -> Preset:
    """Make a preset known by its name and return it; ConfigurationError when another one has the name."""
    known = _presets.setdefault(preset.name, preset)
    if known is not preset and known != preset:
        raise ConfigurationError(f"a preset called {preset.name!r} is already registered: choose another name")
    return preset


def get(name: str) -> Preset:
    """Return the preset of that name; ConfigurationError lists near ones when there is none, or says why it cannot be loaded."""
    if name in _presets:
        return _presets[name]
    for point in entry_points(group=ENTRY_POINTS, name=name):
        return register(_load(point))
    near = difflib.get_close_matches(name, names(), n=3)
    hint = f"did you mean {', '.join(map(repr, near))}?" if near else f"there are {', '.join(names())}"
    raise ConfigurationError(f"no preset is called {name!r}: {hint}")


def names() -> list[str]:
    """Return every known name, sorted, third parties' included."""
    return sorted({*_presets, *(point.name for point in entry_points(group=ENTRY_POINTS))})


def loaded() -> tuple[list[Preset], dict[str, ConfigurationError]]:
    """Return every preset that can be loaded, in the order of their names, and by name why each of the others cannot."""
    presets: list[Preset] = []
    broken: dict[str, ConfigurationError] = {}
    for name in names():
        try:
            presets.append(get(name))
        except ConfigurationError as error:
            broken[name] = error
    return presets, broken


def _load(point: EntryPoint) -> Preset:
    package = point.dist.name if point.dist else "a package without a name"
    where = f"{package}'s entry point {point.name} = {point.value}"
    try:
        preset = point.load()
    except Exception as error:
        # Whatever a stranger's module raises must not break what has nothing to do with it.
        raise ConfigurationError(
            f"preset {point.name!r} cannot be loaded: {where} raised {type(error).__name__} ({error});"
            f" upgrade {package} or uninstall it"
        ) from error
    if not isinstance(preset, Preset) or preset.name != point.name:
        raise ConfigurationError(f"preset {point.name!r} cannot be loaded: {where} is not a Preset called {point.name!r}")
    return preset
