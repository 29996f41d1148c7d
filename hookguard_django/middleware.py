"""Guards paths whose views cannot be decorated: ``HOOKGUARD["PATHS"] = {"/hooks/stripe/": "stripe"}``.

The view is what is guarded: Django may come to it by other spellings of the path too, and a forged delivery would take those.
Put it above ``CsrfViewMiddleware`` and above anything that reads ``request.POST``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Union

from asgiref.sync import async_to_sync, iscoroutinefunction, markcoroutinefunction
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import URLResolver, get_resolver

from hookguard.head.spelling import canonical_path
from hookguard_django.conf import guarded_requests, guarded_views, need_app, paths
from hookguard_django.decorator import MARK, webhook

__all__ = ["WebhookMiddleware", "endpoint_by_path"]

#: Requests whose endpoint is remembered, and the longest of their paths: senders choose them.
MOST_KNOWN = 512
LONGEST_KNOWN = 256

_GetResponse = Callable[[HttpRequest], Union[HttpResponseBase, Awaitable[HttpResponseBase]]]


class WebhookMiddleware:
    """Calls the view of a guarded path through the guard, before Django would, however it was reached; synchronous and not."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: _GetResponse) -> None:
        self.get_response = get_response
        paths()  # a mistake in the setting is found when the server starts
        need_app()
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Pass the request on."""
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        """Answer by the guarded view, which spares it the CSRF check that comes later in the list."""
        if hasattr(view, MARK) or (endpoint := endpoint_by_path(request, view)) is None:
            return None
        guarded: Callable[..., Any] = webhook(endpoint)(view)
        if iscoroutinefunction(view):
            guarded = async_to_sync(guarded)
        response: HttpResponseBase = guarded(request, *args, **kwargs)
        return response


def endpoint_by_path(request: HttpRequest, view: Callable[..., Any]) -> str | None:
    """Return the endpoint that guards this request, if one does; Http404 where the view has several and the path names none.

    Another spelling of a guarded path is guarded too: the URLs may lead it to a view of its own, such as a second ``as_view()``.
    """
    resolver = get_resolver(getattr(request, "urlconf", None))
    came = (request.path_info, view, resolver)
    try:
        # Every request asks, webhook or not. To find the answer each time cost 20 % of another route.
        return guarded_requests[came]
    except KeyError:
        pass  # not the cause of errors below
    found = _endpoint_by_path(request, view, resolver)
    if len(guarded_requests) >= MOST_KNOWN:
        guarded_requests.clear()
    if len(request.path_info) <= LONGEST_KNOWN:
        guarded_requests[came] = found
    return found


def _endpoint_by_path(request: HttpRequest, view: Callable[..., Any], resolver: URLResolver) -> str | None:
    known = paths()
    if (named := known.get(request.path_info)) is not None:
        return named
    endpoints = guarded_views(resolver).get(view, set())
    if not endpoints:
        came = canonical_path(request.path_info)
        endpoints = {name for path, name in known.items() if canonical_path(path) == came}
    if len(endpoints) > 1:
        raise Http404(f"this view is guarded by {sorted(endpoints)}: spell the path as PATHS in settings.HOOKGUARD does")
    return next(iter(endpoints), None)
