"""An inbox in every framework: the sender is answered first, a worker runs the same view, and nobody else can use its mark."""

import asyncio
import time
from contextlib import contextmanager

import pytest

for needed in ("flask", "django", "starlette", "fastapi", "litestar", "quart", "httpx", "redis"):
    pytest.importorskip(needed)

import httpx
from django_site import site
from redis_servers import Server
from test_stored_replies import WAYS, Answer, send

from hookguard import Headers, SQLiteStore, presets
from hookguard.guard.receipt import Receipt
from hookguard.guard.resuming import WORKER, receipt_for
from hookguard.inbox.contract import EntryState, Lane
from hookguard.inbox.kept import event_again, read_head
from hookguard.inbox.settings import InboxSettings
from hookguard.stores.redis import RedisStore
from hookguard.work.asgi import call_asgi
from hookguard.work.calling import Call
from hookguard.work.wsgi import call_wsgi

SECRET = "a-secret-that-is-long-enough"
SETTINGS = InboxSettings()


class Shop:
    """An app whose endpoint has an inbox, and what its handler was given."""

    def __init__(self, app, gateway, store, ran):
        self.app, self.gateway, self.inbox, self.ran = app, gateway, store.inbox(), ran

    def deliver(self, event_id="evt_1"):
        return send(self.app, self.gateway, event_id)

    def take(self):
        (held,) = self.inbox.take(Lane("stripe"), limit=1, lease=30.0, settings=SETTINGS)
        return held

    def receipt(self, held):
        return receipt_for(held, event_again(held, presets.STRIPE), time.perf_counter())

    def call(self, held, mark, *, headers=(), body=None):
        """Call the application as a worker does, with something under the worker's key."""
        head = read_head(held.kept)
        call = Call(
            head.method,
            head.target,
            head.host,
            Headers([*head.headers, *headers]),
            held.kept.body if body is None else body,
            head.scheme,
            head.remote,
            extra={WORKER: mark},
        )
        return call_wsgi(self.app, call) if self.gateway == "wsgi" else asyncio.run(call_asgi(self.app, call))

    def work(self, held):
        receipt = self.receipt(held)
        return receipt, self.call(held, receipt)


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory):
    """A Redis that keeps a file."""
    server = Server(tmp_path_factory.mktemp("redis"), "--appendonly", "yes")
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "redis"])
def open_store(request, tmp_path):
    """Opens an empty store that can keep deliveries."""
    if request.param == "sqlite":
        return lambda: SQLiteStore(tmp_path / "hooks.sqlite3")
    server = request.getfixturevalue("redis_server")
    server.ask("FLUSHALL")
    return lambda: RedisStore.from_url(server.url, timeout=20.0)


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0].__name__}-{way[1]}")
def open_shop(request, open_store):
    kind, gateway, _ = request.param

    @contextmanager
    def make(answer=Answer(), **settings):
        ran = []

        def handle(event):
            ran.append((event.id, event.type, event.attempt, event.json(), event.received_at))
            if isinstance(answer, Exception):
                raise answer
            return answer

        store = open_store()
        given = {"endpoints": {"stripe": {"secrets": [SECRET], "inbox": True, **settings}}, "store": store}
        made = kind(handle)
        if "django" not in kind.__name__:
            yield Shop(made(given), gateway, store, ran)
        else:
            with site(made, HOOKGUARD=given):
                from django.core.handlers.asgi import ASGIHandler
                from django.core.handlers.wsgi import WSGIHandler

                yield Shop(ASGIHandler() if gateway == "asgi" else WSGIHandler(), gateway, store, ran)
        store.close()

    return make


def test_the_sender_is_answered_first_and_the_same_view_runs_later(open_shop):
    with open_shop() as shop:
        before = time.time()
        assert shop.deliver().status_code == 200
        assert shop.ran == []
        assert shop.deliver().headers["hookguard-duplicate"] == "1"
        held = shop.take()
        receipt, answer = shop.work(held)
        ((event_id, kind, attempt, document, received_at),) = shop.ran
        assert (event_id, kind, attempt, document) == ("evt_1", "", 1, {"id": "evt_1"})
        assert before - 1 <= received_at <= time.time()
        assert (answer.status, answer.error) == (200, None)
        assert receipt.ran is not None
    assert receipt.ran.well


def test_a_view_that_answers_an_error_is_not_completed(open_shop):
    with open_shop(Answer(status=503, headers=(("Retry-After", "120"),))) as shop:
        shop.deliver()
        receipt, answer = shop.work(shop.take())
        assert (answer.status, answer.headers["retry-after"]) == (503, "120")
        assert (receipt.ran.status, receipt.ran.well) == (503, False)


def test_a_view_that_raises_is_not_completed(open_shop):
    failure = ValueError("a handler's own")
    with open_shop(failure) as shop:
        shop.deliver()
        receipt, answer = shop.work(shop.take())
        assert answer.status == 500 or answer.error is failure
        # Quart and Litestar answer the exception before the guard sees it; protect() sees the response that Flask made.
        assert receipt.ran.error is failure or receipt.ran.status == 500
        assert not receipt.ran.well


class LooksLikeIt:
    """Says that it is a receipt."""

    __class__ = Receipt  # type: ignore[assignment]  # only a lie can test it

    def __init__(self, receipt):
        self.held, self.resumed, self.reply, self._event = receipt.held, False, None, receipt.event

    def __getattr__(self, name):
        return None


