"""The code on the pages about challenges, batches and gateways runs."""

import json
import os
import re
import sys
import types
from pathlib import Path

import pytest

from hookguard import ConfigurationError, Endpoint, Guard, MemoryStore, Verifier, presets
from hookguard.config import Settings

DOCS = Path(__file__).parents[2] / "docs"
SECRET = "a-secret-that-is-long-enough"


def blocks(page):
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


def run(code, **names):
    names["os"] = os
    exec(compile(code, "docs", "exec"), names)
    return names


def test_challenges():
    secret, brings, own = blocks("challenges.md")
    verifier = Verifier("meta", run(secret)["secrets"])
    assert verifier.keys()[0].secret.has("verify_token")

    class Registration:
        saved = None

        def save(self, secret):
            self.saved = secret

    registration = Registration()
    found = run(brings, find_open_registration=lambda url: registration if url == "/hooks/7" else None, look_up=lambda *_: None)
    settings = Settings({"endpoints": {"asana": found["endpoint"]}}, where="docs", default_store=MemoryStore)
    guard = Guard(settings.endpoints["asana"], MemoryStore())
    offered = presets.ASANA.sign(b"{}", SECRET, headers={"X-Hook-Secret": "secret-of-asana"})
    assert guard.open(offered._replace(url="/hooks/8")).reply.status == 401
    assert guard.open(offered._replace(url="/hooks/7")).reply.status == 200
    assert registration.saved == "secret-of-asana"
    assert len(run(own)["challenge"].challenges) == 6


def test_an_event_in_its_place(capsys):
    handle = run(blocks("batches.md")[0])["handle"]
    change = {
        "metadata": {"phone_number_id": "n-1"},
        "messages": [{"id": "wamid.1"}, {"id": "wamid.2"}],
        "statuses": [{"id": "s"}],
    }
    body = json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "a-1", "changes": [{"value": change}]}]})
    for event in Verifier("whatsapp", SECRET).verify(presets.WHATSAPP.sign(body.encode(), SECRET)).events():
        handle(event)
    assert capsys.readouterr().out.split("\n") == ["a-1 n-1 wamid.1 wamid.1", "a-1 n-1 wamid.2 wamid.2", ""]


@pytest.mark.parametrize(("failing", "answer"), [(None, 200), ("a", 500), ("b", 500)])
def test_batches(failing, answer):
    _, _, loop, own = blocks("batches.md")
    acme = run(own)["ACME"]
    ran = []

    def handle(event):
        ran.append(event.id)
        if event.id == failing:
            raise OSError("no")

    guard = Guard(Endpoint(Verifier(acme, SECRET)), MemoryStore())
    delivery = acme.sign(json.dumps({"events": [{"id": "a", "kind": "x"}, {"id": "b", "kind": "x"}]}).encode(), SECRET)
    assert run(loop, guard=guard, delivery=delivery, handle=handle)["answer"] == answer
    assert ran == ["a", "b"]
    ran.clear()
    run(loop, guard=guard, delivery=delivery, handle=handle)
    assert ran == ([failing] if failing else [])


def test_batches_in_fastapi(monkeypatch, capsys, tmp_path):
    fastapi = pytest.importorskip("fastapi")
    testclient = pytest.importorskip("fastapi.testclient")
    from hookguard_starlette import HookGuard

    monkeypatch.setenv("ADYEN_HMAC_KEY", "0123456789abcdef" * 4)
    monkeypatch.chdir(tmp_path)
    app = run(blocks("batches.md")[1], FastAPI=fastapi.FastAPI, Request=fastapi.Request, HookGuard=HookGuard)["app"]
    items = [
        {"NotificationRequestItem": {"pspReference": reference, "eventCode": "REFUND", "success": "true", "additionalData": {}}}
        for reference in ("psp-1", "psp-2")
    ]
    body = json.dumps({"live": "false", "notificationItems": items}).encode()
    delivery = presets.ADYEN.sign(body, "0123456789abcdef" * 4, headers={"Content-Type": "application/json"})
    with testclient.TestClient(app) as client:
        answer = client.post("/hooks/adyen", content=delivery.body, headers=dict(delivery.headers.items()))
    assert (answer.status_code, capsys.readouterr().out.split()) == (200, ["REFUND", "psp-1", "REFUND", "psp-2"])


def test_gateways(monkeypatch):
    monkeypatch.setenv("STRIPE_SECRET", SECRET)
    monkeypatch.setenv("HOOKDECK_SIGNING_SECRET", "the-gateways-own-secret-here")
    settings, plain = blocks("gateways.md")
    endpoints = run(settings)["ENDPOINTS"]
    endpoint = Settings({"endpoints": endpoints}, where="docs", default_store=MemoryStore).endpoints["stripe"]
    delivery = presets.STRIPE.sign(b'{"id": "evt_1"}', SECRET)
    passed = presets.HOOKDECK.sign(delivery.body, "the-gateways-own-secret-here", headers=dict(delivery.headers.items()))
    assert endpoint.verifier.verify(passed).id == "evt_1"
    assert isinstance(run(plain)["endpoint"], Endpoint)


def test_questions_that_may_be_asked_twice(monkeypatch):
    questions = next(block for block in blocks("once.md") if "EachDelivery" in block)
    shop = types.ModuleType("shop")
    exec(compile(questions, "docs", "exec"), shop.__dict__)
    monkeypatch.setitem(sys.modules, "shop", shop)
    given = {"endpoints": {"voice": {"preset": "shop.VOICE", "secrets": [SECRET], "public_base_url": "https://shop.example"}}}
    guard = Guard(Settings(given, where="docs", default_store=MemoryStore).endpoints["voice"], MemoryStore())
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    pressed = shop.VOICE.sign(b"CallSid=CA1&Digits=1", SECRET, url="https://shop.example/voice", headers=form)
    for _ in range(2):
        receipt = guard.open(pressed)
        assert receipt.reply is None
        assert guard.settle(receipt, status=200) is None
    assert guard.open(pressed._replace(body=b"CallSid=CA1&Digits=2")).reply.status == 401


def test_testing():
    pytest.importorskip("cryptography")
    pytest.importorskip("jwt")
    names = {}
    for block in blocks("testing.md"):
        exec(compile(block, "docs/testing.md", "exec"), names)
    names["test_a_bounce_is_believed"]()
    names["test_a_pushed_message_is_believed"]()
    # "A key of another kind … the message names the right one."
    with pytest.raises(ConfigurationError, match="ed25519"):
        Verifier("discord", names["key_pair"]()[1])
