"""Flask-WTF's CSRFProtect and guarded views: a provider has no token, and its signature says more than one."""

from __future__ import annotations

from typing import Any

from flask import Flask

from hookguard_flask.routes import guards_every_change

__all__ = ["exempt_guarded", "not_exempt"]


def exempt_guarded(app: Flask) -> None:
    """Exempt the views that can only be changed through a guard.

    Flask-WTF knows views by module and name: where an unguarded view has the same, neither is exempt.
    """
    csrf = app.extensions.get("csrf")
    if csrf is None:
        return
    for blueprint in app.blueprints.values():
        if getattr(blueprint, "signs_its_forms", False):  # the page
            csrf.exempt(blueprint)
    guarded, unguarded = _by_name(app)
    for known_as, view in guarded.items():
        if known_as not in unguarded:
            csrf.exempt(view)


def not_exempt(app: Flask) -> list[str]:
    """Return the guarded views that cannot be exempt, because an unguarded view has the same name; empty without Flask-WTF."""
    if app.extensions.get("csrf") is None:
        return []
    guarded, unguarded = _by_name(app)
    return [".".join(known_as) for known_as in guarded.keys() & unguarded]


def _by_name(app: Flask) -> tuple[dict[tuple[str, str], Any], set[tuple[str, str]]]:
    """Return the guarded views by module and name, and the modules and names of the others."""
    guarded: dict[tuple[str, str], Any] = {}
    unguarded: set[tuple[str, str]] = set()
    for endpoint, view in app.view_functions.items():
        known_as = (view.__module__, getattr(view, "__name__", ""))
        if guards_every_change(app, endpoint):
            guarded[known_as] = view
        else:
            unguarded.add(known_as)
    return guarded, unguarded
