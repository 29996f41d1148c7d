"""The records of deliveries in the admin, by a browser's requests to a real site: each permission, and each look in the log."""

import json
import logging
import re

import pytest

pytest.importorskip("django")

from django_site import configure

configure()

from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext
from django_deliveries import post, stripe
from test_django_admin import admin_site, browser

from hookguard import presets
from hookguard.evidence.contract import FoundCause
from hookguard.guard.recording import flush
from hookguard_django import webhook
from hookguard_django.models import WebhookDelivery
from hookguard_django.stores import ORMStore

DELIVERIES = "/admin/hookguard/webhookdelivery/"
CANARY = "canary-4242"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def deliveries():
    """A site with the admin and three recorded deliveries: rejected, handled with hostile names, handled; their names."""

    @webhook("stripe")
    def hook(request):
        return HttpResponse()

    with admin_site(hook, EVIDENCE={"KEEP_BODY": "1h"}, AUTOPSY=False):
        assert post(stripe("evt_1", card=CANARY)).status_code == 200
        assert post(stripe(HOSTILE, card=CANARY, type=HOSTILE)).status_code == 200
        assert post(stripe("evt_2")._replace(body=b"{}")).status_code == 401
        assert flush()
        found = [record.delivery for record in ORMStore().evidence().find(limit=10)]
        ORMStore().evidence().explain(found[0], [FoundCause("secret_retired", "proved")])
        yield found


def rows(page):
    return re.findall(r'<th class="field-mark">.*?>([^<>]+)</', page.content.decode())


def page_of(client, delivery):
    return client.get(f"{DELIVERIES}{WebhookDelivery.objects.get(delivery=delivery).pk}/change/")


def test_list_shows_types_reasons_and_causes(deliveries):
    client = browser("view_delivery")
    page = client.get(DELIVERIES)
    assert rows(page) == [name[:6] for name in deliveries]
    text = page.content.decode()
    for shown in ("invoice.paid", "signature_mismatch", "secret_retired (proved)", "evt_1", "handled", "rejected"):
        assert shown in text
    assert HOSTILE not in text
    assert CANARY not in text


def test_list_has_filters_and_a_search(deliveries):
    client = browser("view_delivery")
    rejected, hostile, handled = (name[:6] for name in deliveries)
    assert rows(client.get(DELIVERIES, {"outcome": "rejected"})) == [rejected]
    assert len(rows(client.get(DELIVERIES, {"recent": "hour", "endpoint": "stripe"}))) == 3
    assert rows(client.get(DELIVERIES, {"endpoint": "github"})) == []
    for search, found in (
        ("secret_retired", [rejected]),
        ("signature_mismatch", [rejected]),
        ("evt_1", [handled]),
        (hostile, [hostile]),
        ("invoice.paid", [handled]),
    ):
        assert rows(client.get(DELIVERIES, {"q": search})) == found, search
    for order in range(1, 10):
        assert len(rows(client.get(DELIVERIES, {"o": f"-{order}"}))) == 3


def test_list_reads_no_body(deliveries):
    client = browser("view_delivery")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        client.get(DELIVERIES)
    assert not any(re.search(r'"(body|head)"', each["sql"]) for each in queries)


def test_body_is_hidden_from_lookups(deliveries):
    client = browser("view_delivery", "view_delivery_body")
    for lookup in ("body__contains", "head__regex", "body__gt"):
        page = client.get(DELIVERIES, {lookup: "x"}, follow=True)
        assert page.status_code in (200, 400)
        assert page.status_code == 400 or "e=1" in page.redirect_chain[-1][0]


def test_record_is_shown_without_the_body(deliveries, caplog):
    caplog.set_level(logging.INFO, "hookguard.evidence")
    page = page_of(browser("view_delivery"), deliveries[2])
    text = page.content.decode()
    assert page.status_code == 200
    for shown in (deliveries[2], "content-type: application/json", "stripe-signature", "invoice.paid"):
        assert shown in text
    assert CANARY not in text
    assert "stripe-signature:" not in text
    assert caplog.records == []


