"""The code on the pages about challenges, batches, gateways, identities, secrets, signed URLs and tests runs."""

import json
import sqlite3
import sys
import types
from contextlib import closing
from uuid import uuid4

import pytest
from pages import blocks

from hookguard import ConfigurationError, Endpoint, Guard, MemoryStore, Verifier, presets
from hookguard.config import Settings
from hookguard.presets import registry

SECRET = "a-secret-that-is-long-enough"
BATCHES, CHALLENGES, GATEWAYS = (blocks(f"docs/{name}.md") for name in ("batches", "challenges", "gateways"))
ONCE, SECRETS, TESTING = (blocks(f"docs/{name}.md") for name in ("once", "secrets", "testing"))


def guarding(endpoints, name):
    """A guard of one endpoint of a page's settings."""
    settings = Settings({"endpoints": endpoints}, where="docs", default_store=MemoryStore)
    return Guard(settings.endpoint(name), MemoryStore())


def imported(monkeypatch, name, block):
    """A block as the module that it is on the page."""
    module = types.ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    block.run(module.__dict__)
    return module


@pytest.mark.runs("docs/challenges.md", "What is answered")
def test_the_verify_token_is_given_with_the_secret(monkeypatch):
    monkeypatch.setenv("META_APP_SECRET", SECRET)
    monkeypatch.setenv("META_VERIFY_TOKEN", "the-word-in-the-dashboard")
    secrets = CHALLENGES["What is answered"].run()["SECRETS"]
    guard = guarding({"meta": {"secrets": secrets}}, "meta")
    asked = presets.META.sign(b"", SECRET)._replace(
        method="GET", url="/?hub.mode=subscribe&hub.challenge=123&hub.verify_token=the-word-in-the-dashboard"
    )
    assert guard.open(asked).reply.body == b"123"
    assert guard.open(asked._replace(url=asked.url[:-1])).reply.status == 401


@pytest.mark.runs("docs/challenges.md", "A provider that brings the secret")
def test_a_first_delivery_that_brings_the_secret(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with closing(sqlite3.connect("projects.sqlite3")) as database:
        database.execute("CREATE TABLE project (slug TEXT, secret TEXT)")
        database.execute("INSERT INTO project VALUES ('seven', NULL)")
        database.commit()
    guard = guarding(CHALLENGES["A provider that brings the secret"].run()["ENDPOINTS"], "asana")
    offered = presets.ASANA.sign(b"{}", SECRET, headers={"X-Hook-Secret": SECRET})
    assert guard.open(offered._replace(url="/hooks/eight")).reply.status == 401
    assert guard.open(offered._replace(url="/hooks/seven")).reply.status == 200
    other = presets.ASANA.sign(b"{}", SECRET, headers={"X-Hook-Secret": "of-somebody-else-who-came-later"})
    assert guard.open(other._replace(url="/hooks/seven")).reply.status == 401
    event = presets.ASANA.sign(b'{"events": [{"action": "changed"}]}', SECRET)
    assert guard.open(event._replace(url="/hooks/seven")).event.tenant == "seven"


@pytest.mark.runs("docs/challenges.md", "A provider of your own")
def test_a_challenge_of_ones_own():
    assert len(CHALLENGES["A provider of your own"].run()["challenge"].challenges) == 6


@pytest.mark.runs("docs/batches.md", "Several events in one delivery")
def test_an_event_in_its_place(capsys):
    handle = BATCHES["Several events in one delivery"].run()["handle"]
    change = {
        "metadata": {"phone_number_id": "n-1"},
        "messages": [{"id": "wamid.1"}, {"id": "wamid.2"}],
        "statuses": [{"id": "s"}],
    }
    body = json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "a-1", "changes": [{"value": change}]}]})
    for event in Verifier("whatsapp", SECRET).verify(presets.WHATSAPP.sign(body.encode(), SECRET)).events():
        handle(event)
    assert capsys.readouterr().out.split("\n") == ["a-1 n-1 wamid.1 wamid.1", "a-1 n-1 wamid.2 wamid.2", ""]


