"""The rejected deliveries on the page, in three frameworks, where the store keeps records of them."""

import json
import re

import pytest
from inboxes import SECRET
from page_sites import BASE, CANARY, FRAMEWORKS, HOSTILE, KEY, page_site, reject, settings

from hookguard import presets
from hookguard.evidence.contract import FoundCause, HeadFact


@pytest.fixture(params=FRAMEWORKS)
def site(request, tmp_path):
    pytest.importorskip(request.param)
    with page_site(request.param, tmp_path / "hookguard.sqlite3", evidence=True) as found:
        yield found


def test_the_list_shows_why_each_delivery_was_rejected(site):
    found = reject(site.box, findings=(FoundCause("secret_retired", "proved"),), event_type="invoice.paid")
    reject(site.box, outcome="handled", status=200, reason_code="", event_type="not.here")
    text = site.get("/rejected").text
    for shown in (found.mark, "stripe", "401", "signature_mismatch", "secret_retired (proved)", "invoice.paid"):
        assert shown in text
    assert text.count("a secret of this endpoint matches that is past its date") == 1
    assert "extend not_after until it is switched" in text
    assert "not.here" not in text
    assert f'href="{BASE}/rejected"' in site.get("/").text


def test_the_list_leaves_out_the_size_of_a_body_that_was_not_read(site):
    reject(site.box, body_size=0, body_sha256="")
    assert ">0</td>" not in site.get("/rejected").text
    reject(site.box, body_size=0, body_sha256="e3b0c442")
    assert ">0</td>" in site.get("/rejected").text


def test_the_list_takes_each_filter_and_goes_on_to_older_deliveries(site):
    old = reject(site.box, age=7200, reason_code="stale_timestamp")
    for _ in range(100):
        reject(site.box, age=10)
    first = site.get("/rejected").text
    assert old.mark not in first
    assert first.count("signature_mismatch") == 100
    older = re.search(rf'href="{BASE}(/rejected\?[^"]*after=\d+)"', first)[1].replace("&amp;", "&")
    assert old.mark in site.get(older).text
    assert old.mark in site.get("/rejected?cause=stale_timestamp&endpoint=stripe&since=24h").text
    for query in ("endpoint=github", "cause=%25", "cause=stale_timestamp&since=1h"):
        assert "No rejected delivery is recorded here" in site.get(f"/rejected?{query}").text, query


def test_the_chart_counts_the_rejected_deliveries_of_each_hour(site):
    for _ in range(3):
        reject(site.box)
    reject(site.box, age=90_000)
    assert "Rejected deliveries per hour in the last 24 hours: 3, at most" in site.get("/").text


def test_hostile_texts_are_text_and_no_body_or_header_is_shown(site):
    header = HeadFact("x-canary", CANARY)
    reject(site.box, event_type=HOSTILE, endpoint=HOSTILE, reason_code=HOSTILE, headers=(header,), tenant=CANARY, event_id=CANARY)
    text = site.get("/rejected").text
    assert "&lt;script&gt;" in text
    for hidden in ("<script", "\u202e", "\x1b", CANARY):
        assert hidden not in text


def test_nobody_is_answered_404(site):
    site.who = None
    assert site.get("/rejected").status == 404


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_without_records_there_is_no_such_page(framework, tmp_path):
    pytest.importorskip(framework)
    with page_site(framework, tmp_path / "hookguard.sqlite3") as site:
        assert "Rejected" not in site.get("/").text
        assert site.get("/rejected").status == 404


def test_a_forged_delivery_is_on_the_page(tmp_path):
    flask = pytest.importorskip("flask")
    from inboxes import Box

    from hookguard.guard import recording
    from hookguard_flask import HookGuard

    app = flask.Flask("shop")
    app.config.update(HOOKGUARD=settings(Box(tmp_path / "hookguard.sqlite3"), evidence=True), SECRET_KEY=KEY)
    hooks = HookGuard(app)
    app.post("/hooks/stripe")(hooks.guard("stripe")(lambda: ""))
    app.register_blueprint(hooks.page(allow=lambda request: ("ada", {"look"})), url_prefix=BASE)
    client = app.test_client()
    forged = presets.STRIPE.sign(json.dumps({"id": "evt_1", "type": "paid"}).encode(), "another-secret-than-the-endpoint")
    assert client.post("/hooks/stripe", data=forged.body, headers=dict(forged.headers.items())).status_code == 401
    assert recording.flush()
    text = client.get(f"{BASE}/rejected").text
    assert "401" in text
    assert SECRET not in text
    assert not re.search(r"v1=", text)
