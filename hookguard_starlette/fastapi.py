"""FastAPI's own ways: a dependency that is the event, and a route class for typed bodies.

A dependency cannot see the response a handler returns, so it cannot know whether the event was handled. That is why it
leaves settling to the middleware, and says so when the middleware is missing.
"""

from __future__ import annotations

import inspect
from typing import Annotated, Any, cast

from fastapi import Depends, Security
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader
from starlette.requests import ClientDisconnect, Request

from hookguard import AsyncGuard, ConfigurationError, Delivery, Event, Headers
from hookguard.errors import BodyTooLarge, TruncatedBody
from hookguard_starlette.asgi import EXCHANGE, HUNG_UP, WebhookMiddleware, WebhookRefused, _target, current_webhook

__all__ = ["CurrentEvent", "EventDependency", "guarded_route"]


async def _event() -> Event:
    return current_webhook()


#: The event, in a handler that a route class or a middleware guards.
CurrentEvent = Annotated[Event, Depends(_event)]


class EventDependency:
    """Verifies and claims the delivery and is its Event; shows the signature header as a security scheme in OpenAPI."""

    def __init__(self, guard: AsyncGuard) -> None:
        self._guard = guard
        if guard.endpoint.preset.batch is not None:
            raise ConfigurationError(
                f"a delivery of {guard.endpoint.preset.name!r} may carry several events, and a dependency runs the handler once:"
                " use APIRouter(route_class=hooks.route_class(name)) and CurrentEvent, or hooks.Middleware with paths"
            )
        parameters = [inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Request)]
        if header := guard.endpoint.preset.scheme.required_header:
            scheme = APIKeyHeader(name=header, scheme_name=f"{guard.endpoint.name} signature", auto_error=False)
            parameters.append(
                inspect.Parameter("signature", inspect.Parameter.KEYWORD_ONLY, annotation=str | None, default=Security(scheme))
            )
        # FastAPI asks a dependency for its signature; the header's name is only known here.
        self.__signature__ = inspect.Signature(parameters)

    async def __call__(self, request: Request, *, signature: str | None = None) -> Event:
        """Return the event, or raise WebhookRefused."""
        exchange = request.scope.get(EXCHANGE)
        if exchange is None:
            raise RuntimeError(
                "hooks.event() needs the middleware that settles events: app.add_middleware(hooks.Middleware);"
                " or use APIRouter(route_class=hooks.route_class(name)) and CurrentEvent instead"
            )
        guard, endpoint = self._guard, self._guard.endpoint
        if exchange.event is not None:
            if exchange.guard is guard:
                return cast("Event", exchange.event)
            raise RuntimeError(
                f"this request was taken as a delivery of {exchange.guard.endpoint.name!r} before:"
                f" it cannot be one of {endpoint.name!r} as well"
            )
        head = Delivery(
            b"",
            Headers.from_asgi(request.scope["headers"]),
            request.method,
            endpoint.url(_target(request.scope)),
            request.client.host if request.client else None,
            request.scope.get("scheme") == "https",
        )
        receipt = guard.screen(head)
        if receipt is None:
            exchange.limit = endpoint.max_body
            try:
                body = await request.body()
            except ClientDisconnect:
                error = BodyTooLarge(f"more than {exchange.limit} bytes came") if exchange.too_large else TruncatedBody(HUNG_UP)
                receipt = guard.refuse(error, head)
            except RuntimeError as error:
                raise RuntimeError(
                    "the body was read before hooks.event() could verify it: FastAPI reads a declared Form or File first;"
                    " use APIRouter(route_class=hooks.route_class(name)) for typed bodies"
                ) from error
            else:
                receipt = await guard.open(head._replace(body=body))
        if receipt.reply is not None:
            raise WebhookRefused(receipt)
        exchange.take(guard, receipt)
        request.scope.setdefault("state", {})["webhook"] = receipt.event
        return receipt.event


def guarded_route(guard: AsyncGuard) -> type[APIRoute]:
    """Return a route class that verifies before FastAPI reads or parses anything."""

    class WebhookRoute(APIRoute):
        async def handle(self, scope: Any, receive: Any, send: Any) -> None:
            # Where Starlette hands a matched request over: before FastAPI makes a Request or reads a byte.
            await WebhookMiddleware(super().handle, guard=guard)(scope, receive, send)

    return WebhookRoute
