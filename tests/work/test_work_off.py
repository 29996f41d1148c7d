"""``work_off`` handles everything in a test's own process, for each framework, also below a prefix and behind a proxy."""

import asyncio
import json
import threading

import pytest

for needed in ("flask", "django", "starlette"):
    pytest.importorskip(needed)

import shop
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from django_site import site
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount, Route
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from hookguard import ConfigurationError, GiveUp, Headers, presets
from hookguard.testing import awork_off, work_off
from hookguard.work.asgi import call_asgi
from hookguard.work.calling import Call
from hookguard.work.process import work
from hookguard.work.worker import Worker
from hookguard_django import webhook
from hookguard_starlette import HookGuard

SECRET = shop.SECRET


def outcomes(ran):
    return [(outcome.event_id, outcome.outcome, outcome.attempt) for outcome in ran]


def test_flask_app_handles_everything_in_this_thread_without_waiting(tmp_path):
    app = shop.make_app(tmp_path, first=3600, longest_wait=7200)
    threads = set()
    app.before_request(lambda: threads.add(threading.get_ident()))
    shop.send(app, "evt_1", fails=2)
    shop.send(app, "d-1", endpoint="github")
    shop.send(app, "evt_2", gives_up=True)
    ran = work_off(app)
    assert outcomes(ran) == [
        ("evt_1", "failed", 1),
        ("evt_2", "dead", 1),
        ("d-1", "handled", 1),
        ("evt_1", "failed", 2),
        ("evt_1", "handled", 3),
    ]
    assert 1800 <= ran[0].due_again <= 5400
    assert threads == {threading.get_ident()}
    assert work_off(app) == []


def test_event_that_always_fails_is_dead_in_the_end(tmp_path):
    app = shop.make_app(tmp_path, tries=3)
    shop.send(app, "evt_1", fails=9)
    assert [outcome.outcome for outcome in work_off(app)] == ["failed", "failed", "dead"]


def test_malformed_event_is_the_handler_s_failure(tmp_path):
    from flask import Flask

    from hookguard_flask import HookGuard as FlaskGuard
    from hookguard_flask import current_webhook

    app = Flask("shop")
    app.config["HOOKGUARD_ENDPOINTS"] = {
        "stripe": {"secrets": [SECRET], "identity": "content", "on_reused_id": "duplicate", "inbox": {"tries": 1}}
    }
    app.config["HOOKGUARD_STORE"] = f"sqlite:///{tmp_path}/shop.sqlite3"
    guard = FlaskGuard(app).guard("stripe")
    app.post("/hooks/stripe", endpoint="stripe")(guard(lambda: {"seen": current_webhook.id}))
    delivery = presets.STRIPE.sign(b"{not json", SECRET)
    answer = app.test_client().post("/hooks/stripe", data=delivery.body, headers=delivery.headers.items())
    assert answer.status_code == 200
    (outcome,) = work_off(app)
    assert (outcome.outcome, outcome.reason_code) == ("dead", "handler_raised")
    assert outcome.event_id.startswith("sha256:")


def test_signals_are_sent_from_the_worker_s_runs(tmp_path):
    from hookguard_flask import webhook_dead, webhook_handled, webhook_stored

    app = shop.make_app(tmp_path)
    seen = []

    def note(sender, outcome):
        seen.append((sender.name, outcome.outcome))

    with webhook_stored.connected_to(note), webhook_handled.connected_to(note), webhook_dead.connected_to(note):
        shop.send(app, "evt_1")
        shop.send(app, "evt_2", gives_up=True)
        work_off(app)
    assert seen == [("shop", "stored"), ("shop", "stored"), ("shop", "handled"), ("shop", "dead")]


def test_flask_app_below_a_prefix_is_reached_again(tmp_path):
    app = shop.make_app(tmp_path)
    delivery = shop.signed("stripe", "evt_1")
    below = {"SCRIPT_NAME": "/shop"}
    answer = app.test_client().post(
        "/hooks/stripe", data=delivery.body, headers=delivery.headers.items(), environ_overrides=below
    )
    assert answer.status_code == 200
    assert outcomes(work_off(app)) == [("evt_1", "handled", 1)]


def test_application_around_the_flask_app_is_called_with_the_whole_path(tmp_path):
    app = shop.make_app(tmp_path)
    outer = DispatcherMiddleware(lambda environ, start: [start("404 Not Found", [])][:0], {"/shop": app})
    delivery = shop.signed("stripe", "evt_1")
    from werkzeug.test import Client as WSGIClient

    answer = WSGIClient(outer).post("/shop/hooks/stripe", data=delivery.body, headers=delivery.headers.items())
    assert answer.status_code == 200
    work(Worker(outer, app.extensions["hookguard"].open_lanes(outer), drain=True))
    assert shop.states(app) == {"done": 1}


def project(tmp_path, view, **overrides):
    settings = {"ENDPOINTS": {"stripe": {"SECRETS": [SECRET], "INBOX": True}}, "STORE": f"sqlite:///{tmp_path}/inbox.sqlite3"}
    return site(path("hooks/stripe", webhook("stripe")(view)), HOOKGUARD=settings, **overrides)


def deliver(identifier, **extra):
    delivery = presets.STRIPE.sign(json.dumps({"id": identifier}).encode(), SECRET)
    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in delivery.headers.items()}
    return Client().post("/hooks/stripe", delivery.body, content_type="application/json", **{**headers, **extra}).status_code


