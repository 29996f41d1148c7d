"""``hookguard replay``: an application of the user's own handles a recorded delivery once more."""

import asyncio
import json
import logging
import sys
import threading
from types import SimpleNamespace

import pytest

click = pytest.importorskip("click")
pytest.importorskip("rich")

from click.testing import CliRunner

from hookguard import SQLiteStore, presets
from hookguard.cli.app import hookguard
from hookguard.config import store_from
from hookguard.evidence.notes import last_replay, noted
from hookguard.guard.recording import flush
from hookguard.work.caller import Caller
from hookguard.work.calling import Call

SECRET = "whsec_GpbHODqYsK2jn1fwRv2119uNETI485Tg"

FLASK = """
from flask import Flask
from hookguard_flask import HookGuard, current_webhook

ran, status, before = [], [200], lambda: None
app = Flask(__name__)
app.config["HOOKGUARD_STORE"] = "sqlite:///claims.sqlite3"
app.config["HOOKGUARD_ENDPOINTS"] = {"stripe": {"secrets": ["%s"], "evidence": {"keep_body": "1h"}, **%r}}
hooks = HookGuard(app)

@app.post("/hooks/stripe")
@hooks.guard("stripe")
def stripe():
    before()
    ran.append((current_webhook.id, current_webhook.attempt, current_webhook.json()["card"]))
    if status[0] is None:
        raise ValueError("a bug")
    return "", status[0]
"""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    pytest.importorskip("flask")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    made = []

    def make(**endpoint):
        (tmp_path / "replayed_shop.py").write_text(FLASK % (SECRET, endpoint))
        monkeypatch.delitem(sys.modules, "replayed_shop", raising=False)
        made.append(Shop(__import__("replayed_shop")))
        return made[-1]

    yield make
    assert flush()
    sys.modules.pop("replayed_shop", None)


class Shop(SimpleNamespace):
    def __init__(self, module):
        super().__init__(module=module, ran=module.ran, client=module.app.test_client())

    def send(self, event="evt_1", secret=SECRET):
        body = json.dumps({"id": event, "type": "invoice.paid", "card": "canary"}).encode()
        signed = presets.STRIPE.sign(body, secret)
        self.client.post("/hooks/stripe", data=body, headers=list(signed.headers.items()))
        return self.records()[0]

    def records(self):
        assert flush()
        store = store_from("sqlite:///claims.sqlite3")
        found = store.evidence().find(limit=10)
        store.close()
        return found

    def answer(self, status):
        self.module.status[0] = status

    def replay(self, record, *more, status=0, reason="the handler had a bug"):
        words = ["replay", "sqlite:///claims.sqlite3", record.mark, "--app", "replayed_shop:app", "--reason", reason, *more]
        done = CliRunner().invoke(hookguard, words)
        assert done.exit_code == status, done.output
        return done.output


def test_event_that_failed_is_handled(shop, caplog):
    made = shop()
    made.answer(500)
    record = made.send()
    assert record.outcome == "failed"
    made.answer(204)
    caplog.set_level(logging.INFO, "hookguard")
    assert made.replay(record) == "handled\n"
    assert made.ran == [("evt_1", 1, "canary"), ("evt_1", 2, "canary")]
    (annotated,) = made.records()
    assert "replayed by " in annotated.note
    assert annotated.note.endswith(": the handler had a bug: handled")
    lines = [each.getMessage() for each in caplog.records]
    assert any(
        line.startswith(f"a replay of the delivery {record.mark} is asked for by ") and "had a bug" in line for line in lines
    )
    assert any("stripe handled: 'invoice.paid' 'evt_1', attempt 2" in line for line in lines)
    assert "canary" not in caplog.text
    assert "duplicate" in made.replay(record, status=1), "it was completed"


def test_list_and_record_show_every_replay(shop, caplog):
    made = shop()
    made.answer(500)
    record = made.send()
    made.replay(record, reason="the first", status=1)
    made.answer(204)
    made.replay(record, reason="the | second: one")
    caplog.clear()
    made.replay(record, reason="the third", status=1)
    assert f"the replay of the delivery {record.mark} was rejected: duplicate, it was handled before" in caplog.text
    (found,) = made.records()
    first, second, third = found.note.split(" | ")
    assert first.endswith(": the first: failed")
    assert second.endswith(": the second: one: handled")
    assert " replay rejected, asked for by " in third
    assert third.endswith(": the third: duplicate")
    listed = CliRunner().invoke(hookguard, ["deliveries", "sqlite:///claims.sqlite3"]).output
    assert "failed (replayed: handled)" in " ".join(listed.split())


def test_notes_of_many_replays_keep_the_newest():
    note = ""
    for number in range(20):
        note = noted(note, "2026-11-30", "ada", f"{number} " + "x" * 2000, "failed", ran=True)
    assert len(note) <= 1024
    assert note.count(" replayed by ") == 3
    assert "ada: 19 x" in note
    assert last_replay(note) == "failed"
    assert last_replay("") == ""


def test_event_that_was_handled_runs_only_if_its_claim_is_forgotten(shop):
    made = shop()
    record = made.send()
    said = made.replay(record, status=1)
    assert "duplicate, it was handled before" in said
    assert "With --forget" in said
    assert len(made.ran) == 1
    assert made.replay(record, "--forget") == "handled\n"
    assert len(made.ran) == 2
    assert made.send().outcome == "duplicate"


