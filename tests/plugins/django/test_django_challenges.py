"""Challenges by other methods than POST reach the guard through every way to put it before a view."""

import asyncio
from dataclasses import replace

import pytest

pytest.importorskip("django")

from django_deliveries import SECRET, apost, post
from django_site import configure, site

configure()

from django.http import HttpResponse
from django.urls import path
from django.views.decorators.http import require_POST

from hookguard import Delivery, InHeader, InQuery, MemoryStore, Reply, presets
from hookguard.challenge import AnyOf, Echo, Fixed
from hookguard_django import WebhookView, webhook

OURS = "hookguard_django.middleware.WebhookMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
ASKING = replace(
    presets.STRIPE,
    name="asking",
    challenge=AnyOf(
        Echo(InQuery("challenge"), method="GET", comes_unsigned=True),
        Fixed(Reply(200), method="HEAD", comes_unsigned=True),
        Echo(InHeader("Asked"), method="OPTIONS", comes_unsigned=True, as_header="Answered"),
        Echo(InQuery("token"), comes_unsigned=True),
    ),
)


def hook(request):
    return HttpResponse(request.webhook.id)


class Hook(WebhookView):
    endpoint = "asking"

    def received(self, request, event):
        return HttpResponse(event.id)


#: The view, and the paths the middleware guards. require_POST goes under the guard.
WAYS = {
    "decorator": (webhook("asking")(hook), {}),
    "decorator over require_POST": (webhook("asking")(require_POST(hook)), {}),
    "class": (Hook.as_view(), {}),
    "middleware": (require_POST(hook), {"PATHS": {"/hook": "asking"}}),
}


@pytest.mark.parametrize("send", [post, lambda *args: asyncio.run(apost(*args))], ids=["wsgi", "asgi"])
@pytest.mark.parametrize("way", WAYS)
def test_challenges_reach_the_guard(way, send):
    view, paths = WAYS[way]
    setting = {"ENDPOINTS": {"asking": {"PRESET": ASKING, "SECRETS": [SECRET]}}, "STORE": MemoryStore(), **paths}
    with site(path("hook", view), HOOKGUARD=setting, MIDDLEWARE=[OURS, CSRF]):
        answer = send(Delivery(b"", {}, "GET"), "/hook?challenge=abc")
        assert (answer.status_code, answer.content) == (200, b"abc")
        assert send(Delivery(b"", {}, "HEAD")).status_code == 200
        assert send(Delivery(b"", {"Asked": "who"}, "OPTIONS"))["Answered"] == "who"
        assert send(Delivery(b"", {}), "/hook?token=abc").content == b"abc"
        assert send(Delivery(b"", {}, "GET")).status_code == 401
        assert send(ASKING.sign(b'{"id": "evt_1"}', SECRET)).content == b"evt_1"
