"""The view that relays, in each framework, and a relay that passes events to itself."""

import json
import threading

import pytest

pytest.importorskip("httpx")
pytest.importorskip("uvicorn")

from receiving import LOOPBACK, receiver
from relays import OTHER, PROVIDERS, SECRET, SOON, Ledger, shut, to
from waiting import until

from hookguard import ConfigurationError, presets
from hookguard.testing import awork_off, work_off

BODY = json.dumps({"id": "evt_1", "type": "invoice.paid"}).encode()


def signed_now():
    """The headers of a delivery that is signed when it is sent: a long run of the tests outlasts the tolerance."""
    return {**dict(presets.STRIPE.sign(BODY, PROVIDERS).headers.items()), "Content-Type": "application/json"}


def endpoints(target, **more):
    relay = {"allow_http": True, "allow_networks": LOOPBACK, "targets": {"billing": target}, **more}
    return {
        "stripe": {"secrets": [PROVIDERS], "inbox": SOON, "relay": relay},
        "plain": {"preset": "stripe", "secrets": [PROVIDERS]},
    }


@pytest.fixture
def there():
    with receiver() as found:
        yield found


def test_flask_view_relays_its_events(there, tmp_path):
    flask = pytest.importorskip("flask")
    from hookguard_flask import HookGuard
    from hookguard_flask.guards import guards_of

    app = flask.Flask("shop", instance_path=str(tmp_path))
    app.config["HOOKGUARD_ENDPOINTS"] = endpoints(to(there))
    hooks = HookGuard(app)
    app.add_url_rule("/hooks/stripe", view_func=hooks.relay("stripe"), methods=["POST"])
    client = app.test_client()
    assert client.post("/hooks/stripe", data=BODY, headers=signed_now()).status_code == 200
    assert client.post("/hooks/stripe", data=BODY + b" ", headers=signed_now()).status_code == 401
    assert [each.outcome for each in work_off(app)] == ["handled"]
    assert there.seen[0].body == BODY
    with pytest.raises(ConfigurationError, match="set relay in its settings"):
        hooks.relay("plain")
    shut(guards_of(app).settings.store)


def test_target_of_your_own_is_not_closed_between_events(tmp_path):
    flask = pytest.importorskip("flask")
    from hookguard_flask import HookGuard
    from hookguard_flask.guards import guards_of

    class Closing(Ledger):
        closed = 0

        async def aclose(self):
            self.closed += 1

    ledger = Closing()
    app = flask.Flask("shop", instance_path=str(tmp_path))
    app.config["HOOKGUARD_ENDPOINTS"] = endpoints({"to": ledger})
    hooks = HookGuard(app)
    app.add_url_rule("/hooks/stripe", view_func=hooks.relay("stripe"), methods=["POST"])
    assert app.test_client().post("/hooks/stripe", data=BODY, headers=signed_now()).status_code == 200
    assert [each.outcome for each in work_off(app)] == ["handled"]
    assert len(ledger.sent) == 1
    assert ledger.closed == 0
    shut(guards_of(app).settings.store)


@pytest.mark.anyio
async def test_starlette_route_relays_its_events(there, tmp_path):
    applications, routing = pytest.importorskip("starlette.applications"), pytest.importorskip("starlette.routing")
    import httpx

    from hookguard_starlette import HookGuard

    hooks = HookGuard(endpoints(to(there)), store=f"sqlite:///{tmp_path}/hooks.sqlite3")
    app = applications.Starlette(routes=[routing.Route("/hooks/stripe", hooks.relay("stripe"), methods=["POST"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://shop.example") as client:
        assert (await client.post("/hooks/stripe", content=BODY, headers=signed_now())).status_code == 200
        assert (await client.post("/hooks/stripe", content=BODY + b" ", headers=signed_now())).status_code == 401
    assert [each.outcome for each in await awork_off(app, hooks)] == ["handled"]
    assert there.seen[0].body == BODY
    with pytest.raises(ConfigurationError, match="set relay in its settings"):
        hooks.relay("plain")
    shut(hooks.guard_for("stripe").store)


def test_view_that_relays_is_not_for_events_that_are_handled(there, tmp_path):
    from hookguard_starlette import HookGuard

    hooks = HookGuard(endpoints(to(there), handle=True), store=f"sqlite:///{tmp_path}/hooks.sqlite3")
    with pytest.raises(ConfigurationError, match="write a guarded view"):
        hooks.relay("stripe")
    shut(hooks.guard_for("stripe").store)


def test_relay_to_itself_ends(tmp_path):
    import asyncio

    import uvicorn

    from hookguard.work.worker import Worker
    from hookguard_starlette import HookGuard

    with receiver() as holder:  # a port that is free for the next server
        port = holder.url.split(":")[2].split("/")[0]
    relay = {
        "allow_http": True,
        "allow_networks": LOOPBACK,
        "targets": {"itself": {"url": f"http://127.0.0.1:{port}/", "secrets": [SECRET]}},
    }
    outcomes = []
    hooks = HookGuard(
        {"loop": {"preset": "standard-webhooks", "secrets": [OTHER, SECRET], "inbox": SOON, "relay": relay}},
        store=f"sqlite:///{tmp_path}/hooks.sqlite3",
        observers=[outcomes.append],
    )
    app = hooks.relay("loop")
    server = uvicorn.Server(uvicorn.Config(app, port=int(port), log_level="critical", lifespan="off"))
    serving = threading.Thread(target=server.run)
    serving.start()
    worker = Worker(app, hooks.open_lanes(app))
    working = threading.Thread(target=lambda: asyncio.run(worker.run()))
    working.start()
    try:
        assert until(lambda: server.started)
        from hookguard.sender import send_webhook

        send_webhook(f"http://127.0.0.1:{port}/", BODY, OTHER, allow_http=True, allow_networks=LOOPBACK)
        assert until(lambda: [each for each in outcomes if each.outcome == "dead"])
    finally:
        worker.stop()
        server.should_exit = True
        working.join()
        serving.join()
    assert [each.reason_code for each in outcomes if each.outcome == "dead"] == ["too_many_hops"]
    assert sum(each.outcome == "stored" for each in outcomes) == 6
    shut(hooks.guard_for("loop").store)
