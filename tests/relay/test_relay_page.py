"""The page on the relay: each block as it is printed, and its tables beside the code."""

import dataclasses
import os
import re
from typing import Any

import pytest
from pages import ROOT, blocks, shell

for needed in ("httpx", "uvicorn", "flask", "django", "starlette"):
    pytest.importorskip(needed)

import httpx
from receiving import receiver
from relays import HERE, OTHER, PROVIDERS, SECRET, Shop, shut, to

from hookguard import Delivery, MemoryStore, Verifier, presets
from hookguard.config import Settings
from hookguard.relay.settings import RelaySettings, TargetSettings
from hookguard.sender.connection import Reach
from hookguard.stores import SQLiteStore
from hookguard.testing import awork_off, work_off

PAGE = blocks("docs/relay.md")
TEXT = (ROOT / "docs" / "relay.md").read_text("utf-8")
BODY = b'{"id": "evt_1", "type": "invoice.paid"}'


def signed_now():
    """The headers of a delivery that is signed when it is sent: a long run of the tests outlasts the tolerance."""
    return {**dict(presets.STRIPE.sign(BODY, PROVIDERS).headers.items()), "Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def secrets(monkeypatch):
    monkeypatch.setenv("STRIPE_SECRET", PROVIDERS)
    for name in ("BILLING_SECRET", "AUDIT_SECRET", "ERP_SECRET"):
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("BILLING_SECRET_NEW", OTHER)


@pytest.fixture
def there():
    with receiver() as found:
        yield found


def settings_of(relay, **more) -> Any:
    given = {"stripe": {"secrets": [PROVIDERS], "relay": relay, **more}}
    return Settings({"endpoints": given}, where="HOOKGUARD", default_store=MemoryStore).endpoint("stripe")


@pytest.mark.runs("docs/relay.md", "Passing events on 2")
def test_first_example_for_flask(there, tmp_path):
    import flask

    import hookguard_flask
    from hookguard_flask.guards import guards_of

    app = flask.Flask("shop", instance_path=str(tmp_path))

    def to_the_test(app):
        relay = app.config["HOOKGUARD_ENDPOINTS"]["stripe"]["relay"]
        relay.update(HERE)
        for name, target in relay["targets"].items():
            target["url"] = f"{there.url}/{name}"
        return hookguard_flask.HookGuard(app)

    PAGE["Passing events on 2"].run({"app": app, "HookGuard": to_the_test})
    assert app.test_client().post("/hooks/stripe", data=BODY, headers=signed_now()).status_code == 200
    assert [each.outcome for each in work_off(app)] == ["handled", "handled"]
    assert sorted(came.path for came in there.seen) == ["/hooks/audit", "/hooks/billing"]
    shut(guards_of(app).settings.store)


@pytest.mark.runs("docs/relay.md", "Passing events on 3")
def test_the_same_for_django(there, tmp_path):
    from django_site import site

    store = SQLiteStore(tmp_path / "hooks.sqlite3")
    relay = {"TARGETS": {"billing": to(there)}, **HERE}
    with site(HOOKGUARD={"STORE": store, "ENDPOINTS": {"stripe": {"SECRETS": [PROVIDERS], "RELAY": relay}}}):
        patterns = PAGE["Passing events on 3"].run()["urlpatterns"]
    with site(*patterns, HOOKGUARD={"STORE": store, "ENDPOINTS": {"stripe": {"SECRETS": [PROVIDERS], "RELAY": relay}}}):
        from django.test import Client

        answer = Client().post("/hooks/stripe", BODY, content_type="application/json", headers=signed_now())
        assert answer.status_code == 200
        assert [each.outcome for each in work_off()] == ["handled"]
    assert there.seen[0].body == BODY
    store.close()


@pytest.mark.anyio
@pytest.mark.runs("docs/relay.md", "Passing events on 4")
async def test_the_same_for_starlette(there, tmp_path):
    from starlette.applications import Starlette

    from hookguard_starlette import HookGuard

    relay = {"targets": {"billing": to(there)}, **HERE}
    hooks = HookGuard({"stripe": {"secrets": [PROVIDERS], "relay": relay}}, store=f"sqlite:///{tmp_path}/hooks.sqlite3")
    app = Starlette()
    PAGE["Passing events on 4"].run({"app": app, "hooks": hooks})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://shop.example") as client:
        assert (await client.post("/hooks/stripe", content=BODY, headers=signed_now())).status_code == 200
    assert [each.outcome for each in await awork_off(app, hooks)] == ["handled"]
    shut(hooks.guard_for("stripe").store)


@pytest.mark.runs("docs/relay.md", "Passing events on 5")
def test_printed_command_makes_a_secret(tmp_path):
    made = shell(PAGE["Passing events on 5"].printed(), tmp_path).stdout.strip()
    assert settings_of({"targets": {"billing": {"url": "https://billing.example/", "secrets": [made]}}}).relay


@pytest.mark.runs("docs/relay.md", "Which target gets an event")
def test_function_that_routes_by_content(there, tmp_path):
    with receiver() as other:
        found = PAGE["Which target gets an event"].run({"SHOPS": {"de": {"acct_1"}, "fr": {"acct_2"}}})
        made = Shop(tmp_path, {"de": to(there), "fr": to(other)}, spread=found["by_account"])
        made.deliver(1, body={"account": "acct_2"})
        made.work()
        assert (len(there.seen), len(other.seen)) == (0, 1)
        made.close()


@pytest.mark.runs("docs/relay.md", "What a target gets")
def test_receiving_service_verifies_the_event(there, tmp_path):
    made = Shop(tmp_path, {"billing": to(there)})
    made.deliver(1)
    made.work()
    endpoints = PAGE["What a target gets"].run({"os": os})["ENDPOINTS"]
    endpoint = Settings({"endpoints": endpoints}, where="HOOKGUARD", default_store=MemoryStore).endpoint("relayed")
    came = there.seen[0]
    assert endpoint.verifier.verify(Delivery(came.body, came.headers)).type == "invoice.paid"
    made.close()


@pytest.mark.runs("docs/relay.md", "Changing a secret")
def test_both_secrets_sign(there, tmp_path):
    made = Shop(tmp_path, {"billing": to(there, secrets=PAGE["Changing a secret"].run({"os": os})["SECRETS"])})
    made.deliver(1)
    made.work()
    came = there.seen[0]
    Verifier("standard-webhooks", OTHER).verify(Delivery(came.body, came.headers))
    made.close()


@pytest.mark.runs("docs/relay.md", "Where it may connect")
def test_target_in_your_own_network(monkeypatch):
    given = PAGE["Where it may connect"].run({"os": os})["RELAY"]
    import certifi

    target = settings_of({**given, "ca_file": certifi.where()}).relay.targets["erp"]
    assert "10.20.1.2" in target.reach.allow_networks


@pytest.mark.runs("docs/gateways.md", "Passing events on to a gateway")
def test_gateway_as_a_target(there, tmp_path, monkeypatch):
    monkeypatch.setenv("GATEWAY_URL", there.url)
    monkeypatch.setenv("GATEWAY_TARGET_SECRET", SECRET)
    given = blocks("docs/gateways.md")["Passing events on to a gateway"].run({"os": os})["RELAY"]
    made = Shop(tmp_path, **given)
    made.deliver(1)
    made.work()
    came = there.seen[0]
    assert Verifier("stripe", PROVIDERS).verify(Delivery(came.body, came.headers)).id == "evt_1"
    made.close()


@pytest.mark.runs("docs/relay.md", "Queues", "Queues 2")
def test_queues_as_targets():
    pytest.importorskip("aio_pika")
    pytest.importorskip("nats")
    names = {"os": os}
    relay = settings_of(PAGE["Queues"].run(names)["RELAY"]).relay
    assert [target.scheme for target in relay.targets.values()] == ["amqps", "nats"]
    consume = PAGE["Queues 2"].run(names)["consume"]
    headers = relay.targets["audit"].signer.sign("msg_1", BODY)
    assert consume(BODY, headers) == ("msg_1", {"id": "evt_1", "type": "invoice.paid"})


@pytest.mark.runs("docs/relay.md", "Targets of your own")
def test_target_of_your_own(tmp_path):
    put = {}

    class Bucket:
        async def put(self, name, body, metadata):
            put[name] = body, metadata

    given = PAGE["Targets of your own"].run({"bucket": Bucket()})["RELAY"]
    made = Shop(tmp_path, given["targets"])
    body = made.deliver(1)
    made.work()
    ((name, (stored, metadata)),) = put.items()
    assert name == f"{made.inbox.find(limit=1)[0].key.removesuffix('.archive')}.json" or name.startswith("msg_")
    assert stored == body
    assert metadata["Hookguard-Event-Type"] == "invoice.paid"
    made.close()


def test_tables_have_every_setting_with_its_default():
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*?) \|", TEXT, re.MULTILINE)
    relay, target = rows[: len(dataclasses.fields(RelaySettings))], rows[len(dataclasses.fields(RelaySettings)) :][:10]
    assert {name for name, _ in relay} == {field.name for field in dataclasses.fields(RelaySettings)}
    own = {field.name for field in dataclasses.fields(TargetSettings)} - {"name", "signer", "reach"} | {"secrets"}
    reach = {field.name: field.default for field in dataclasses.fields(Reach)}
    assert {name for name, _ in target} == own | set(reach)
    printed = dict(target)
    assert float(printed["timeout"]) == reach["timeout"]
    assert printed["allow_http"] == f"`{reach['allow_http']}`"
