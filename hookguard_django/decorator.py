"""``@webhook("stripe")``: the view runs only for a genuine, fresh event that nobody handled before.

The event is completed when the view has answered 2xx *and* its transaction is committed. Under ``ATOMIC_REQUESTS`` Django
would wrap its transaction around this decorator, so that the event was marked as done first and a failing commit lost it;
so the wrapper opts out of Django's transaction and opens its own around the view alone. In transactional mode the
claim's own transaction takes its place.

A sender that hangs up cancels an asynchronous view under ASGI. A guarded one is let finish, and its event is settled.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import wraps
from inspect import iscoroutine
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from asgiref.sync import iscoroutinefunction  # sees Django's own mark on every Python
from django.db import DatabaseError, connections, transaction
from django.http import HttpRequest, HttpResponseBase

from hookguard import ConfigurationError, Delivery, Endpoint, Guard, Receipt, Rejected, Reply
from hookguard.config import need_name
from hookguard.errors import StoreMisconfigured, TransactionFailed
from hookguard_django.conf import Named, async_guard_for, claims_alias, guard_for, need_app
from hookguard_django.current import WebhookRequest, handling
from hookguard_django.delivery import receive, reply_of, response_of
from hookguard_django.failures import status_to
from hookguard_django.stores.connection import opened_by_hand

__all__ = ["MARK", "endpoint_of", "webhook"]

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger("hookguard.django")

_NO_TRANSACTIONS: AbstractContextManager[Any] = nullcontext()

#: The attribute that names a guarded view's endpoint, for the system checks.
MARK = "hookguard_endpoint"


def webhook(
    endpoint: Named,
) -> Callable[[Callable[Concatenate[WebhookRequest, P], R]], Callable[Concatenate[HttpRequest, P], R]]:
    """Decorate a view, synchronous or not: ``request.webhook`` is the Event. The view is exempt from CSRF checks."""
    need_name(endpoint, (Endpoint,), 'as in @webhook("stripe")')
    need_app()

    def decorate(view: Callable[Concatenate[WebhookRequest, P], R]) -> Callable[Concatenate[HttpRequest, P], R]:
        if isinstance(view, type):
            raise ConfigurationError(f"{view.__name__} is a class: decorate what its as_view() returns, or use WebhookView")
        guarded: Any = (_asynchronous if iscoroutinefunction(view) else _synchronous)(endpoint, view)
        # No provider has a CSRF token or a login; the signature replaces both.
        guarded.csrf_exempt = True
        guarded.login_required = False
        guarded._non_atomic_requests = _EveryDatabase()
        setattr(guarded, MARK, endpoint)
        return cast("Callable[Concatenate[HttpRequest, P], R]", guarded)

    return decorate


def endpoint_of(view: Any) -> Named | None:
    """Return the endpoint that guards a view, or its class's ``post``; None for a view that is not decorated."""
    method = getattr(getattr(view, "view_class", None), "post", None) or getattr(getattr(view, "cls", None), "post", None)
    endpoint = getattr(view, MARK, getattr(method, MARK, None))
    return endpoint if isinstance(endpoint, (str, Endpoint)) else None


