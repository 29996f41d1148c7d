import functools
import logging

import pytest

pytest.importorskip("django")

from django_deliveries import SECRET, settings
from django_site import configure, site

configure()

from django.core.checks import run_checks
from django.http import HttpResponse
from django.test import override_settings
from django.urls import include, path

from hookguard import MemoryStore, SQLiteStore
from hookguard_django import WebhookView, webhook
from hookguard_django.checks import check_urls

OURS = "hookguard_django.middleware.WebhookMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"


@pytest.fixture
def store(tmp_path):
    return SQLiteStore(tmp_path / "claims.sqlite3")


@webhook("stripe")
def good(request):
    return HttpResponse()


class Hook(WebhookView):
    endpoint = "stripe"

    def received(self, request, event):
        return HttpResponse()


def found(*patterns, deploy=False, **overrides):
    with site(*patterns, **overrides):
        return {
            message.id: message for message in run_checks(include_deployment_checks=deploy) if message.id.startswith("hookguard.")
        }


def test_nothing_to_say_about_a_good_project(store):
    patterns = [path("hook", good), path("class", Hook.as_view()), path("page/", lambda request: HttpResponse())]
    assert found(*patterns, HOOKGUARD=settings(store), APPEND_SLASH=True) == {}
    assert found(HOOKGUARD={}) == {}


@pytest.mark.parametrize(
    ("hooks", "why"),
    [
        ([], "must be a mapping"),
        ({"ENDPOINT": {}}, "did you mean 'endpoints'"),
        ({"ENDPOINTS": {"stripe": {"SECRETS": [""]}}}, "the secret is empty"),
        ({"ENDPOINTS": {"stripe": {"SECRETS": [None]}}}, "environment variable unset"),
        ({"ENDPOINTS": {"strpe": {"SECRETS": [SECRET]}}}, "did you mean 'stripe'"),
        ({"ENDPOINTS": {}, "STORE": "mongodb://"}, "sqlite:///"),
        ({"ENDPOINTS": {}, "PATHS": {"/x": "y"}}, "no webhook endpoint"),
    ],
)
def test_e001_the_setting_is_wrong(hooks, why):
    message = found(HOOKGUARD=hooks)["hookguard.E001"]
    assert why in message.msg
    assert SECRET not in message.msg


def test_a_check_leaves_no_store_behind(tmp_path):
    given = settings()
    del given["STORE"]
    others = ["django.contrib.contenttypes", "django.contrib.auth"]
    for apps in (["hookguard_django", *others], others):
        assert found(HOOKGUARD=given, BASE_DIR=tmp_path, INSTALLED_APPS=apps) == {}
    assert list(tmp_path.iterdir()) == []
    assert "BASE_DIR" in found(HOOKGUARD=given, INSTALLED_APPS=others)["hookguard.E001"].msg


def test_w002_djangos_own_limit_is_smaller(store):
    message = found(HOOKGUARD=settings(store, MAX_BODY=3_000_000))["hookguard.W002"]
    assert "DATA_UPLOAD_MAX_MEMORY_SIZE" in message.hint
    for limit in (None, 3_000_000):
        assert found(HOOKGUARD=settings(store, MAX_BODY=3_000_000), DATA_UPLOAD_MAX_MEMORY_SIZE=limit) == {}


def test_w003_claims_in_memory():
    assert "sqlite:////" in found(HOOKGUARD=settings(MemoryStore()))["hookguard.W003"].hint


def test_w004_a_wrapper_that_loses_the_exemption(store):
    def careless(view):
        def wrapper(request):
            return view(request)

        wrapper.hookguard_endpoint = view.hookguard_endpoint
        return wrapper

    def careful(view):
        @functools.wraps(view)
        def wrapper(request):
            return view(request)

        return wrapper

    message = found(path("sub/", include([path("hook", careless(good))])), HOOKGUARD=settings(store))["hookguard.W004"]
    assert "'sub/hook'" in message.msg
    assert found(path("hook", careful(good)), HOOKGUARD=settings(store)) == {}


def test_w004_a_class_whose_method_is_decorated(store):
    from django.utils.decorators import method_decorator
    from django.views import View

    class Inside(View):
        @method_decorator(webhook("stripe"))
        def post(self, request):
            return HttpResponse()

    assert "hookguard.W004" in found(path("hook", Inside.as_view()), HOOKGUARD=settings(store))


def test_w004_a_urlconf_that_cannot_be_imported(store):
    with override_settings(ROOT_URLCONF="no.such.urls", HOOKGUARD=settings(store)):
        assert "could not be read" in check_urls()[0].msg


def test_w005_a_slash_at_the_end(store):
    assert "redirect" in found(path("hook/", good), HOOKGUARD=settings(store), APPEND_SLASH=True)["hookguard.W005"].msg
    assert found(path("hook/", good), HOOKGUARD=settings(store), APPEND_SLASH=False) == {}


def test_w006_the_middleware_comes_too_late(store):
    assert "hookguard.W006" in found(HOOKGUARD=settings(store), MIDDLEWARE=[CSRF, OURS])
    assert found(HOOKGUARD=settings(store), MIDDLEWARE=[OURS, CSRF]) == {}


def test_w007_the_logger_is_switched_off(store):
    """What LOGGING does to loggers that were there before it."""
    logging.getLogger("hookguard").disabled = True
    try:
        assert "disable_existing_loggers" in found(HOOKGUARD=settings(store))["hookguard.W007"].hint
    finally:
        logging.getLogger("hookguard").disabled = False


def test_w010_https_behind_a_proxy(store):
    hooks = settings(store, REQUIRE_HTTPS=True)
    assert "SECURE_PROXY_SSL_HEADER" in found(HOOKGUARD=hooks, deploy=True)["hookguard.W010"].hint
    assert found(HOOKGUARD=hooks) == {}
    assert found(HOOKGUARD=hooks, deploy=True, SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https")) == {}
    assert "hookguard.W010" not in found(HOOKGUARD={"ENDPOINTS": 7}, deploy=True)