@pytest.mark.runs("docs/batches.md", "Without a framework", "A provider of your own")
@pytest.mark.parametrize(("failing", "answer"), [(None, 200), ("a", 500), ("b", 500)])
def test_the_blocks_on_batches_run_as_printed(failing, answer):
    receive = BATCHES["Without a framework"].run()["receive"]
    acme = BATCHES["A provider of your own"].run()["ACME"]
    ran = []

    def handle(event):
        ran.append(event.id)
        if event.id == failing:
            raise OSError("no")

    guard = Guard(Endpoint(Verifier(acme, SECRET)), MemoryStore())
    delivery = acme.sign(json.dumps({"events": [{"id": "a", "kind": "x"}, {"id": "b", "kind": "x"}]}).encode(), SECRET)
    assert receive(guard, delivery, handle)[0] == answer
    assert ran == ["a", "b"]
    ran.clear()
    failing_again = answer
    assert receive(guard, delivery, handle)[0] == failing_again
    assert ran == ([failing] if failing else [])
    assert receive(guard, delivery._replace(body=b"{}"), handle)[0] == 401


@pytest.mark.runs("docs/batches.md", "main.py")
def test_batches_in_fastapi(monkeypatch, capsys, tmp_path):
    pytest.importorskip("fastapi")
    testclient = pytest.importorskip("fastapi.testclient")
    monkeypatch.setenv("ADYEN_HMAC_KEY", "0123456789abcdef" * 4)
    monkeypatch.chdir(tmp_path)
    app = imported(monkeypatch, "main", BATCHES["main.py"]).app
    items = [
        {"NotificationRequestItem": {"pspReference": reference, "eventCode": "REFUND", "success": "true", "additionalData": {}}}
        for reference in ("psp-1", "psp-2")
    ]
    body = json.dumps({"live": "false", "notificationItems": items}).encode()
    delivery = presets.ADYEN.sign(body, "0123456789abcdef" * 4)
    with testclient.TestClient(app) as client:
        answer = client.post("/hooks/adyen", content=delivery.body, headers=delivery.headers)
    assert (answer.status_code, capsys.readouterr().out.split()) == (200, ["REFUND", "psp-1", "REFUND", "psp-2"])


@pytest.mark.runs("docs/gateways.md", "Behind a gateway", "Without settings")
def test_the_blocks_on_gateways_run_as_printed(monkeypatch):
    monkeypatch.setenv("STRIPE_SECRET", SECRET)
    monkeypatch.setenv("HOOKDECK_SIGNING_SECRET", "the-gateways-own-secret-here")
    guard = guarding(GATEWAYS["Behind a gateway"].run()["ENDPOINTS"], "stripe")
    delivery = presets.STRIPE.sign(b'{"id": "evt_1"}', SECRET)
    passed = presets.HOOKDECK.sign(delivery.body, "the-gateways-own-secret-here", headers=delivery.headers)
    assert guard.open(passed).event.id == "evt_1"
    assert guard.open(delivery).reply.status == 401
    assert isinstance(GATEWAYS["Without settings"].run()["endpoint"], Endpoint)


@pytest.mark.runs("docs/once.md", "The same answer for a duplicate")
def test_a_duplicate_gets_the_same_answer(monkeypatch):
    monkeypatch.setenv("SLACK_SIGNING_SECRET", SECRET)
    guard = guarding(ONCE["The same answer for a duplicate"].run()["ENDPOINTS"], "slack")
    delivery = presets.SLACK.sign(b'{"event_id": "Ev1"}', SECRET)
    with guard.receive(delivery) as receipt:
        receipt.answered(200, content_type="text/plain", body=b"done")
    assert guard.open(delivery).reply.body == b"done"


@pytest.mark.runs("docs/once.md", "What makes two deliveries the same event")
def test_content_as_identity(monkeypatch):
    monkeypatch.setenv("GITHUB_SECRET", SECRET)
    guard = guarding(ONCE["What makes two deliveries the same event"].run()["ENDPOINTS"], "github")
    for number, runs in ((1, True), (2, False)):
        with guard.receive(presets.GITHUB.sign(b"{}", SECRET, id=f"d-{number}")) as receipt:
            assert (receipt.reply is None) is runs
            if runs:
                receipt.answered(200)


@pytest.mark.runs("docs/once.md", "shop.py")
def test_questions_that_may_be_asked_twice(monkeypatch):
    shop = imported(monkeypatch, "shop", ONCE["shop.py"])
    given = {"voice": {"preset": "shop.VOICE", "secrets": [SECRET], "public_base_url": "https://shop.example"}}
    guard = guarding(given, "voice")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    pressed = shop.VOICE.sign(b"CallSid=CA1&Digits=1", SECRET, url="https://shop.example/voice", headers=form)
    for _ in range(2):
        receipt = guard.open(pressed)
        assert receipt.reply is None
        assert guard.settle(receipt, status=200) is None
    assert guard.open(pressed._replace(body=b"CallSid=CA1&Digits=2")).reply.status == 401


