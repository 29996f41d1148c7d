"""Django's ASGI application with the endpoints' own body limits: rejects a body while it comes, before Django keeps it.

Django under ASGI writes a whole body to memory or disk before any view or middleware runs, however large it is and whether it
is signed or not. Here a delivery to a guarded view is counted as its chunks arrive.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.core.asgi import get_asgi_application as django_application
from django.core.handlers.asgi import ASGIRequest
from django.urls import get_resolver

from hookguard import AsyncGuard, Guard, Reply
from hookguard.errors import BodyTooLarge
from hookguard_django.conf import async_guard_for, endpoints, guard_for
from hookguard_django.decorator import endpoint_of
from hookguard_django.delivery import LIMITED, head_of
from hookguard_django.middleware import endpoint_by_path

__all__ = ["BodyLimit", "get_asgi_application"]

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


def get_asgi_application() -> BodyLimit:
    """Return Django's ASGI application behind a :class:`BodyLimit`; use it in ``asgi.py`` in place of Django's own.

    Raises ConfigurationError for a mistake in ``settings.HOOKGUARD``: servers run no system checks.
    """
    application = django_application()
    endpoints()
    return BodyLimit(application)


class BodyLimit:
    """An ASGI application that answers 413 for a guarded view's body that is over its endpoint's ``MAX_BODY``."""

    def __init__(self, application: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on but what is too large."""
        guarded = _guard_of(scope) if scope["type"] == "http" else None
        if guarded is None:
            await self.application(scope, receive, send)
            return
        left = guarded.endpoint.max_body

        async def counted() -> Any:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            # Django answers nothing to a sender that has gone, and keeps nothing of what it sent.
            return message if left >= 0 else {"type": "http.disconnect"}

        await self.application({**scope, LIMITED: True}, counted, send)
        if left < 0:
            error = BodyTooLarge(f"the body is over {guarded.endpoint.max_body} bytes, the endpoint's MAX_BODY")
            receipt = guarded.reject(error, head_of(ASGIRequest(scope, BytesIO())))
            await _send(receipt.reply or Reply.problem(413), send)


def _guard_of(scope: Scope) -> Guard | AsyncGuard | None:
    """The guard of the view that the URLs lead to, if one does."""
    request = ASGIRequest(scope, BytesIO())
    try:
        view = get_resolver().resolve(request.path_info).func
        endpoint = endpoint_of(view) or endpoint_by_path(request, view)
        if endpoint is None:
            return None
        return async_guard_for(endpoint) if iscoroutinefunction(view) else guard_for(endpoint)
    except Exception:
        return None  # Django finds the same mistake, and reports it


async def _send(reply: Reply, send: Send) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    headers += [(b"content-length", str(len(reply.body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