def _synchronous(endpoint: Named, view: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        guards = guard_for(endpoint)
        own = _alias(guards)
        _reject_open_transactions(own)
        came = receive(request, guards)
        receipt = guards.open(came) if isinstance(came, Delivery) else guards.begin(came)
        if receipt.reply is not None:
            return response_of(receipt.reply)

        def attempt(receipt: Receipt) -> HttpResponseBase:
            try:
                aliases = _atomic_databases(view)
                with handling(request, receipt.event), ExitStack() if aliases else _NO_TRANSACTIONS as transactions:
                    # An event that runs without a claim runs without the claim's transaction too.
                    if own is not None and guards.store.capabilities.transactional and receipt.unprotected is None:
                        aliases = [alias for alias in aliases if alias != own]
                    for alias in aliases:
                        transactions.enter_context(transaction.atomic(using=alias))
                    response = _rendered(view(request, *args, **kwargs))
                    answered = reply_of(response) if guards.endpoint.store_reply else None
                    if 200 <= response.status_code < 300:
                        _reject_broken_transactions(aliases)
            except BaseException as error:
                reply = guards.settle(receipt, status=status_to(request, error), error=error)
                return response_of(_rejection(reply, error))
            reply = guards.settle(receipt, status=response.status_code, reply=answered)
            return response if reply is None else response_of(reply)

        if guards.endpoint.preset.batch is None:
            return attempt(receipt)  # it has settled, and no event follows: what each() would find out
        answered = guards.each(receipt, attempt)
        return response_of(answered) if isinstance(answered, Reply) else answered

    return guarded


def _asynchronous(endpoint: Named, view: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(view)
    async def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        guards = async_guard_for(endpoint)
        came = receive(request, guards)
        receipt: Receipt = await guards.open(came) if isinstance(came, Delivery) else await guards.begin(came)
        if receipt.reply is not None:
            return response_of(receipt.reply)

        async def attempt(receipt: Receipt) -> HttpResponseBase:
            try:
                if databases := _atomic_databases(view):
                    raise RuntimeError(f"ATOMIC_REQUESTS is on for {databases}, which Django does not do for asynchronous views")
                with handling(request, receipt.event):
                    response = _rendered(await view(request, *args, **kwargs))
                answered = reply_of(response) if guards.endpoint.store_reply else None
            except BaseException as error:
                reply = await guards.settle(receipt, status=status_to(request, error), error=error)
                return response_of(_rejection(reply, error))
            reply = await guards.settle(receipt, status=response.status_code, reply=answered)
            return response if reply is None else response_of(reply)

        steps = attempt(receipt) if guards.endpoint.preset.batch is None else guards.each(receipt, attempt)
        answered = await _to_its_end(steps)
        return response_of(answered) if isinstance(answered, Reply) else answered

    return guarded


async def _to_its_end(steps: Coroutine[Any, Any, R]) -> R:
    """Await a coroutine that a cancellation does not reach: it only makes what comes of it go nowhere.

    The cancellation is held back until then, and not passed on immediately, because Django ends with the request what the view
    still needs: the thread of its database connections.
    """
    task = asyncio.get_running_loop().create_task(steps)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return await task
    if not task.cancelled() and (failure := task.exception()) is not None:
        _log.error("a webhook view failed whose sender had hung up", exc_info=failure)
    raise cancelled


def _rejection(reply: Reply | None, error: BaseException) -> Reply:
    """The reply for a genuine event that could not be read; anything else is the view's own exception and goes on."""
    if reply is None or not isinstance(error, Rejected):
        raise error
    return reply


def _rendered(response: Any) -> HttpResponseBase:
    """The response, with its template rendered while a failure still releases the event."""
    if iscoroutine(response):
        response.close()
        raise TypeError("the view returned a coroutine: decorate the asynchronous view itself, not a wrapper that is not")
    if callable(getattr(response, "render", None)):
        response = response.render()
    if not isinstance(response, HttpResponseBase):
        raise TypeError(f"the webhook view returned {type(response).__name__}, not an HttpResponse")
    return response


def _atomic_databases(view: Callable[..., Any]) -> list[str]:
    exempt = getattr(view, "_non_atomic_requests", ())
    return [alias for alias, database in connections.settings.items() if database["ATOMIC_REQUESTS"] and alias not in exempt]


def _alias(guards: Guard) -> str | None:
    """Return the database of the claims; None where it has none, or is misconfigured."""
    try:
        return claims_alias(guards.store)
    except StoreMisconfigured:
        return None  # the claim fails in the same way: 503, and the log says what to do


def _reject_open_transactions(own: str | None) -> None:
    """RuntimeError where a commit that comes after the event is marked as done could fail, and the event would be lost.

    In the database of the claims this is safe: the mark is undone with the rest, and the store reports the problem.
    """
    for connection in connections.all(initialized_only=True):
        if connection.alias != own and opened_by_hand(connection):
            raise RuntimeError(
                f"a transaction on {connection.alias!r} is open around a guarded view, and would be committed after its event is"
                " marked as done: put @webhook outside of @transaction.atomic"
            )


def _reject_broken_transactions(aliases: list[str]) -> None:
    """TransactionFailed where Django would roll back in silence what the view has answered 2xx to."""
    for alias in aliases:
        broken = transaction.get_rollback(using=alias)
        if not broken:
            try:
                with connections[alias].cursor() as cursor:
                    cursor.execute("SELECT 1")
            except DatabaseError:
                broken = True
        if broken:
            raise TransactionFailed(
                f"the view answered 2xx and its transaction of ATOMIC_REQUESTS on {alias!r} can only be rolled back: it caught a"
                " database error, or called set_rollback(), as REST framework does for each of its exceptions; use"
                " transaction.atomic() around what may fail, or set ATOMIC_REQUESTS to False"
            )


class _EveryDatabase:
    """The set of every database, whatever the settings are by then."""

    def __contains__(self, alias: object) -> bool:
        return True
