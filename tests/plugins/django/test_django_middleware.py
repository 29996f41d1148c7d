import asyncio
import json

import pytest

pytest.importorskip("django")

from django_deliveries import apost, post, settings, stripe
from django_site import configure, site

configure()

from django.http import HttpResponse
from django.urls import path

from hookguard import ConfigurationError
from hookguard_django import webhook
from hookguard_django.middleware import WebhookMiddleware

OURS = "hookguard_django.middleware.WebhookMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
COMMON = "django.middleware.common.CommonMiddleware"


@pytest.fixture
def ran():
    return []


@pytest.fixture(params=["sync view", "async view"])
def view(request, ran):
    """A view of somebody else's, which cannot be decorated."""

    def plain(request, **kwargs):
        ran.append(request.webhook.id if hasattr(request, "webhook") else None)
        return HttpResponse(status=202)

    async def asynchronous(request, **kwargs):
        return plain(request, **kwargs)

    return plain if request.param == "sync view" else asynchronous


@pytest.fixture(params=["wsgi", "asgi"])
def send(request):
    if request.param == "wsgi":
        return post
    return lambda *args, **kwargs: asyncio.run(apost(*args, **kwargs))


@pytest.fixture
def guarded(view):
    hooks = settings(PATHS={"/hook": "stripe"})
    with site(path("hook", view), path("other", view), HOOKGUARD=hooks, MIDDLEWARE=[OURS, COMMON, CSRF]):
        yield


@pytest.mark.usefixtures("guarded")
def test_a_named_path_is_guarded_and_spared_the_csrf_check(send, ran):
    assert send(stripe()).status_code == 202
    assert send(stripe()).status_code == 200
    assert send(stripe()._replace(body=b"{}")).status_code == 401
    assert ran == ["evt_1"]


@pytest.mark.usefixtures("guarded")
def test_any_other_path_is_not(send, ran):
    assert send(stripe(), "/other").status_code == 403  # Django's own CSRF check, which stays on there
    assert send(stripe()._replace(method="GET", body=b""), "/other").status_code == 202
    assert send(stripe(), "/nowhere").status_code == 404
    assert ran == [None]


def test_a_view_that_is_guarded_already_is_not_guarded_twice(send, ran):
    @webhook("stripe")
    def view(request):
        ran.append(request.webhook.id)
        return HttpResponse()

    with site(path("hook", view), HOOKGUARD=settings(PATHS={"/hook": "stripe"}), MIDDLEWARE=[OURS, CSRF]):
        assert send(stripe()).status_code == 200
        assert ran == ["evt_1"]


@pytest.mark.parametrize(
    ("paths", "why"),
    [
        (["/hook"], "must map paths"),
        ({"hook": "stripe"}, "must start with a slash"),
        ({"/hook": "strpe"}, "did you mean 'stripe'"),
    ],
)
def test_a_mistake_in_the_paths_stops_the_server(paths, why):
    with site(HOOKGUARD=settings(PATHS=paths)), pytest.raises(ConfigurationError, match=why):
        WebhookMiddleware(lambda request: HttpResponse())


def test_a_refusal_is_the_same_sentence_as_everywhere(guarded, send):
    answer = send(stripe()._replace(body=b""))
    assert json.loads(answer.content) == {"type": "about:blank", "title": "webhook rejected", "status": 401}