@pytest.mark.runs("docs/testing.md", "Public keys", "Keys that the provider publishes")
def test_the_blocks_on_testing_run_as_printed():
    pytest.importorskip("cryptography")
    pytest.importorskip("jwt")
    names = {}
    for block in (TESTING["Public keys"], TESTING["Keys that the provider publishes"]):
        block.run(names)
    names["test_a_bounce_is_believed"]()
    names["test_a_pushed_message_is_believed"]()
    # "A key of another kind … the message names the right one."
    with pytest.raises(ConfigurationError, match="ed25519"):
        Verifier("discord", names["key_pair"]()[1])


@pytest.mark.runs("docs/testing.md", "An inbox")
def test_the_test_with_an_inbox_passes(tmp_path):
    pytest.importorskip("flask")
    TESTING["An inbox"].run({"__name__": "__main__"})["test_an_order_is_handled_at_the_second_try"](tmp_path)


@pytest.mark.runs("docs/secrets.md", "Secrets")
def test_several_secrets_have_names_and_dates(monkeypatch):
    monkeypatch.setenv("STRIPE_SECRET_NEW", "whsec_new-0123456789")
    monkeypatch.setenv("STRIPE_SECRET_OLD", "whsec_old-0123456789")
    guard = guarding({"stripe": {"secrets": SECRETS["Secrets"].run()["SECRETS"]}}, "stripe")
    assert guard.open(presets.STRIPE.sign(b'{"id": "evt_1"}', "whsec_new-0123456789")).event.secret == "2026-11"


@pytest.mark.runs("docs/secrets.md", "One per tenant", "One per tenant 2")
def test_tenants_have_a_secret_each(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with closing(sqlite3.connect("shops.sqlite3")) as database:
        database.execute("CREATE TABLE shop (slug TEXT, webhook_secret TEXT)")
        database.executemany("INSERT INTO shop VALUES (?, ?)", [("acme", SECRET), ("other", SECRET[::-1])])
        database.commit()
    monkeypatch.setitem(sys.modules, "shop", types.ModuleType("shop"))
    sys.modules["shop"].hooks = imported(monkeypatch, "shop.hooks", SECRETS["One per tenant"])
    guard = guarding(SECRETS["One per tenant 2"].run()["ENDPOINTS"], "github")
    delivery = presets.GITHUB.sign(b"{}", SECRET, id="d-1")
    assert guard.open(delivery._replace(url="/hooks/acme")).event.tenant == "acme"
    for slug in ("other", "nobody"):
        assert guard.open(delivery._replace(url=f"/hooks/{slug}")).reply.status == 401


@pytest.mark.runs("docs/secrets.md", "Tenants that share one secret")
def test_tenants_that_share_a_secret_are_compared():
    guard = guarding({"slack": SECRETS["Tenants that share one secret"].run()["ENDPOINT"]}, "slack")
    delivery = presets.SLACK.sign(b'{"event_id": "Ev1", "team_id": "T1"}', "the-one-secret-of-your-app")
    assert guard.open(delivery._replace(url="/hooks/T1")).event.tenant == "T1"
    assert guard.open(delivery._replace(url="/hooks/T2")).error.code == "tenant_mismatch"


@pytest.mark.runs("docs/signed-urls.md", "Signed callback URLs")
def test_a_signed_callback_url(monkeypatch):
    monkeypatch.setenv("ERP_SECRET", SECRET)
    monkeypatch.setattr(registry, "_presets", dict(registry._presets))
    page = blocks("docs/signed-urls.md")["Signed callback URLs"].run()
    endpoint = {"erp": {"secrets": [SECRET], "public_base_url": "https://hooks.example.com"}}
    guard = guarding(endpoint, "erp")
    body = json.dumps({"number": uuid4().hex}).encode()
    came = page["ERP"].sign(body, SECRET, url="https://hooks.example.com/erp")
    sent = came._replace(url=page["url"], headers={"Content-Type": "application/json"})
    assert guard.open(sent).reply is None
    assert guard.open(sent._replace(url="https://hooks.example.com/erp?token=another")).reply.status == 401
