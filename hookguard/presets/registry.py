"""Presets by name, for settings files and the command line.

A built-in preset is loaded when it is first used. Third parties register a preset with ``register``, or with an entry point in
the group ``hookguard.presets``: its name is the preset's name, and its value is the Preset. Entry points are loaded when their
name is used, never at import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hookguard.errors import ConfigurationError
from hookguard.preset import Preset
from hookguard.presets.built_in import CONSTANTS, load
from hookguard.presets.signature_headers import SIGNATURE_HEADERS
from hookguard.setting_names import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import EntryPoint

__all__ = ["ENTRY_POINTS", "get", "is_built_in", "loaded", "names", "register", "with_signature_header"]

ENTRY_POINTS = "hookguard.presets"

_presets: dict[str, Preset] = {}


def register(preset: Preset) -> Preset:
    """Register a preset by its name and return it; ConfigurationError if another preset has the name."""
    known = load(CONSTANTS[preset.name]) if preset.name in CONSTANTS else _presets.setdefault(preset.name, preset)
    if known is not preset and known != preset:
        raise ConfigurationError(f"a preset called {preset.name!r} is already registered: choose another name")
    return preset


def get(name: str) -> Preset:
    """Return the preset of that name. A ConfigurationError lists similar names, or says why the preset cannot be loaded."""
    if name in CONSTANTS:
        return load(CONSTANTS[name])
    if name in _presets:
        return _presets[name]
    for point in _entry_points(name):
        return register(_load(point))
    hint = suggestion(name, names(), "`hookguard presets` lists them all", most=3)
    raise ConfigurationError(f"no preset is called {name!r}: {hint}")


def is_built_in(preset: Preset) -> bool:
    """Whether it is one of this package's own presets, unchanged."""
    return preset.name in CONSTANTS and load(CONSTANTS[preset.name]) is preset


def with_signature_header(name: str) -> tuple[str, ...]:
    """Return the names of the presets whose signature or token is in this header (lower case)."""
    own = tuple(each.name for each in _presets.values() if name in each.scheme.signature_headers)
    return SIGNATURE_HEADERS.get(name, ()) + own


def names() -> list[str]:
    """Return every known name, sorted, including third parties'."""
    return sorted({*CONSTANTS, *_presets, *(point.name for point in _entry_points())})


def loaded() -> tuple[list[Preset], dict[str, ConfigurationError]]:
    """Return every preset that can be loaded, sorted by name, and for each of the others its name and the reason."""
    presets: list[Preset] = []
    broken: dict[str, ConfigurationError] = {}
    for name in names():
        try:
            presets.append(get(name))
        except ConfigurationError as error:
            broken[name] = error
    return presets, broken


def _entry_points(name: str | None = None) -> Iterable[EntryPoint]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - a fifth of the time of an import, and few need it

    found = entry_points(group=ENTRY_POINTS)
    return found if name is None else found.select(name=name)


def _load(point: EntryPoint) -> Preset:
    package = point.dist.name if point.dist else "a package without a name"
    where = f"{package}'s entry point {point.name} = {point.value}"
    try:
        preset = point.load()
    except Exception as error:
        # An error in one third-party module must not break the other presets.
        raise ConfigurationError(
            f"preset {point.name!r} cannot be loaded: {where} raised {type(error).__name__} ({error});"
            f" upgrade {package} or uninstall it"
        ) from error
    if not isinstance(preset, Preset) or preset.name != point.name:
        raise ConfigurationError(f"preset {point.name!r} cannot be loaded: {where} is not a Preset called {point.name!r}")
    return preset
