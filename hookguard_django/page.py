"""The page as URLs of Django, for ``path("ops/webhooks/", page_urls())``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.apps import apps
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import re_path

from hookguard import ConfigurationError, Reply
from hookguard.guard.bridge import call_inline, run_sync
from hookguard.page.mount import need_allow, open_page
from hookguard.page.site import Page, PageRequest
from hookguard_django.conf import Once, endpoints, in_thread

__all__ = ["page_urls"]

#: Returns None, or the visitor's name and a set of ``look``, ``open``, ``rerun``, ``drop``.
Allow = Callable[..., Any]

#: The permission for each word, of the model WebhookInbox.
_PERMISSIONS: Final = {"look": "view", "open": "open", "rerun": "rerun", "drop": "drop"}


def page_urls(allow: Allow | None = None) -> tuple[list[Any], str, str]:
    """Return the URLs of the page.

    By default it lets staff in who may view inbox entries; the model's other permissions decide on bodies, rerun and drop, and
    ``hookguard.view_delivery`` on the records of rejected deliveries.
    Another ``allow(request)`` returns None, or a name and a set of ``look``, ``open``, ``rerun``, ``drop``.

    Raises ConfigurationError if the store keeps no deliveries, and without ``allow`` if ``django.contrib.auth`` is not installed.
    """
    if allow is None:
        if not apps.is_installed("django.contrib.auth"):
            raise ConfigurationError(
                'page: Django\'s permissions decide who sees it, and "django.contrib.auth" is not in INSTALLED_APPS: add it, or'
                " give allow, as in page_urls(allow=who)"
            )
        allow = _staff
    need_allow(allow, "page_urls(allow=who)")
    view = _async_view(allow) if _opens_asynchronous() else _view(allow)
    for setting in ("csrf_exempt", "xframe_options_exempt"):
        setattr(view, setting, True)  # its forms carry a token of their own, and its policy forbids frames
    view.login_required = False  # type: ignore[attr-defined]  # a redirect to the login would say that the page is there
    view.should_append_slash = False  # type: ignore[attr-defined]  # and so would one to the path with a slash
    return [re_path(r"\A(?P<rest>(?s:.*))\Z", view, name="page")], "hookguard_page", "hookguard_page"


def _opens_asynchronous() -> bool:
    """Open the page's inbox if the settings name a store; return whether it is asynchronous."""
    try:
        named = endpoints().names_store
    except ConfigurationError:
        return False  # the system checks report it
    if not named:
        return False  # the first request opens the default store, which is not asynchronous
    _page()
    return inspect.iscoroutinefunction(endpoints().store.claim)


def _view(allow: Allow) -> Callable[..., Any]:
    def page(request: HttpRequest, rest: str) -> HttpResponse:
        allowed = allow(request)
        records = allow is not _staff or _sees_records(request)
        return _response(run_sync(_page().answer(_asked(request, rest, reads=bool(allowed)), allowed, records=records)))

    return page


def _async_view(allow: Allow) -> Callable[..., Any]:
    async def page(request: HttpRequest, rest: str) -> HttpResponse:
        # Permissions are read from the database.
        allowed = await (allow(request) if iscoroutinefunction(allow) else sync_to_async(allow)(request))
        records = allow is not _staff or await sync_to_async(_sees_records)(request)
        asked = await sync_to_async(_asked)(request, rest, reads=bool(allowed))
        return _response(await _page().answer(asked, allowed, records=records))

    return page


@Once
def _page() -> Page:
    blocking = not inspect.iscoroutinefunction(endpoints().store.claim)
    return open_page(endpoints(), settings.SECRET_KEY, call_inline if blocking else in_thread)


def _staff(request: HttpRequest) -> tuple[str, set[str]] | None:
    """Return the name and the rights of a user of the staff; None for anybody else, and where no middleware sets the user."""
    user: Any = getattr(request, "user", None)
    if user is None or not (user.is_active and user.is_staff):
        return None
    return user.get_username(), {word for word, name in _PERMISSIONS.items() if user.has_perm(f"hookguard.{name}_webhookinbox")}


def _sees_records(request: HttpRequest) -> bool:
    """Whether a user of the staff may see the records of deliveries: Django's admin asks the same permission."""
    user: Any = getattr(request, "user", None)
    return user is not None and bool(user.has_perm("hookguard.view_delivery"))


def _asked(request: HttpRequest, rest: str, *, reads: bool) -> PageRequest:
    """Return the request; its form is read for a visitor only."""
    path = request.path[: -len(rest)] if rest else request.path
    return PageRequest(
        request.method or "GET",
        quote(path.rstrip("/")),
        rest,
        request.GET.dict(),
        request.POST.dict() if reads else {},
        {name.lower(): value for name, value in request.headers.items()},
    )


def _response(reply: Reply) -> HttpResponse:
    return HttpResponse(reply.body, status=reply.status, headers=dict(reply.headers))
