"""The inbox in the admin, by a browser's requests to a real site: what each permission shows, and the actions with a reason."""

import re

import pytest

pytest.importorskip("django")

from django_site import configure

configure()

from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django_deliveries import SECRET, post, stripe
from test_django_admin import admin_site, browser, log

from hookguard import GiveUp
from hookguard.testing import work_off
from hookguard_django import webhook
from hookguard_django.models import WebhookEvent, WebhookInbox
from hookguard_django.stores import ORMStore

ENTRIES = "/admin/hookguard/webhookinbox/"
CANARY = "canary-4242"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def ran():
    """A site with the admin, and an endpoint with an inbox that four events came to; what its view ran for."""
    ran = []

    @webhook("stripe")
    def hook(request):
        ran.append(request.webhook.id)
        if request.webhook.id in ("evt_dead", HOSTILE):
            raise GiveUp(f"gone {HOSTILE}")
        return HttpResponse()

    with admin_site(hook, INBOX=True):
        for event in ("evt_done", "evt_dead", HOSTILE):
            assert post(stripe(event, card=CANARY, type=HOSTILE if event == HOSTILE else "paid")).status_code == 200
        work_off()
        assert post(stripe("evt_waiting", card=CANARY)).status_code == 200
        ran.clear()
        yield ran


def rows(page):
    return re.findall(r'<th class="field-event">.*?>([^<>]+)</', page.content.decode())


def entry(event_id):
    return WebhookInbox.objects.get(event_id=event_id)


def state(event_id):
    found = WebhookInbox.objects.filter(event_id=event_id).first()
    return None if found is None else found.get_state_display()


def act(client, action, *events, **more):
    """Choose the action in the list, as the first step, or with a reason as the second."""
    wanted = {"action": action, "_selected_action": [entry(event).pk for event in events], **more}
    return client.post(ENTRIES, wanted, follow=True)


def test_a_list_with_search_and_filters_and_without_bodies(ran):
    client = browser("view_webhookinbox")
    page = client.get(ENTRIES)
    assert rows(page) == ["evt_waiting", "&lt;script&gt;alert(1)&lt;/script&gt;", "evt_dead", "evt_done"]
    text = page.content.decode()
    for shown in ("waiting", "dead", "done", "stripe", "paid", "gone &lt;script&gt;"):
        assert shown in text
    assert HOSTILE not in text
    assert CANARY not in text
    assert rows(client.get(ENTRIES, {"q": "evt_dead"})) == ["evt_dead"]
    assert rows(client.get(ENTRIES, {"state__exact": "2"})) == ["evt_done"]
    assert len(rows(client.get(ENTRIES, {"endpoint": "stripe"}))) == 4
    assert rows(client.get(ENTRIES, {"endpoint": "github"})) == []
    for order in range(1, 8):
        assert len(rows(client.get(ENTRIES, {"o": f"-{order}"}))) == 4


def test_the_list_reads_no_body_and_no_name_of_an_endpoint(ran):
    client = browser("view_webhookinbox")
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        client.get(ENTRIES)
    asked = [query["sql"] for query in queries if "hookguard_inbox" in query["sql"]]
    assert asked
    assert not any("DISTINCT" in sql for sql in asked)
    assert not any(f'"{secret}"' in sql for sql in asked for secret in ("token", "body", "head", "content"))


def test_no_lookup_asks_about_a_hidden_column(ran):
    clients = [browser("view_webhookinbox"), browser("view_webhookinbox", "open_webhookinbox", name="grace")]
    for hidden in ("token", "line", "held_line", "head", "body", "content"):
        for lookup in ("", "__contains", "__regex", "__gt", "__isnull", "__length__gt"):
            for client in clients:
                assert client.get(ENTRIES, {f"{hidden}{lookup}": "1"}).status_code == 400, (hidden, lookup)


def test_a_lookup_of_a_shown_column_is_answered(ran):
    client = browser("view_webhookinbox")
    assert rows(client.get(ENTRIES, {"event_type__exact": "paid", "attempt__gte": "1"})) == ["evt_dead", "evt_done"]


def test_a_body_is_shown_to_a_user_who_may_open_it_and_to_nobody_else(ran, caplog):
    caplog.set_level("WARNING", "hookguard.inbox")  # as where nobody configured the log
    url = f"{ENTRIES}{entry('evt_dead').pk}/change/"
    client = browser("view_webhookinbox")
    page = client.get(url).content.decode()
    assert "evt_dead" in page
    assert "gone &lt;script&gt;" in page
    for hidden in (CANARY, "Stripe-Signature", "stripe-signature", "POST http", "application/json", HOSTILE):
        assert hidden not in page
    assert "was shown to" not in caplog.text
    client.logout()
    client = browser("view_webhookinbox", "open_webhookinbox", name="grace")
    page = client.get(url).content.decode()
    assert f"&quot;card&quot;: &quot;{CANARY}&quot;" in page
    assert "POST http://testserver/hook" in page
    assert "content-type: application/json" in page
    for hidden in ("stripe-signature", SECRET, HOSTILE):
        assert hidden not in page.lower()
    assert f"the body of the inbox entry with seq {entry('evt_dead').pk} was shown to grace" in caplog.text


