"""The status that the log reports for the answer to a view's exception: known if Django decides it, missing if the project does."""

import pytest

pytest.importorskip("django")

import sys
import types

from django_site import configure, site

configure()

from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpResponse
from django.test import override_settings
from django.urls import path
from django_deliveries import post, settings, stripe

from hookguard_django import webhook, webhook_failed

KINDS = [(ValueError, 500), (Http404, 404), (PermissionDenied, 403), (BadRequest, 400), (SuspiciousOperation, 400)]


def send(kind, urls=None, **site_settings):
    """Return the status that was sent, and the one that was reported."""

    @webhook("stripe")
    def failing(request):
        raise kind

    heard = []

    def hear(sender, outcome, **facts):
        heard.append(outcome.status)

    route = path("hook", failing)
    if urls is not None:
        urls.urlpatterns = [route]
        site_settings["ROOT_URLCONF"] = urls.__name__
    webhook_failed.connect(hear)
    try:
        with site(route, HOOKGUARD=settings()), override_settings(**site_settings):
            return post(stripe()).status_code, *heard
    finally:
        webhook_failed.disconnect(hear)


@pytest.mark.parametrize(("kind", "status"), KINDS)
def test_status_of_django_s_own_answer_is_known(kind, status):
    assert send(kind) == (status, status)


@pytest.mark.parametrize(("kind", "status"), KINDS)
def test_status_is_not_known_if_a_view_for_errors_decides(kind, status, monkeypatch):
    urls = types.ModuleType("urls_of_errors")
    setattr(urls, f"handler{status}", lambda request, exception=None: HttpResponse(status=418))
    monkeypatch.setitem(sys.modules, "urls_of_errors", urls)
    assert send(kind, urls) == (418, None)


class Decides:
    """A middleware that answers exceptions."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_exception(self, request, exception):
        return HttpResponse(status=418)


def test_status_is_not_known_if_a_middleware_decides():
    assert send(ValueError, MIDDLEWARE=[f"{__name__}.Decides"]) == (418, None)
