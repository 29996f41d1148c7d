"""No provider logs in: guarded views are exempt where Django asks for a login, and a check finds every other middleware that asks."""

import pytest

pytest.importorskip("django")

from django_deliveries import post, settings, stripe
from django_site import configure, site

configure()

from django.core.checks import run_checks
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path

from hookguard_django import WebhookView, webhook

SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
LOGIN = "django.contrib.auth.middleware.LoginRequiredMiddleware"
OURS = "hookguard_django.middleware.WebhookMiddleware"
COOKIES = {"SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies"}


@webhook("stripe")
def view(request):
    return HttpResponse(status=204)


@webhook("stripe")
async def aview(request):
    return HttpResponse(status=204)


class Hook(WebhookView):
    endpoint = "stripe"

    def received(self, request, event):
        return HttpResponse(status=204)


def bare(request):
    return HttpResponse(status=204)


class Own:
    """A project's own middleware that wants a login."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if not getattr(request, "user", None) or not request.user.is_authenticated:
            return HttpResponseRedirect("/login")
        return self.get_response(request)


def polite(get_response):
    """A middleware that asks for nothing."""
    return get_response


def found(*patterns, **overrides):
    with site(*patterns, HOOKGUARD=settings(), **overrides):
        return {message.id: message for message in run_checks() if message.id in ("hookguard.W2", "hookguard.W2", "hookguard.W2")}


@pytest.mark.parametrize("kind", [view, aview, Hook.as_view()], ids=["function", "coroutine", "class"])
def test_a_guarded_view_needs_no_login(kind):
    with site(
        path("hook", kind),
        path("page", bare),
        HOOKGUARD=settings(),
        MIDDLEWARE=[SESSIONS, AUTH, LOGIN],
        LOGIN_URL="/login",
        **COOKIES,
    ):
        assert post(stripe(), "/hook").status_code == 204
        assert post(stripe()._replace(body=b"forged"), "/hook").status_code == 401
        assert post(stripe(), "/page").status_code == 302


def test_a_path_of_the_middleware_needs_no_login():
    own = settings(PATHS={"/page": "stripe"})
    with site(path("page", bare), HOOKGUARD=own, MIDDLEWARE=[OURS, SESSIONS, AUTH, LOGIN], LOGIN_URL="/login", **COOKIES):
        assert post(stripe(), "/page").status_code == 204


def test_w2_the_middleware_comes_after_the_one_that_wants_a_login():
    messages = found(path("hook", view), MIDDLEWARE=[SESSIONS, AUTH, LOGIN, OURS], **COOKIES)
    assert LOGIN in messages["hookguard.W2"].msg
    assert not found(path("hook", view), MIDDLEWARE=[OURS, SESSIONS, AUTH, LOGIN], **COOKIES)


def test_w2_another_middleware_wants_a_login():
    named = f"{__name__}.Own"
    assert named in found(path("hook", view), MIDDLEWARE=[named])["hookguard.W2"].msg
    assert not found(path("hook", view), MIDDLEWARE=[f"{__name__}.polite", SESSIONS, AUTH, LOGIN], **COOKIES)


def test_w2_only_what_overrides_djangos_own_is_in_doubt(monkeypatch):
    from django.contrib.auth.middleware import LoginRequiredMiddleware

    class Same(LoginRequiredMiddleware):
        redirect_field_name = "then"

    class Other(LoginRequiredMiddleware):
        def process_view(self, request, view_func, view_args, view_kwargs):
            return HttpResponseRedirect("/login")

    monkeypatch.setitem(globals(), "Same", Same)
    monkeypatch.setitem(globals(), "Other", Other)
    assert not found(path("hook", view), MIDDLEWARE=[f"{__name__}.Same"])
    assert "hookguard.W2" in found(path("hook", view), MIDDLEWARE=[f"{__name__}.Other"])


def test_w2_rest_framework_asks_for_permissions():
    pytest.importorskip("rest_framework")
    from rest_framework.decorators import api_view, permission_classes
    from rest_framework.permissions import AllowAny, IsAdminUser, IsAuthenticated
    from rest_framework.response import Response
    from rest_framework.views import APIView

    class Open(APIView):
        authentication_classes = ()
        permission_classes = ()

        def post(self, request):
            return Response(status=204)

    class Closed(Open):
        permission_classes = (IsAuthenticated,)

    class Composed(Open):
        permission_classes = (IsAuthenticated | IsAdminUser,)

    @api_view(["POST"])
    @permission_classes([AllowAny])
    def allowed(request):
        return Response(status=204)

    guard = webhook("stripe")
    for good in (Open.as_view(), allowed):
        assert not found(path("hook", guard(good)))
        with site(path("hook", guard(good)), HOOKGUARD=settings()):
            assert post(stripe(), "/hook").status_code == 204
    for closed in (Closed.as_view(), Composed.as_view()):
        assert "permission_classes = ()" in found(path("hook", guard(closed)))["hookguard.W2"].hint
        with site(path("hook", guard(closed)), HOOKGUARD=settings()):
            assert post(stripe(), "/hook").status_code in (401, 403)
