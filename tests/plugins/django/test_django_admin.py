"""The events in the admin, by a browser's requests to a real site; and an event that was forgotten there runs again."""

import re
from contextlib import contextmanager

import pytest

pytest.importorskip("django")

from django_site import configure, site

configure()

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import connection, connections
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from django_deliveries import post, settings, stripe

from hookguard_django import webhook
from hookguard_django.models import WebhookEvent, WebhookInbox
from hookguard_django.stores import ORMStore

APPS = [
    "django.contrib.admin",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "hookguard_django",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
PROCESSORS = ["django.template.context_processors.request", "django.contrib.auth.context_processors.auth"]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": [*PROCESSORS, "django.contrib.messages.context_processors.messages"]},
    }
]
EVENTS = "/admin/hookguard/webhookevent/"


@contextmanager
def admin_site(hook, **endpoint):
    """A site with the admin, and with this view as an endpoint of these settings; its tables are dropped in the end."""
    hooks = settings(ORMStore())
    hooks["ENDPOINTS"]["stripe"].update(endpoint)
    project = site(
        HOOKGUARD=hooks,
        INSTALLED_APPS=APPS,
        MIDDLEWARE=MIDDLEWARE,
        TEMPLATES=TEMPLATES,
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        STATIC_URL="/static/",
    )
    with project:
        call_command("migrate", verbosity=0)
        admin.autodiscover()
        from django.conf import settings as django_settings

        django_settings.ROOT_URLCONF.urlpatterns[:] = [path("admin/", admin.site.urls), path("hook", hook)]
        yield
        with connection.cursor() as cursor:
            tables = connection.introspection.table_names()
            cursor.execute("PRAGMA foreign_keys = OFF")
            for table in tables:
                cursor.execute(f"DROP TABLE {table}")
    connections.close_all()


@pytest.fixture
def ran():
    """A site with the admin and a webhook that three events came to; what its view ran for."""
    ran = []

    @webhook("stripe")
    def hook(request):
        ran.append(request.webhook.id)
        return HttpResponse("a reply for the sender alone", status=500 if request.webhook.id == "evt_bad" else 200)

    with admin_site(hook, STORE_REPLY=True):
        assert [post(stripe(event)).status_code for event in ("evt_1", "evt_2", "evt_bad")] == [200, 200, 500]
        yield ran


def browser(*permissions, superuser=False, name="ada"):
    """A member of the staff who has logged in by the form."""
    user = User.objects.create_user(name, password="lovelace", is_staff=True, is_superuser=superuser)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client(enforce_csrf_checks=False)
    answer = client.post("/admin/login/?next=/admin/", {"username": name, "password": "lovelace"})
    assert answer.status_code == 302
    return client


def rows(page):
    return re.findall(r'<th class="field-event_id">.*?>([^<>]+)</', page.content.decode())


def log():
    return apps.get_model("admin", "LogEntry")


def forget(client, *events):
    wanted = {"action": "forget", "_selected_action": [event.pk for event in events]}
    return client.post(EVENTS, wanted, follow=True)


def test_a_list_with_search_and_filters(ran):
    client = browser(superuser=True)
    page = client.get(EVENTS)
    assert sorted(rows(page)) == ["evt_1", "evt_2", "evt_bad"]
    assert rows(client.get(EVENTS, {"q": "evt_2"})) == ["evt_2"]
    assert rows(client.get(EVENTS, {"state__exact": "0"})) == ["evt_bad"]
    assert sorted(rows(client.get(EVENTS, {"state__exact": "2"}))) == ["evt_1", "evt_2"]
    assert len(rows(client.get(EVENTS, {"endpoint": "stripe/stripe"}))) == 3
    assert rows(client.get(EVENTS, {"endpoint": "github/github"})) == []
    for order in ("1", "-4", "5", "6", "7"):
        assert len(rows(client.get(EVENTS, {"o": order}))) == 3
    assert "released" in page.content.decode()


def test_no_lookup_asks_about_a_hidden_column(ran):
    client = browser("view_webhookevent")
    for hidden in ("token", "fingerprint", "reply"):
        for lookup in ("", "__gt", "__isnull"):
            assert client.get(EVENTS, {f"{hidden}{lookup}": "1"}).status_code == 400, (hidden, lookup)