def test_binary_and_large_bodies_are_shown_in_part(ran):
    shown = entry("evt_done")
    WebhookInbox.objects.filter(pk=shown.pk).update(body=b"\xff\x1b[31m\xe2\x80\xae" + b"a" * 70_000, content=b"decrypted")
    page = browser(superuser=True).get(f"{ENTRIES}{shown.pk}/change/").content.decode()
    assert "\\xff\\x1b[31m\\u202eaaa" in page
    assert "more bytes" in page
    assert "a" * 66_000 not in page
    assert "decrypted" in page
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_opening_alone_shows_nothing(ran):
    client = browser("open_webhookinbox")
    assert client.get(ENTRIES).status_code == 403
    assert client.get(f"{ENTRIES}{entry('evt_dead').pk}/change/").status_code == 403
    assert Client().get(ENTRIES).status_code == 302


def test_nothing_is_added_changed_or_deleted_even_by_a_superuser(ran):
    client = browser(superuser=True)
    number = entry("evt_dead").pk
    assert client.get(f"{ENTRIES}add/").status_code == 403
    assert client.post(f"{ENTRIES}add/", {"event_id": "x"}).status_code == 403
    assert client.post(f"{ENTRIES}{number}/change/", {"state": 0}).status_code == 403
    assert client.post(f"{ENTRIES}{number}/delete/", {"post": "yes"}).status_code == 403
    client.post(ENTRIES, {"action": "delete_selected", "_selected_action": [number], "post": "yes"})
    assert state("evt_dead") == "dead"
    page = client.get(f"{ENTRIES}{number}/change/").content.decode()
    for control in ('name="_save', 'class="deletelink', f"{ENTRIES}add/"):
        assert control not in page


def test_list_shows_an_error_of_waiting_and_dead_entries_only(ran):
    client = browser("view_webhookinbox")
    for number, shows in ((0, True), (1, False), (2, False), (3, True)):
        WebhookInbox.objects.filter(event_id="evt_dead").update(state=number, reason="no such customer")
        assert ("no such customer" in client.get(ENTRIES).content.decode()) is shows
    WebhookInbox.objects.filter(event_id="evt_dead").update(state=2)
    assert "no such customer" in client.get(f"{ENTRIES}{entry('evt_dead').pk}/change/").content.decode()


def test_rerun_asks_for_a_reason_and_makes_entries_due_again(ran, caplog):
    client = browser("view_webhookinbox", "rerun_webhookinbox")
    asked = act(client, "rerun", "evt_dead", "evt_waiting", "evt_done", HOSTILE).content.decode()
    assert "3 of 4 selected entries can be changed now" in asked
    assert HOSTILE not in asked
    assert state("evt_dead") == "dead"
    again = act(client, "rerun", "evt_dead", reason=" x ").content.decode()
    assert "Say in a few words why" in again
    assert state("evt_dead") == "dead"
    done = act(client, "rerun", "evt_dead", "evt_waiting", "evt_done", reason=f"the bug is mended {HOSTILE}").content.decode()
    assert "2 of 3 entries are due again. The others" in done
    assert HOSTILE not in done
    assert [state(event) for event in ("evt_dead", "evt_done", HOSTILE)] == ["waiting", "waiting", "dead"]
    assert entry("evt_dead").reason == f"rerun by ada: the bug is mended {HOSTILE}"
    assert "rerun of 3 entries by ada, changed 2: the bug is mended" in caplog.text
    assert {(one.object_repr, one.get_change_message()) for one in log().objects.all()} == {
        ("stripe paid evt_dead", f"rerun: the bug is mended {HOSTILE}"),
        ("stripe paid evt_done", f"rerun: the bug is mended {HOSTILE}"),
    }
    work_off()
    assert sorted(ran) == ["evt_dead", "evt_done", "evt_waiting"]


def test_drop_asks_for_a_reason_and_deletes_entries_for_good(ran, caplog):
    client = browser("view_webhookinbox", "drop_webhookinbox")
    assert "They will be deleted for good" in act(client, "drop", "evt_dead").content.decode()
    assert state("evt_dead") == "dead"
    held = ORMStore().inbox().take_one(entry("evt_waiting").key, lease=60, settings=webhook_settings())
    done = act(client, "drop", "evt_dead", "evt_waiting", reason="a test event\ndrop of 9 entries by bob").content.decode()
    assert "1 of 2 entries are deleted. The others are held by a worker" in done
    assert (state("evt_dead"), state("evt_waiting")) == (None, "held")
    assert held is not None
    assert "drop of 2 entries by ada, changed 1: a test event\\ndrop of 9 entries by bob\n" in caplog.text
    assert [one.object_repr for one in log().objects.all()] == ["stripe paid evt_dead"]
    # Its event is still known.
    assert post(stripe("evt_dead"))["Hookguard-Duplicate"] == "1"
    assert state("evt_dead") is None


