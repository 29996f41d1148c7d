"""Guards paths whose views cannot be decorated: ``HOOKGUARD["PATHS"] = {"/hooks/stripe/": "stripe"}``.

Put it above ``CsrfViewMiddleware`` and above anything that reads ``request.POST``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Union

from asgiref.sync import async_to_sync, iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase

from hookguard_django.conf import paths
from hookguard_django.decorator import MARK, webhook

__all__ = ["WebhookMiddleware"]

_GetResponse = Callable[[HttpRequest], Union[HttpResponseBase, Awaitable[HttpResponseBase]]]


class WebhookMiddleware:
    """Calls the view of a guarded path through the guard, before Django would; synchronous and not."""

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
        """Answer a guarded path by the guarded view, which spares it the CSRF check that comes later in the list."""
        endpoint = paths().get(request.path_info)
        if endpoint is None or hasattr(view, MARK):
            return None
        guarded: Callable[..., Any] = webhook(endpoint)(view)
        if iscoroutinefunction(view):
            guarded = async_to_sync(guarded)
        response: HttpResponseBase = guarded(request, *args, **kwargs)
        return response