def test_the_filter_reads_the_settings_and_not_the_table(ran):
    client = browser(superuser=True)
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        client.get(EVENTS)
    asked = [query["sql"] for query in queries if "hookguard_event" in query["sql"]]
    assert not any("DISTINCT" in sql for sql in asked)
    assert not any(f'"{secret}"' in sql for sql in asked for secret in ("token", "reply", "fingerprint"))


def test_one_event_without_its_token_and_its_reply(ran):
    client = browser("view_webhookevent")
    event = WebhookEvent.objects.get(event_id="evt_1")
    assert event.reply
    page = client.get(f"{EVENTS}{event.pk}/change/").content.decode()
    assert "evt_1" in page
    assert "stripe/stripe" in page
    for secret in (bytes(event.token).hex(), bytes(event.fingerprint).hex(), "sender alone", repr(bytes(event.token))):
        assert secret not in page
    for control in ("_save", "deletelink", "addlink"):
        assert f'name="{control}' not in page
        assert f'class="{control}' not in page


def test_nothing_is_added_changed_or_deleted_even_by_a_superuser(ran):
    client = browser(superuser=True)
    event = WebhookEvent.objects.get(event_id="evt_1")
    assert client.get(f"{EVENTS}add/").status_code == 403
    assert client.post(f"{EVENTS}add/", {"event_id": "x"}).status_code == 403
    assert client.post(f"{EVENTS}{event.pk}/change/", {"state": 0}).status_code == 403
    assert client.post(f"{EVENTS}{event.pk}/delete/", {"post": "yes"}).status_code == 403
    client.post(EVENTS, {"action": "delete_selected", "_selected_action": [event.pk], "post": "yes"})
    assert WebhookEvent.objects.filter(pk=event.pk, state=2).exists()


def test_an_event_that_is_forgotten_runs_again(ran):
    client = browser("view_webhookevent", "forget_webhookevent")
    assert post(stripe("evt_1"))["Hookguard-Duplicate"] == "1"
    assert ran == ["evt_1", "evt_2", "evt_bad"]
    page = forget(client, WebhookEvent.objects.get(event_id="evt_1"))
    assert "1 event is forgotten: it runs again at the next delivery." in page.content.decode()
    assert sorted(rows(page)) == ["evt_2", "evt_bad"]
    assert "Hookguard-Duplicate" not in post(stripe("evt_1"))
    assert post(stripe("evt_1"))["Hookguard-Duplicate"] == "1"
    assert ran == ["evt_1", "evt_2", "evt_bad", "evt_1"]
    assert log().objects.get().object_repr == "stripe/stripe evt_1"
    page = forget(client, *WebhookEvent.objects.all())
    assert "3 events are forgotten" in page.content.decode()


def test_forgetting_needs_its_permission(ran):
    client = browser("view_webhookevent")
    assert 'value="forget"' not in client.get(EVENTS).content.decode()
    forget(client, WebhookEvent.objects.get(event_id="evt_1"))
    assert WebhookEvent.objects.count() == 3
    assert log().objects.count() == 0


def test_looking_needs_its_permission(ran):
    assert browser().get(EVENTS).status_code == 403
    assert Client().get(EVENTS).status_code == 302


def test_the_list_is_of_the_database_that_the_store_is_in(ran):
    """Also where the project's routers would look elsewhere."""
    with connections["sqlite"].schema_editor() as editor:
        editor.create_model(WebhookEvent)
        editor.create_model(WebhookInbox)
    client = browser(superuser=True)
    from django.test import override_settings

    with override_settings(HOOKGUARD=settings(ORMStore("sqlite"))):
        post(stripe("evt_elsewhere"))
        assert rows(client.get(EVENTS)) == ["evt_elsewhere"]
        forget(client, WebhookEvent.objects.using("sqlite").get())
        assert rows(client.get(EVENTS)) == []
    with connections["sqlite"].schema_editor() as editor:
        editor.delete_model(WebhookEvent)
        editor.delete_model(WebhookInbox)
