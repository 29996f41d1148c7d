"""The page as a blueprint."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import quote

from flask import Blueprint, Flask, Request, Response
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import HTTPException

from hookguard.guard.bridge import run_sync
from hookguard.page.door import Door
from hookguard.page.mount import need_allow, open_page
from hookguard.page.site import LARGEST_FORM, Page, PageRequest
from hookguard_flask.delivery import response_of
from hookguard_flask.guards import guards_of
from hookguard_flask.receiving import app_and_request

__all__ = ["Allow", "PageBlueprint"]

#: Returns None, or the visitor's name and a set of ``look``, ``open``, ``rerun``, ``drop``.
Allow = Callable[..., Any]

#: Every method: for one that the page does not take, Flask's own 405 would say that the page is there.
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class PageBlueprint(Blueprint):
    """The views of the page. Flask-WTF's CSRFProtect leaves it alone: its forms carry a token of their own."""

    signs_its_forms = True

    def __init__(self, allow: Allow | None, secret_key: str | bytes | None) -> None:
        need_allow(allow, "hooks.page(allow=who)")
        if secret_key is not None:
            Door(secret_key)
        super().__init__("hookguard_page", __name__)
        self._allow = allow
        self._secret_key = secret_key
        self._pages: weakref.WeakKeyDictionary[Flask, Page] = weakref.WeakKeyDictionary()
        # A redirect to the path without a second slash would say that the page is there.
        options: dict[str, Any] = {"strict_slashes": False, "merge_slashes": False, "provide_automatic_options": False}
        for rule in ("/", "/<path:rest>"):
            self.add_url_rule(rule, "page", self._view, methods=_METHODS, **options)
        self.record(self._check)

    def _view(self, rest: str = "", **_: object) -> Response:
        app, request = app_and_request()
        allowed = app.ensure_sync(self._allow)(request)  # type: ignore[arg-type]  # it was checked
        path = request.path[: -len(rest)] if rest else request.path
        asked = PageRequest(
            request.method,
            quote((request.root_path + path).rstrip("/")),
            rest,
            request.args.to_dict(),
            _form(request) if allowed else {},
            {name.lower(): value for name, value in request.headers.items()},
        )
        return response_of(run_sync(self._page(app).answer(asked, allowed)))

    def _page(self, app: Flask) -> Page:
        if (page := self._pages.get(app)) is None:
            page = self._pages[app] = open_page(guards_of(app).settings, self._key(app))
        return page

    def _check(self, state: BlueprintSetupState) -> None:
        """Find mistakes when the blueprint is registered. The default store makes a file, so the first request opens it."""
        app = cast("Flask", state.app)  # typed as the base of Flask
        Door(self._key(app))
        if "hookguard" in app.extensions and guards_of(app).settings.names_store:
            self._page(app)

    def _key(self, app: Flask) -> str | bytes | None:
        return self._secret_key if self._secret_key is not None else app.secret_key


def _form(request: Request) -> dict[str, str]:
    """Return the fields of a form; none of a large one, so that the page rejects it."""
    if request.method != "POST":
        return {}
    request.max_content_length = LARGEST_FORM
    try:
        return request.form.to_dict()
    except HTTPException:
        return {}
