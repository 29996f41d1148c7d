"""A webhook as a class."""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any, ClassVar

from django.http import HttpResponseBase
from django.views import View

from hookguard import Event
from hookguard_django.conf import Named
from hookguard_django.decorator import WebhookRequest, webhook

__all__ = ["WebhookView"]


class WebhookView(View):
    """Name the ``endpoint`` and write ``received``, as a plain method or a coroutine.

    The guard goes around ``as_view()``, where Django looks for the CSRF exemption; decorating ``dispatch`` would lose it.
    """

    endpoint: ClassVar[Named]
    received: Callable[..., Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Make the handler as synchronous as ``received`` is, since Django decides by its methods."""
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "received"):
            cls.post = _apost if iscoroutinefunction(cls.received) else _post  # type: ignore[attr-defined]

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., Any]:
        """Return the guarded view."""
        return webhook(cls.endpoint)(super().as_view(**initkwargs))


def _post(self: WebhookView, request: WebhookRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
    response: HttpResponseBase = self.received(request, _event(request), *args, **kwargs)
    return response


async def _apost(self: WebhookView, request: WebhookRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
    response: HttpResponseBase = await self.received(request, _event(request), *args, **kwargs)
    return response


def _event(request: WebhookRequest) -> Event:
    return request.webhook
