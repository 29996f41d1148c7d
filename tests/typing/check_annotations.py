"""Read by the type checker and never run: what users write must mean to it what it means to us."""

from collections.abc import Awaitable, Callable

from django.http import HttpRequest, HttpResponse
from typing_extensions import assert_type

import hookguard_django
import hookguard_flask
import hookguard_starlette
from hookguard import AsyncGuard, Delivery, Endpoint, Event, Guard, MemoryStore, Receipt, Reply, Verifier, presets
from hookguard_django import WebhookRequest, webhook
from hookguard_flask import current_webhook, get_current_webhook
from hookguard_starlette import HookGuard

verifier = Verifier("github", ["a-secret-that-is-long-enough"])
delivery = presets.GITHUB.sign(b"{}", "a-secret-that-is-long-enough", id="1")
assert_type(delivery, Delivery)
assert_type(delivery.body, bytes)
assert_type(verifier.verify(delivery), Event)

guard = Guard(Endpoint(verifier), MemoryStore())
with guard.receive(delivery) as receipt:
    assert_type(receipt, Receipt)
    assert_type(receipt.event.id, str)
    assert_type(receipt.reply, Reply | None)


async def receive() -> None:
    async with AsyncGuard(verifier, MemoryStore()).receive(delivery) as receipt:
        assert_type(receipt.event, Event)


@webhook("github")
def plain(request: WebhookRequest, shop: int) -> HttpResponse:
    assert_type(request.webhook, Event)
    return HttpResponse()


@webhook("github")
async def asynchronous(request: WebhookRequest) -> HttpResponse:
    return HttpResponse()


takes_requests: Callable[[HttpRequest, int], HttpResponse] = plain
awaited: Callable[[HttpRequest], Awaitable[HttpResponse]] = asynchronous

assert_type(current_webhook, Event)
assert_type(get_current_webhook(), Event)
assert_type(HookGuard().guard_for("github"), AsyncGuard)
assert_type(hookguard_django.current_webhook, Event)
assert_type(hookguard_django.get_current_webhook(), Event)
assert_type(hookguard_django.guard_for("github"), Guard)
assert_type(hookguard_starlette.current_webhook, Event)
assert_type(hookguard_starlette.get_current_webhook(), Event)
assert_type(hookguard_flask.HookGuard().guard_for("github"), Guard)
