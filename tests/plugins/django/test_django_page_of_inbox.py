"""The page over the project's own database, for users who log in: with Django's tables, sessions and permissions."""

import re
from html import unescape

import pytest

pytest.importorskip("django")

from django_site import configure

configure()

from django.conf import settings
from django.test import Client
from django.urls import path
from django_deliveries import post, stripe
from test_django_admin import admin_site, browser

from hookguard import GiveUp
from hookguard.testing import work_off
from hookguard_django import page_urls, webhook
from hookguard_django.models import WebhookInbox

BASE = "/ops/webhooks"


@pytest.fixture
def entry():
    """The key of a dead entry in Django's own database, with the page mounted."""

    @webhook("stripe")
    def hook(request):
        raise GiveUp("no such customer")

    with admin_site(hook, INBOX=True):
        settings.ROOT_URLCONF.urlpatterns.append(path("ops/webhooks/", page_urls()))
        assert post(stripe("evt_1")).status_code == 200
        work_off()
        yield WebhookInbox.objects.get().key


def send(client, entry, action, **form):
    text = client.get(f"{BASE}/entry/{entry}").content.decode()
    found = re.search(rf'action="{BASE}/entry/{entry}/{action}"[^>]*><input[^>]*name="token" value="([^"]+)"', text)
    return client.post(f"{BASE}/entry/{entry}/{action}", {"token": unescape(found[1]), **form})


def test_a_user_reruns_a_dead_entry_and_the_database_has_the_reason(entry):
    client = browser("view_webhookinbox", "rerun_webhookinbox")
    assert "no such customer" in client.get(f"{BASE}/entries?state=dead").content.decode()
    assert send(client, entry, "rerun", reason="the customer is back").status_code == 200
    found = WebhookInbox.objects.get()
    assert found.get_state_display() == "waiting"
    assert found.reason == "rerun by ada: the customer is back"


def test_a_user_drops_an_entry_only_with_the_permission(entry):
    assert b"/drop" not in browser("view_webhookinbox", "rerun_webhookinbox").get(f"{BASE}/entry/{entry}").content
    assert (
        send(browser("view_webhookinbox", "drop_webhookinbox", name="grace"), entry, "drop", reason="a test event").status_code
        == 200
    )
    assert not WebhookInbox.objects.exists()


def test_a_superuser_sees_the_page_and_a_stranger_does_not(entry):
    assert browser(superuser=True).get(f"{BASE}/").status_code == 200
    assert browser(name="grace").get(f"{BASE}/").status_code == 404
    assert Client().get(f"{BASE}/").status_code == 404