def test_record_says_what_its_cause_means(deliveries):
    client = browser("view_delivery")
    text = page_of(client, deliveries[0]).content.decode()
    assert "secret_retired: a secret of this endpoint matches that is past its date. Switch the provider" in text
    assert "<pre></pre>" not in page_of(client, deliveries[1]).content.decode()


def test_fact_that_is_missing_is_shown_as_a_dash(deliveries):
    WebhookDelivery.objects.filter(delivery=deliveries[0]).update(body_size=0, body_sha256="")
    text = page_of(browser("view_delivery", "view_delivery_body"), deliveries[0]).content.decode()
    for name in ("size", "signed", "body_kept_until", "body_text"):
        shown = re.search(rf'field-{name}">.*?class="readonly">(.*?)</div>', text, re.DOTALL)
        assert shown[1] == "-", name


def test_body_needs_its_permission_and_each_look_is_logged(deliveries, caplog):
    caplog.set_level(logging.WARNING, "hookguard.evidence")  # as where nobody configured the log
    page = page_of(browser("view_delivery", "view_delivery_body"), deliveries[2])
    assert CANARY in page.content.decode()
    (line,) = [each.getMessage() for each in caplog.records]
    assert line.startswith("the body of the delivery with seq ")
    assert line.endswith(" was shown to ada")


def test_hostile_names_are_escaped_on_the_page(deliveries):
    text = page_of(browser("view_delivery", "view_delivery_body"), deliveries[1]).content.decode()
    assert HOSTILE not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize("permissions", [(), ("view_delivery_body",), ("view_webhookevent",)])
def test_other_users_see_nothing(deliveries, permissions):
    client = browser(*permissions)
    assert client.get(DELIVERIES).status_code == 403
    assert page_of(client, deliveries[2]).status_code == 403


def test_nobody_changes_a_record(deliveries):
    client = browser(superuser=True)
    pk = WebhookDelivery.objects.get(delivery=deliveries[0]).pk
    assert client.get(f"{DELIVERIES}add/").status_code == 403
    assert client.post(f"{DELIVERIES}{pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.post(f"{DELIVERIES}{pk}/change/", {"endpoint": "other"}).status_code == 403
    assert WebhookDelivery.objects.get(pk=pk).endpoint == "stripe"


def test_values_that_an_inbox_hides_stay_hidden():
    @webhook("stripe")
    def hook(request):
        return HttpResponse()

    with admin_site(hook, EVIDENCE={"KEEP_BODY": "1h"}, INBOX={"HIDE": ["/card"]}):
        assert post(stripe("evt_1", card=CANARY)).status_code == 200
        assert flush()
        (record,) = ORMStore().evidence().find(limit=10)
        assert record.outcome == "stored"
        text = page_of(browser("view_delivery", "view_delivery_body"), record.delivery).content.decode()
        assert "evt_1" in text
        assert CANARY not in text


def test_values_of_several_events_stay_hidden_in_a_rejected_delivery():
    @webhook("stripe")
    def hook(request):
        return HttpResponse()

    # A genuine delivery to an endpoint with another secret.
    events = [{"id": f"EV{number}", "resource_type": "payments", "card": CANARY} for number in (1, 2)]
    sent = presets.get("gocardless").sign(json.dumps({"events": events}).encode(), "the-secret-of-another-endpoint")
    evidence = {"KEEP_BODY": "1h", "KEEP_REJECTED_BODY": True}
    with admin_site(hook, PRESET="gocardless", EVIDENCE=evidence, INBOX={"HIDE": ["/card"]}, AUTOPSY=False):
        assert post(sent).status_code == 401
        assert flush()
        (record,) = ORMStore().evidence().find(limit=10)
        text = page_of(browser("view_delivery", "view_delivery_body"), record.delivery).content.decode()
        assert "not shown: it may have several events" in text
        assert CANARY not in text
