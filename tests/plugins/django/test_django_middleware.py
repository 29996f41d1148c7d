import asyncio
import json
from inspect import iscoroutinefunction

import pytest

pytest.importorskip("django")

from django_deliveries import apost, post, settings, stripe
from django_site import configure, site

configure()

from django.conf.urls.i18n import i18n_patterns
from django.http import HttpResponse
from django.urls import include, path, re_path
from django.views.decorators.csrf import csrf_exempt

from hookguard import ConfigurationError
from hookguard_django import webhook
from hookguard_django.middleware import WebhookMiddleware

OURS = "hookguard_django.middleware.WebhookMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
LOCALE = "django.middleware.locale.LocaleMiddleware"
COMMON = "django.middleware.common.CommonMiddleware"


def another_urlconf(get_response):
    def middleware(request):
        request.urlconf = tuple(another_urlconf.patterns)
        return get_response(request)

    return middleware


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

    def other(request):
        return view(request)

    async def other_async(request):
        return await view(request)

    another = other_async if iscoroutinefunction(view) else other
    with site(path("hook", view), path("other", another), HOOKGUARD=hooks, MIDDLEWARE=[OURS, COMMON, CSRF]):
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


@pytest.mark.parametrize(
    ("patterns", "given", "spelling"),
    [
        (lambda view: [re_path(r"^hooks/stripe/?$", view)], "/hooks/stripe", "/hooks/stripe/"),
        (lambda view: [re_path(r"^hooks/stripe/?$", view)], "/hooks/stripe/", "/hooks/stripe"),
        (lambda view: [re_path(r"^(?i:hooks/stripe)$", view)], "/hooks/stripe", "/hooks/STRIPE"),
        (lambda view: [path("hooks/stripe", view), path("alias", view)], "/hooks/stripe", "/alias"),
        (lambda view: [re_path(r"^hooks/?", include([path("stripe", view)]))], "/hooks/stripe", "/hooksstripe"),
        (lambda view: i18n_patterns(path("stripe", view)), "/de/stripe", "/en/stripe"),
    ],
)
def test_no_other_spelling_of_the_path_goes_past_the_guard(patterns, given, spelling, view, send, ran):
    with site(*patterns(csrf_exempt(view)), HOOKGUARD=settings(PATHS={given: "stripe"}), MIDDLEWARE=[LOCALE, OURS, CSRF]):
        for url in (spelling, given):
            assert send(stripe()._replace(headers={}), url).status_code == 401
        assert ran == []
        assert send(stripe(), spelling).status_code == 202
        assert send(stripe(), given).status_code == 200
    assert ran == ["evt_1"]


def test_a_view_of_several_endpoints_is_served_at_their_paths_alone(view, send, ran):
    hooks = settings(PATHS={"/hooks/stripe": "stripe", "/hooks/github": "github"})
    with site(re_path(r"^hooks/(?P<name>\w+)/?$", csrf_exempt(view)), HOOKGUARD=hooks, MIDDLEWARE=[OURS]):
        assert send(stripe(), "/hooks/stripe").status_code == 202
        assert send(stripe(), "/hooks/github").status_code == 401
        assert send(stripe("evt_2"), "/hooks/stripe/").status_code == 404
    assert ran == ["evt_1"]


def test_the_urls_of_the_request_are_the_ones_that_count(view, send, ran):
    """As where every host has its own."""
    with site(HOOKGUARD=settings(PATHS={"/hook": "stripe"}), MIDDLEWARE=[f"{__name__}.another_urlconf", OURS]):
        another_urlconf.patterns = [re_path("^hook/?$", csrf_exempt(view))]
        assert send(stripe()._replace(headers={}), "/hook/").status_code == 401
        assert send(stripe(), "/hook/").status_code == 202
    assert ran == ["evt_1"]


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
