"""FastAPI's own ways: a dependency that is the event, and a route class for typed bodies.

A dependency cannot see the response a handler returns, so it cannot know whether the event was handled. That is why it
leaves settling to the middleware, and reports a missing middleware.
"""

from __future__ import annotations

import inspect
from typing import Annotated, Any, cast

from fastapi import Depends, Security
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader
from fastapi.security.base import SecurityBase
from starlette.exceptions import WebSocketException
from starlette.requests import ClientDisconnect, HTTPConnection, Request

from hookguard import AsyncGuard, ConfigurationError, Event, Receipt, Rejected
from hookguard.errors import BodyTooLarge, TruncatedBody
from hookguard.guard.resuming import WORKER
from hookguard_starlette.current import get_current_webhook
from hookguard_starlette.delivery import HUNG_UP, agree, screen, with_body
from hookguard_starlette.exchange import EXCHANGE, Exchange
from hookguard_starlette.middleware import WebhookMiddleware
from hookguard_starlette.rejections import WebhookAnswered, WebhookRejected
from hookguard_starlette.routers import GuardedRoute, Guarding, check_routers

__all__ = ["CurrentEvent", "EventDependency", "SignedEventDependency", "dependency_of", "guarded_route"]

check_routers()


async def _event() -> Event:
    return get_current_webhook()


_event.takes_current_event = True  # type: ignore[attr-defined]  # for the doctor, which does not import FastAPI

#: The event, in a handler that a route class or a middleware guards.
CurrentEvent = Annotated[Event, Depends(_event)]


#: With the annotation itself: older versions of FastAPI cannot resolve its name, because an object has no globals.
_TAKES_A_REQUEST = inspect.Signature(
    [inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=HTTPConnection)]
)


class EventDependency(Guarding):
    """Verifies and claims the delivery and is its Event."""

    def __init__(self, guard: AsyncGuard) -> None:
        self.webhook_guard = guard
        if guard.endpoint.preset.batch is not None:
            raise ConfigurationError(
                f"a delivery of {guard.endpoint.preset.name!r} may carry several events, and a dependency runs the handler once:"
                " use APIRouter(route_class=hooks.route_class(name)) and CurrentEvent, or hooks.Middleware with paths"
            )

    __signature__ = _TAKES_A_REQUEST

    async def __call__(self, request: HTTPConnection) -> Event:
        """Return the event, or raise WebhookAnswered if there is a reply to send instead."""
        if request.scope["type"] != "http":
            # Before it is accepted: the server answers 403.
            raise WebSocketException(1008, "a websocket carries no webhook")
        exchange = request.scope.get(EXCHANGE)
        if exchange is None:
            raise RuntimeError(
                "hooks.event() needs the middleware that settles events: app.add_middleware(hooks.Middleware);"
                " or use APIRouter(route_class=hooks.route_class(name)) and CurrentEvent instead"
            )
        guard, endpoint = self.webhook_guard, self.webhook_guard.endpoint
        if exchange.event is not None:
            if exchange.guard is guard:
                return cast("Event", exchange.event)
            raise RuntimeError(
                f"this request was taken as a delivery of {exchange.guard.endpoint.name!r} before:"
                f" it cannot be one of {endpoint.name!r} as well"
            )
        resumed = guard.resume(request.scope.get(WORKER))
        receipt = await self._open(request, exchange) if resumed is None else await guard.begin(resumed)
        if receipt.reply is not None:
            kind = WebhookRejected if isinstance(receipt.error, Rejected) else WebhookAnswered
            exchange.rejection = receipt.reply
            raise kind(receipt.reply, receipt.error)
        exchange.take(guard, receipt)
        event = receipt.event
        request.scope.setdefault("state", {})["webhook"] = event
        if agree(request.scope, guard, event.headers, event.body) and hasattr(request, "_headers"):
            del request._headers  # a copy of the old ones; the handler gets this very request
        return event

    async def _open(self, request: HTTPConnection, exchange: Exchange) -> Receipt:
        """Read and verify the delivery."""
        guard = self.webhook_guard
        head, receipt = screen(guard, request.scope)
        if receipt is None:
            exchange.limit = guard.endpoint.max_body
            try:
                body = await cast("Request", request).body()
            except ClientDisconnect:
                error = BodyTooLarge(f"more than {exchange.limit} bytes came") if exchange.too_large else TruncatedBody(HUNG_UP)
                receipt = guard.reject(error, head)
            except RuntimeError as error:
                raise RuntimeError(
                    "the body was read before hooks.event() could verify it: FastAPI reads a declared Form or File first;"
                    " use APIRouter(route_class=hooks.route_class(name)) for typed bodies"
                ) from error
            else:
                receipt = await guard.open(with_body(head, body))
                del body  # the event has it; an error report would write it out
        return receipt


class SignedEventDependency(EventDependency, SecurityBase):
    """The dependency of an endpoint whose signature one header carries: itself the security scheme that OpenAPI shows.

    A scheme beside it was a second dependency, which cost 20 us of each request.
    """

    def __init__(self, guard: AsyncGuard, shown: APIKeyHeader) -> None:
        super().__init__(guard)
        self.model, self.scheme_name = shown.model, shown.scheme_name


def dependency_of(guard: AsyncGuard) -> EventDependency:
    """Return the dependency that is the event of an endpoint."""
    shown = _shown(guard)
    return EventDependency(guard) if shown is None else SignedEventDependency(guard, shown)


class _SignatureHeader(APIKeyHeader):
    """The security scheme, for OpenAPI alone: a value would stand in FastAPI's frames, and an error report would write it out."""

    __signature__ = _TAKES_A_REQUEST

    async def __call__(self, request: HTTPConnection) -> str | None:
        return None


def _shown(guard: AsyncGuard) -> _SignatureHeader | None:
    """Return the security scheme of an endpoint; None where no one header carries its signature."""
    header = guard.endpoint.preset.scheme.required_header
    return _SignatureHeader(name=header, scheme_name=f"{guard.endpoint.name} signature", auto_error=False) if header else None


def guarded_route(guard: AsyncGuard) -> type[APIRoute]:
    """Return a route class that verifies before FastAPI reads or parses anything, with the signature header in OpenAPI."""
    scheme = _shown(guard)
    shown = [Security(scheme)] if scheme else []

    class WebhookRoute(GuardedRoute):
        webhook_guard = guard

        def __init__(self, *args: Any, dependencies: Any = None, **options: Any) -> None:
            # A router that is included makes its routes once more, with the dependencies that they have by then.
            given = [each for each in dependencies or () if each not in shown]
            super().__init__(*args, dependencies=[*given, *shown], **options)

        async def handle(self, scope: Any, receive: Any, send: Any) -> None:
            # Where Starlette hands a matched request over: before FastAPI makes a Request or reads a byte.
            await WebhookMiddleware(super().handle, guard=guard)(scope, receive, send)

    return WebhookRoute