def test_replay_that_fails_releases_the_claim(shop):
    made = shop()
    record = made.send()
    made.answer(None)
    assert made.replay(record, "--forget", status=1).startswith("failed, ValueError")
    made.answer(200)
    assert made.replay(record) == "handled\n"
    assert [attempt for _, attempt, _ in made.ran] == [1, 1, 2]


def test_rejected_delivery_is_never_replayed(shop):
    made = shop(evidence={"keep_body": "1h", "keep_rejected_body": True})
    record = made.send(secret="whsec_T3N9TqR90Mwf9PQxLPlbZnVyrfOcEYbI")
    assert record.outcome == "rejected"
    assert "is not a verified event (rejected)" in made.replay(record, "--forget", status=2)
    assert made.ran == []


def test_delivery_without_a_body_is_not_replayed(shop):
    made = shop(evidence=True)
    record = made.send()
    assert "no body is kept of the delivery" in made.replay(record, "--forget", status=2)
    assert len(made.ran) == 1


def test_endpoint_with_an_inbox_is_left_to_the_inbox(shop):
    made = shop(inbox=True)
    record = made.send()
    assert record.outcome == "stored"
    assert "rerun the entry with `hookguard inbox STORE rerun`" in made.replay(record, status=2)


def test_replay_needs_a_reason(shop):
    made = shop()
    record = made.send()
    assert "say in a few words why" in made.replay(record, "--forget", reason=" ", status=2)
    assert len(made.ran) == 1


def test_encrypted_or_unknown_body_is_not_replayed(shop):
    made = shop()
    record = made.send()
    store = store_from("sqlite:///claims.sqlite3")
    store.evidence()._one("UPDATE hookguard_delivery SET head = ''", {})
    store.close()
    assert "came encrypted" in made.replay(record, "--forget", status=2)


@pytest.mark.parametrize("more", [[], ["--forget"]], ids=["", "forget"])
def test_event_that_is_being_handled_does_not_run_twice(shop, more):
    made = shop()
    made.answer(500)
    record = made.send()
    store = store_from("sqlite:///claims.sqlite3")
    from hookguard.store import StoreKey

    key = StoreKey("stripe/stripe", "evt_1")
    store.claim(key, token=b"another worker 1", fingerprint=b"", lease=60, retention=60)
    assert "in_progress, it is being handled" in made.replay(record, *more, status=1)
    assert store.complete(key, token=b"another worker 1", retention=60), "its claim is left alone"
    store.close()
    assert len(made.ran) == 1


def test_lease_is_extended_if_the_endpoint_asks_for_it(shop, monkeypatch):
    made = shop(heartbeat=True, lease=1)
    record = made.send()
    extended, extend = threading.Event(), SQLiteStore.extend

    def noticed(store, key, *, token, lease):
        kept = extend(store, key, token=token, lease=lease)
        if kept:
            extended.set()
        return kept

    monkeypatch.setattr(SQLiteStore, "extend", noticed)
    monkeypatch.setattr(made.module, "before", lambda: extended.wait(30))
    assert made.replay(record, "--forget") == "handled\n"
    assert extended.is_set()


def test_asgi_application_is_called_with_its_lifespan(tmp_path, monkeypatch):
    pytest.importorskip("starlette")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "replayed_asgi.py").write_text(ASGI % SECRET)
    import replayed_asgi

    body = json.dumps({"id": "evt_1", "type": "invoice.paid"}).encode()
    signed = presets.STRIPE.sign(body, SECRET)

    async def send():
        caller = Caller(replayed_asgi.app)
        async with caller.started():
            return await caller.call(Call("POST", "/hooks/stripe", "shop.example", signed.headers, body))

    assert asyncio.run(send()).status == 200
    assert flush()
    store = store_from("sqlite:///claims.sqlite3")
    (record,) = store.evidence().find(limit=2)
    store.close()
    words = ["replay", "sqlite:///claims.sqlite3", record.mark, "--app", "replayed_asgi:app", "--forget", "--reason", "a test"]
    done = CliRunner().invoke(hookguard, words)
    assert (done.exit_code, done.output) == (0, "handled\n"), done.output
    assert replayed_asgi.ran == ["evt_1", "evt_1"]
    assert replayed_asgi.lived == ["start", "stop", "start", "stop"]
    sys.modules.pop("replayed_asgi")


ASGI = """
from contextlib import asynccontextmanager
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from hookguard_starlette import HookGuard

ran, lived = [], []
hooks = HookGuard({"stripe": {"secrets": ["%s"], "evidence": {"keep_body": "1h"}}}, store="sqlite:///claims.sqlite3")

async def stripe(request):
    ran.append(request.state.webhook.id)
    return Response()

@asynccontextmanager
async def lifespan(app):
    lived.append("start")
    yield
    lived.append("stop")

app = Starlette(routes=[Route("/hooks/stripe", stripe, methods=["POST"])], lifespan=lifespan)
app.add_middleware(hooks.Middleware, paths={"/hooks/stripe": "stripe"})
"""
