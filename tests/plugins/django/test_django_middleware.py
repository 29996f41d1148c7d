import asyncio
import json
from functools import partial
from inspect import iscoroutinefunction

import pytest

pytest.importorskip("django")

from django_deliveries import apost, post, settings, stripe
from django_site import configure, site

configure()

from django.conf.urls.i18n import i18n_patterns
from django.http import HttpResponse
from django.test import override_settings
from django.urls import get_resolver, include, path, re_path
from django.views.decorators.csrf import csrf_exempt

from hookguard import ConfigurationError
from hookguard_django import webhook
from hookguard_django.conf import guarded_requests
from hookguard_django.middleware import LONGEST_KNOWN, MOST_KNOWN, WebhookMiddleware

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
def test_any_other_path_is_not_guarded(send, ran):
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
        # Each with a view of its own, as a second as_view() makes one.
        (lambda view: [path("hooks/stripe", view), path("hooks/stripe/", partial(view))], "/hooks/stripe", "/hooks/stripe/"),
        (lambda view: [path("hook", view), re_path("(?i)^hook$", partial(view))], "/hook", "/Hook"),
        (lambda view: [path("a/hook", view), re_path("^a/.*hook$", partial(view))], "/a/hook", "/a/./hook"),
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


@pytest.mark.parametrize("given", ["/hooks/stripe", "/hooks/stripe/"])
def test_a_path_guards_its_view_with_and_without_the_last_slash(given, view, send, ran):
    served = "/hooks/stripe/" if given == "/hooks/stripe" else "/hooks/stripe"
    with site(path(served[1:], csrf_exempt(view)), HOOKGUARD=settings(PATHS={given: "stripe"}), MIDDLEWARE=[OURS, CSRF]):
        assert send(stripe()._replace(headers={}), served).status_code == 401
        assert send(stripe(), served).status_code == 202
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


def test_the_middleware_forgets_requests_when_the_setting_changes(view, send, ran):
    with site(path("hook", csrf_exempt(view)), MIDDLEWARE=[OURS]):
        for _ in range(2):
            with override_settings(HOOKGUARD=settings(PATHS={"/elsewhere": "stripe"})):
                assert send(stripe()._replace(headers={})).status_code == 202
                assert send(stripe()._replace(headers={})).status_code == 202
            with override_settings(HOOKGUARD=settings(PATHS={"/hook": "stripe"})):
                assert send(stripe()._replace(headers={})).status_code == 401
                assert send(stripe()._replace(headers={})).status_code == 401
    assert ran == [None] * 4


def test_the_middleware_remembers_a_few_short_paths(view, send):
    served = re_path(r"^\w+$", csrf_exempt(view)), path("hook", view)
    with site(*served, HOOKGUARD=settings(PATHS={"/else/where": "stripe"}), MIDDLEWARE=[OURS]):
        for number in range(MOST_KNOWN + 2):
            guarded_requests[f"/{number}", view, get_resolver()] = None
        assert send(stripe(), "/" + "x" * LONGEST_KNOWN).status_code == 202
        assert not guarded_requests
        assert send(stripe(), "/x").status_code == 202
        assert [came[0] for came in guarded_requests] == ["/x"]


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


def test_a_rejection_is_the_same_sentence_as_everywhere(guarded, send):
    answer = send(stripe()._replace(body=b""))
    assert json.loads(answer.content) == {"type": "about:blank", "title": "webhook rejected", "status": 401}
