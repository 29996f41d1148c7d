"""A webhook as a class."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from inspect import iscoroutinefunction
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponseBase
from django.views import View

from hookguard import ConfigurationError, Event
from hookguard.relay import NO_VIEW, need_relay
from hookguard_django.conf import Named, endpoints
from hookguard_django.current import WebhookRequest
from hookguard_django.decorator import webhook

__all__ = ["WebhookView", "relay"]


def relay(endpoint: str) -> Callable[..., Any]:
    """Return the view of an endpoint whose setting ``RELAY`` has targets: it stores each event, and a worker passes it on.

    ``path("hooks/stripe", relay("stripe"))``. Raises ConfigurationError.
    """
    found = None
    with suppress(ConfigurationError):  # the system checks report it
        found = endpoints().endpoint(endpoint)
    if found is not None:
        need_relay(found)

    def relayed(_: HttpRequest) -> HttpResponseBase:
        raise RuntimeError(f"endpoint {endpoint!r} passes nothing on: {NO_VIEW}")

    return webhook(endpoint)(relayed)


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
        if not hasattr(cls, "endpoint"):
            raise ConfigurationError(f'{cls.__name__}: give the endpoint\'s name, as in endpoint = "stripe"')
        return webhook(cls.endpoint)(super().as_view(**initkwargs))


def _post(self: WebhookView, request: WebhookRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
    response: HttpResponseBase = self.received(request, _event(request), *args, **kwargs)
    return response


async def _apost(self: WebhookView, request: WebhookRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
    response: HttpResponseBase = await self.received(request, _event(request), *args, **kwargs)
    return response


def _event(request: WebhookRequest) -> Event:
    return request.webhook