@pytest.mark.parametrize("asynchronous", [False, True])
def test_django_project_needs_no_argument(tmp_path, asynchronous):
    seen = []

    def view(request):
        seen.append((request.webhook.id, request.webhook.attempt, request.get_host(), request.path))
        return HttpResponse(status=204 if request.webhook.attempt > 1 else 500)

    async def async_view(request):
        return view(request)

    behind = {"HTTP_HOST": "internal", "HTTP_X_FORWARDED_HOST": "shop.example", "SCRIPT_NAME": "/shop"}
    with project(tmp_path, async_view if asynchronous else view, ALLOWED_HOSTS=["shop.example"], USE_X_FORWARDED_HOST=True):
        assert deliver("evt_1", **behind) == 200
        assert seen == []
        assert outcomes(work_off()) == [("evt_1", "failed", 1), ("evt_1", "handled", 2)]
    assert seen == [("evt_1", number, "shop.example", "/shop/hooks/stripe") for number in (1, 2)]


def test_django_event_without_a_host_header_is_handled(tmp_path):
    seen = []

    def view(request):
        seen.append(request.get_host())
        return HttpResponse(status=204)

    with project(tmp_path, view, ALLOWED_HOSTS=["testserver"]):
        assert deliver("evt_1") == 200
        assert outcomes(work_off()) == [("evt_1", "handled", 1)]
    assert seen == ["testserver"]


def asgi_app(tmp_path, events, **settings):
    settings = {"inbox": True} | settings
    hooks = HookGuard({"stripe": {"secrets": [SECRET], **settings}}, store=f"sqlite:///{tmp_path}/inbox.sqlite3")

    async def view(request):
        events.append((request.state.webhook.id, request.scope["root_path"], request.url.path))
        if request.state.webhook.id == "gone":
            raise GiveUp("gone")
        return Response(status_code=204)

    routes = [Route("/stripe", view, methods=["POST"], middleware=[hooks.middleware("stripe")])]
    return Starlette(routes=[Mount("/hooks", routes=routes)]), hooks


def receive(app, identifier, root=""):
    """Bring a delivery to the application as a server below ``root`` does."""
    delivery = presets.STRIPE.sign(json.dumps({"id": identifier}).encode(), SECRET)
    headers = Headers([*delivery.headers.items(), ("content-type", "application/json")])
    call = Call("POST", f"{root}/hooks/stripe", "shop.example", headers, delivery.body, root=root)
    return asyncio.run(call_asgi(app, call)).status


@pytest.mark.parametrize("root", ["", "/shop"])
def test_asgi_application_is_named_with_its_endpoints(tmp_path, root):
    events = []
    app, hooks = asgi_app(tmp_path, events)
    assert [receive(app, identifier, root) for identifier in ("evt_1", "gone")] == [200, 200]
    assert outcomes(work_off(app, hooks)) == [("evt_1", "handled", 1), ("gone", "dead", 1)]
    assert events == [(identifier, f"{root}/hooks", f"{root}/hooks/stripe") for identifier in ("evt_1", "gone")]


def test_running_event_loop_awaits_it(tmp_path):
    events = []
    app, hooks = asgi_app(tmp_path, events)
    receive(app, "evt_1")

    async def main():
        return await awork_off(app, hooks)

    assert outcomes(asyncio.run(main())) == [("evt_1", "handled", 1)]


def test_missing_application_or_inbox_is_named(tmp_path):
    app, _ = asgi_app(tmp_path, [])
    with pytest.raises(ConfigurationError, match=r"work_off\(app, hooks\)"):
        work_off(app)
    with pytest.raises(ConfigurationError, match="awork_off is for ASGI applications"):
        asyncio.run(awork_off(shop.make_app(tmp_path)))
    with pytest.raises(ConfigurationError, match="no endpoint has an inbox"):
        work_off(app, HookGuard({"stripe": {"secrets": [SECRET]}}, store=f"sqlite:///{tmp_path}/other.sqlite3"))


def test_entries_of_an_endpoint_that_moved_back_are_worked_off(tmp_path, caplog):
    app, _ = asgi_app(tmp_path, [])
    assert receive(app, "evt_1") == 200
    events = []
    app, hooks = asgi_app(tmp_path, events, inbox=None)
    with pytest.raises(ConfigurationError, match="--endpoint NAME"):
        hooks.open_lanes(app)
    asyncio.run(Worker(app, hooks.open_lanes(app, ["stripe"]), drain=True).run())
    assert [event[0] for event in events] == ["evt_1"]
    assert receive(app, "evt_1") == 200, "a duplicate"
    assert len(events) == 1


def test_handler_that_raises_under_asgi_leaves_its_traceback_in_the_log(tmp_path, caplog):
    async def view(request):
        raise RuntimeError("the mail server is down")

    hooks = HookGuard({"stripe": {"secrets": [SECRET], "inbox": {"tries": 1}}}, store=f"sqlite:///{tmp_path}/inbox.sqlite3")
    app = Starlette(routes=[Route("/hooks/stripe", view, methods=["POST"], middleware=[hooks.middleware("stripe")])])
    assert receive(app, "evt_1") == 200
    assert outcomes(work_off(app, hooks))[-1] == ("evt_1", "dead", 1)
    assert "RuntimeError: the mail server is down" in caplog.text
    assert "Traceback" in caplog.text
