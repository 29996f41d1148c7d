"""Guards paths whose views cannot be decorated: ``HOOKGUARD["PATHS"] = {"/hooks/stripe/": "stripe"}``.

The view is what is guarded: Django may come to it by other spellings of the path too, and a forged delivery would take those.
Put it above ``CsrfViewMiddleware`` and above anything that reads ``request.POST``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Union

from asgiref.sync import async_to_sync, iscoroutinefunction, markcoroutinefunction
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import get_resolver

from hookguard_django.conf import guarded_views, paths
from hookguard_django.decorator import MARK, webhook

__all__ = ["WebhookMiddleware"]

_GetResponse = Callable[[HttpRequest], Union[HttpResponseBase, Awaitable[HttpResponseBase]]]


class WebhookMiddleware:
    """Calls the view of a guarded path through the guard, before Django would, however it was reached; synchronous and not."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: _GetResponse) -> None:
        self.get_response = get_response
        paths()  # a mistake in the setting is found when the server starts
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Pass the request on."""
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        """Answer by the guarded view, which spares it the CSRF check that comes later in the list."""
        if hasattr(view, MARK) or (endpoint := _endpoint(request, view)) is None:
            return None
        guarded: Callable[..., Any] = webhook(endpoint)(view)
        if iscoroutinefunction(view):
            guarded = async_to_sync(guarded)
        response: HttpResponseBase = guarded(request, *args, **kwargs)
        return response


def _endpoint(request: HttpRequest, view: Callable[..., Any]) -> str | None:
    """The endpoint that guards this request, if one does; Http404 where the view has several and the path names none."""
    if (named := paths().get(request.path_info)) is not None:
        return named
    endpoints = guarded_views(get_resolver(getattr(request, "urlconf", None))).get(view, set())
    if len(endpoints) > 1:
        raise Http404(f"this view is guarded by {sorted(endpoints)}: spell the path as PATHS in settings.HOOKGUARD does")
    return next(iter(endpoints), None)