def webhook_settings():
    from hookguard_django.conf import endpoints

    return endpoints().endpoint("stripe").inbox


@pytest.mark.parametrize(("action", "permission"), [("rerun", "drop_webhookinbox"), ("drop", "rerun_webhookinbox")])
def test_each_action_needs_its_own_permission(ran, action, permission):
    client = browser("view_webhookinbox", "open_webhookinbox", permission)
    assert f'value="{action}"' not in client.get(ENTRIES).content.decode()
    act(client, action, "evt_dead", reason="a reason of three words")
    assert state("evt_dead") == "dead"
    assert log().objects.count() == 0


def test_an_action_needs_the_token_of_its_form(ran):
    client = Client(enforce_csrf_checks=True)
    client.force_login(browser(superuser=True).get("/admin/").wsgi_request.user)
    wanted = {"action": "drop", "_selected_action": [entry("evt_dead").pk], "reason": "from another site"}
    assert client.post(ENTRIES, wanted).status_code == 403
    assert state("evt_dead") == "dead"


def test_no_more_than_a_thousand_entries_are_changed_at_a_time(ran, monkeypatch):
    from hookguard_django import inbox_admin

    monkeypatch.setattr(inbox_admin, "MOST", 2)
    client = browser(superuser=True)
    page = act(client, "drop", "evt_dead", "evt_done", "evt_waiting", reason="too many at a time").content.decode()
    assert "At most 2 entries at a time" in page
    assert WebhookInbox.objects.count() == 4
    assert "2 of 2 entries are deleted" in act(client, "drop", "evt_dead", "evt_done", reason="two").content.decode()


def test_an_event_is_not_forgotten_while_an_entry_of_it_waits(ran):
    client = browser("view_webhookevent", "forget_webhookevent")
    events = [event.pk for event in WebhookEvent.objects.all()]
    page = client.post("/admin/hookguard/webhookevent/", {"action": "forget", "_selected_action": events}, follow=True)
    text = page.content.decode()
    assert "3 events are forgotten" in text
    assert "1 event waits in the inbox or is being handled" in text
    assert [event.event_id for event in WebhookEvent.objects.all()] == ["evt_waiting"]
    assert [found.event_id for found in WebhookInbox.objects.all()] == ["evt_waiting"]
    assert post(stripe("evt_done")).get("Hookguard-Duplicate") is None
    assert state("evt_done") == "waiting"


def opened(client, event_id):
    return client.get(f"{ENTRIES}{entry(event_id).pk}/change/").content.decode()


def test_a_hidden_value_is_hidden_in_the_admin_too():
    @webhook("stripe")
    def hook(request):
        return HttpResponse()

    with admin_site(hook, INBOX={"HIDE": ["/card"]}):
        assert post(stripe("evt_1", card=CANARY)).status_code == 200
        client = browser(superuser=True)
        page = opened(client, "evt_1")
        assert "&quot;card&quot;: &quot;(hidden)&quot;" in page
        assert CANARY not in page
        WebhookInbox.objects.update(body=f"card={CANARY}".encode())
        page = opened(client, "evt_1")
        assert "not shown: it is not JSON" in page
        assert CANARY not in page


def test_a_body_of_an_endpoint_that_is_gone_is_not_shown(ran):
    WebhookInbox.objects.filter(event_id="evt_dead").update(endpoint="old")
    page = opened(browser(superuser=True), "evt_dead")
    assert "it is unknown which values must stay hidden" in page
    assert CANARY not in page


def test_event_with_an_entry_links_to_it(ran):
    client = browser("view_webhookevent", "view_webhookinbox")
    page = client.get("/admin/hookguard/webhookevent/").content.decode()
    listed = dict(re.findall(r'field-event_id">.*?>([^<>]+)</a>.*?field-claim">(.*?)</td>', page, re.DOTALL))
    assert "9999" not in page
    for event in ("evt_done", "evt_dead", "evt_waiting"):
        link, said = re.fullmatch(r'<a href="([^"]+)">([^<]+)</a>', listed[event]).groups()
        assert said == "in the inbox"
        assert rows(client.get(link)) == [event]
    key = entry("evt_dead").key
    one = client.get(f"/admin/hookguard/webhookevent/{key}/change/").content.decode()
    assert "in the inbox" in one
    assert "9999" not in one


def test_events_in_the_inbox_can_be_filtered(ran):
    client = browser("view_webhookevent")
    for state, number in (("inbox", 4), ("2", 0), ("0", 0)):
        page = client.get("/admin/hookguard/webhookevent/", {"state__exact": state}).content.decode()
        assert len(re.findall(r'<th class="field-event_id">', page)) == number, state
