"""Flask-WTF's CSRFProtect and guarded views: a provider has no token, and its signature says more than one."""

from __future__ import annotations

from flask import Flask

from hookguard_flask.marks import guards_every_change

__all__ = ["exempt_guarded"]


def exempt_guarded(app: Flask) -> None:
    """Exempt the views that can only be changed through a guard.

    Flask-WTF knows views by module and name: where an unguarded view has the same, neither is exempt.
    """
    csrf = app.extensions.get("csrf")
    if csrf is None:
        return
    guarded, unguarded = {}, set()
    for endpoint, view in app.view_functions.items():
        known_as = (view.__module__, getattr(view, "__name__", ""))
        if guards_every_change(app, endpoint):
            guarded[known_as] = view
        else:
            unguarded.add(known_as)
    for known_as, view in guarded.items():
        if known_as not in unguarded:
            csrf.exempt(view)