class Receipt2(Receipt):
    """A class of somebody's own."""


def others(shop, held):
    """Return objects that are not a worker's receipt for this entry and endpoint."""
    genuine = shop.receipt(held)
    foreign = receipt_for(held._replace(lane=Lane("other")), event_again(held, presets.STRIPE), 0.0)
    inherited = Receipt2(0.0, event=genuine.event)
    inherited.held = held
    return [
        "1",
        "hookguard.worker",
        b"1",
        True,
        LooksLikeIt(genuine),
        inherited,
        foreign,
        Receipt(0.0, event=genuine.event),
        held,
    ]


def test_nobody_else_can_use_the_mark(open_shop):
    """I10: headers, texts, look-alikes and other receipts are answered 401, and nothing runs."""
    with open_shop() as shop:
        shop.deliver()
        held = shop.take()
        forged = [("Hookguard-Worker", "1"), ("hookguard.worker", "1"), ("Hookguard.Worker", "hookguard.worker")]
        for mark in [None, *others(shop, held)]:
            for headers in ([], forged):
                answer = shop.call(held, mark, headers=headers, body=b'{"id": "evt_forged"}')
                assert answer.status == 401, mark
        assert shop.ran == []
        assert [entry.state for entry in shop.inbox.find(limit=9)] == [EntryState.HELD]


def test_a_receipt_runs_its_view_once(open_shop):
    with open_shop() as shop:
        shop.deliver()
        held = shop.take()
        receipt, _ = shop.work(held)
        assert shop.call(held, receipt).status == 401
        assert len(shop.ran) == 1


def test_a_header_over_the_network_marks_nothing(open_shop):
    with open_shop() as shop:
        request = {"content": b'{"id": "evt_forged"}', "headers": {"Hookguard-Worker": "1", "hookguard.worker": "1"}}
        if shop.gateway == "wsgi":
            with httpx.Client(transport=httpx.WSGITransport(shop.app), base_url="http://localhost") as client:
                answer = client.post("/hook", **request)
        else:

            async def post():
                async with httpx.AsyncClient(transport=httpx.ASGITransport(shop.app), base_url="http://localhost") as client:
                    return await client.post("/hook", **request)

            answer = asyncio.run(post())
        assert answer.status_code == 401
        assert (shop.ran, shop.inbox.find(limit=9)) == ([], [])


def test_a_content_type_that_does_not_fit_is_corrected_for_the_worker_too(tmp_path):
    """Nobody signs the Content-Type: the view must parse the same in the worker as in direct mode."""
    from flask import Flask, request

    from hookguard_flask import HookGuard

    seen = []
    app = Flask("typed")
    store = SQLiteStore(tmp_path / "hooks.sqlite3")
    app.config["HOOKGUARD"] = {"endpoints": {"stripe": {"secrets": [SECRET], "inbox": True}}, "store": store}
    hooks = HookGuard(app)

    @app.post("/hook")
    @hooks.guard("stripe")
    def view():
        seen.append((request.is_json, request.get_json(), dict(request.form)))
        return ""

    delivery = presets.STRIPE.sign(b'{"id": "evt_1"}', SECRET)
    headers = {**dict(delivery.headers.items()), "Content-Type": "application/x-www-form-urlencoded"}
    assert app.test_client().post("/hook", data=delivery.body, headers=headers).status_code == 200
    shop = Shop(app, "wsgi", store, seen)
    receipt, _ = shop.work(shop.take())
    assert receipt.ran is not None
    assert receipt.ran.well
    assert seen == [(True, {"id": "evt_1"}, {})]
    store.close()


def test_django_s_check_rejects_an_inbox_in_a_store_without_one():
    from hookguard_django.checks import check_settings

    endpoints = {"stripe": {"SECRETS": [SECRET], "INBOX": True}}
    with site(HOOKGUARD={"ENDPOINTS": endpoints, "STORE": "memory://"}):
        messages = [message.msg for message in check_settings() if message.id == "hookguard.C1"]
    assert len(messages) == 1
    assert "'stripe' has an inbox, and MemoryStore cannot keep deliveries" in messages[0]


def test_django_s_check_takes_an_inbox_in_the_project_s_database():
    from hookguard_django.checks import check_settings

    with site(HOOKGUARD={"ENDPOINTS": {"stripe": {"SECRETS": [SECRET], "INBOX": True}}}):
        assert [message.msg for message in check_settings() if message.id == "hookguard.C1"] == []


def test_the_worker_s_body_comes_once_and_then_the_disconnect(tmp_path):
    from hookguard_starlette import HookGuard

    heard = []

    async def app(scope, receive, send):
        heard.append(await receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        heard.append(await receive())

    store = SQLiteStore(tmp_path / "hooks.sqlite3")
    hooks = HookGuard(endpoints={"stripe": {"secrets": [SECRET], "inbox": True}}, store=store)
    shop = Shop(hooks.wrap(app, "stripe"), "asgi", store, heard)
    assert shop.deliver().status_code == 200
    receipt, _ = shop.work(shop.take())
    assert receipt.ran is not None
    assert receipt.ran.well
    assert [message["type"] for message in heard] == ["http.request", "http.disconnect"]
    store.close()
