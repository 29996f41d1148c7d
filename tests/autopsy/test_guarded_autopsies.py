"""Autopsies behind the guards: after the reply, in one thread, and invisible to the sender."""

import asyncio
import json
import logging
import threading
import time
from weakref import WeakSet

import pytest

from hookguard import AsyncGuard, Endpoint, Guard, MemoryStore, Secret, Verifier, presets
from hookguard.config import Settings
from hookguard.errors import ConfigurationError
from hookguard.guard import autopsies
from hookguard.verifier import Tenant

SECRET = "whsec_GpbHODqYsK2jn1fwRv2119uNETI485Tg"
OTHER = "whsec_T3N9TqR90Mwf9PQxLPlbZnVyrfOcEYbI"
BODY = json.dumps({"id": "evt_1", "type": "invoice.paid"}).encode()


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(autopsies, "GRACE", 0.01)
    # The guards of other tests may not be collected yet.
    monkeypatch.setattr(autopsies, "_all", WeakSet())


def guard(name, *secrets, kind=Guard, **settings):
    return kind(Endpoint(Verifier("stripe", list(secrets) or [SECRET]), name=name, **settings), MemoryStore())


def spaced(**headers):
    """A genuine delivery with a line break behind its body."""
    delivery = presets.STRIPE.sign(BODY, SECRET, headers=headers)
    return delivery._replace(body=delivery.body + b"\n")


def run(guarded, delivery):
    if isinstance(guarded, Guard):
        return guarded.run(delivery, lambda event: None)
    return asyncio.run(guarded.run(delivery, lambda event: None))


def until(condition):
    """Wait for a condition; fails after half a minute."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        time.sleep(0.005)


def idle():
    return all(thread.name != "hookguard-autopsy" for thread in threading.enumerate())


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, "hookguard")

    def found():
        until(idle)
        return [record for record in caplog.records if record.name == "hookguard.autopsy"]

    return found


@pytest.mark.parametrize("kind", [Guard, AsyncGuard])
def test_cause_is_logged_after_a_rejection(kind, lines, caplog):
    assert run(guard("logged", kind=kind), spaced()).status == 401
    (record,) = lines()
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(
        f"logged autopsy {record.delivery}: body_whitespace_added (proved): white space was added"
    )
    assert (record.endpoint, record.provider, record.codes) == ("logged", "stripe", ("body_whitespace_added",))
    assert (record.kind, record.finished) == ("proved", True)
    refusal = next(each for each in caplog.records if each.name == "hookguard")
    assert f"[delivery {record.delivery}]" in refusal.getMessage()


def test_genuine_delivery_is_not_examined(lines):
    assert run(guard("genuine"), presets.STRIPE.sign(BODY, SECRET)).status == 200
    assert lines() == []


def test_forgery_is_logged_as_no_match(lines):
    run(guard("forged", OTHER), presets.STRIPE.sign(BODY, "whsec_forgedforgedforgedforged12"))
    (record,) = lines()
    assert record.codes == ("no_match",)


def test_other_endpoint_of_the_process_is_named(lines):
    other = guard("billing-test", OTHER)
    run(guard("billing-live", SECRET), presets.STRIPE.sign(BODY, OTHER))
    (record,) = lines()
    assert record.codes == ("other_endpoint",)
    assert "'billing-test'" in record.detail
    assert other.endpoint.name == "billing-test"


def test_tenant_is_compared_with_no_other_endpoint(lines):
    other = guard("of-another-tenant", OTHER)
    verifier = Verifier("stripe", lambda path, headers: Tenant("shop", [SECRET]))
    run(Guard(Endpoint(verifier, name="tenants"), MemoryStore()), presets.STRIPE.sign(BODY, OTHER))
    (record,) = lines()
    assert record.codes == ("no_match",)
    assert other.endpoint.name == "of-another-tenant"


def test_tenants_own_secret_is_examined(lines):
    verifier = Verifier("stripe", lambda path, headers: Tenant("shop", [SECRET]))
    run(Guard(Endpoint(verifier, name="tenants"), MemoryStore()), spaced())
    (record,) = lines()
    assert record.codes == ("body_whitespace_added",)


def test_missing_header_is_explained_before_the_body_is_read(lines):
    guarded = guard("screened")
    delivery = presets.STRIPE.sign(BODY, SECRET)
    headers = {name: value for name, value in delivery.headers.items() if name.lower() != "stripe-signature"}
    assert guarded.screen(delivery._replace(headers=delivery.headers.__class__(headers), body=b"")) is not None
    (record,) = lines()
    assert record.codes == ("header_missing",)


@pytest.mark.parametrize("switch", ["setting", "environment"])
def test_autopsies_can_be_switched_off(switch, lines, monkeypatch):
    if switch == "environment":
        monkeypatch.setenv("HOOKGUARD_AUTOPSY", "0")
    guarded = guard("off", autopsy=switch != "setting")
    assert run(guarded, spaced()).status == 401
    assert lines() == []


def test_autopsy_setting_must_be_a_switch():
    with pytest.raises(ConfigurationError, match="autopsy"):
        Settings({"endpoints": {"stripe": {"secrets": [SECRET], "autopsy": "no"}}}, where="HOOKS", default_store=MemoryStore)


def test_endpoint_hands_over_three_and_counts_the_rest(lines):
    guarded = guard("many")
    before = autopsies.skipped().get("bucket", 0)
    for _ in range(9):
        run(guarded, spaced())
        until(idle)
    assert autopsies.skipped()["bucket"] == before + 6
    assert len(lines()) == 1, "equal results are logged once a minute"


def test_two_deliveries_wait_at_most(lines, monkeypatch):
    started, go_on = threading.Event(), threading.Event()

    def slow(*args, **more):
        started.set()
        go_on.wait(30)
        return __import__("hookguard.autopsy").autopsy.Autopsy(())

    monkeypatch.setattr("hookguard.autopsy.explain", slow)
    guarded, before = guard("busy"), autopsies.skipped().get("busy", 0)
    run(guarded, spaced())
    assert started.wait(30)
    run(guarded, spaced())
    run(guarded, spaced())
    assert autopsies.skipped()["busy"] == before + 1
    assert sum(thread.name == "hookguard-autopsy" for thread in threading.enumerate()) == 1
    go_on.set()
    assert lines() == []


def test_failed_search_is_logged_without_the_delivery(lines, monkeypatch):
    def broken(*args, **more):
        raise RuntimeError(SECRET)

    monkeypatch.setattr("hookguard.autopsy.explain", broken)
    assert run(guard("failing"), spaced()).status == 401
    (record,) = lines()
    assert "autopsy_failed" in record.getMessage()
    assert SECRET not in record.getMessage()
    assert record.exc_info is None


def test_missing_thread_changes_no_reply_and_later_autopsies_run(lines, monkeypatch):
    def exhausted(thread):
        raise RuntimeError("can't start new thread")

    guarded, before = guard("threadless"), autopsies.skipped().get("busy", 0)
    with monkeypatch.context() as patched:
        patched.setattr(autopsies.OwnThread, "start", exhausted)
        assert run(guarded, spaced()).status == 401
    assert autopsies.skipped()["busy"] == before + 1
    assert run(guarded, spaced()).status == 401
    (record,) = lines()
    assert record.codes == ("body_whitespace_added",)


def test_failed_handing_over_changes_no_reply(lines, monkeypatch):
    def broken(*args, **more):
        raise ValueError(SECRET)

    monkeypatch.setattr(autopsies.Autopsies, "hand_over", broken)
    assert run(guard("not-handed-over"), spaced()).status == 401
    (record,) = lines()
    assert record.getMessage() == "autopsy_failed: handing the delivery over raised ValueError"
    assert record.exc_info is None


def test_observer_hears_of_the_result(lines):
    class Observer:
        def __init__(self):
            self.heard = []

        def __call__(self, outcome):
            self.heard.append(outcome.reason_code)

        def explained(self, endpoint, provider, delivery, autopsy):
            self.heard.append((endpoint, provider, autopsy.codes))

    observer = Observer()
    run(guard("observed", observers=[observer]), spaced())
    lines()
    assert observer.heard == ["signature_mismatch", ("observed", "stripe", ("body_whitespace_added",))]


def test_broken_observer_of_autopsies_is_logged(lines):
    class Observer:
        def __call__(self, outcome):
            pass

        def explained(self, *args):
            raise ValueError("broken")

    run(guard("observed-badly", observers=[Observer()]), spaced())
    assert [record.levelname for record in lines()] == ["ERROR", "WARNING"]


def test_endpoints_of_the_same_name_are_all_tried(lines):
    others = [guard("billing", secret) for secret in ("of-the-second-application", OTHER, "of-the-third-application")]
    run(guard("billing"), presets.STRIPE.sign(BODY, OTHER))
    (record,) = lines()
    assert record.codes == ("other_endpoint",)
    assert len(others) == 3


def test_endpoints_of_the_own_application_are_tried_first_and_the_newest_of_them():
    store = MemoryStore()

    def made(name, where):
        return Guard(Endpoint(Verifier("stripe", [SECRET]), name=name), where)

    guards = [
        made("old", store),
        made("other-old", MemoryStore()),
        made("own", store),
        made("new", store),
        made("other", MemoryStore()),
    ]
    own = next(each for each in autopsies._all if each._endpoint is guards[2].endpoint)
    assert [name for name, _ in own._others()] == ["new", "old", "other", "other-old"]


@pytest.mark.parametrize("kind", [Guard, AsyncGuard])
def test_reply_is_the_same_with_autopsies_and_without(kind, lines):
    deliveries = [
        spaced(),
        presets.STRIPE.sign(BODY, OTHER),
        presets.STRIPE.sign(BODY, SECRET)._replace(headers=spaced().headers),
    ]
    deliveries.append(presets.STRIPE.sign(BODY, SECRET, timestamp=1.0))
    for delivery in deliveries:
        replies = [run(guard(f"reply-{switch}", kind=kind, autopsy=switch), delivery) for switch in (True, False)]
        assert replies[0] == replies[1]
    lines()


CARD, PASSWORD = "4242424242424242", "hunter2hunter2"


def test_no_secret_signature_body_or_personal_data_is_logged(lines, caplog):
    """A canary: each of these texts is in the delivery or the settings, and in no record."""
    body = json.dumps({"id": "evt_canary", "card": CARD, "email": "zoe@example.com"}).encode()
    url = f"https://user:{PASSWORD}@example.com/hooks?token={CARD}"
    caplog.set_level(logging.DEBUG)
    cases = []
    for preset in ("stripe", "twilio", "trello", "github", "standard-webhooks"):
        form = preset == "twilio"
        sent = f"card={CARD}&email=zoe%40example.com".encode() if form else body
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
        cases.append((preset, presets.get(preset).sign(sent, SECRET, url=url, headers=headers, id="evt_canary")))
    for preset, delivery in cases:
        broken = [
            delivery._replace(body=delivery.body + b"\n"),
            delivery._replace(body=delivery.body[:-3]),
            delivery._replace(url=url.replace("https", "http")),
            delivery._replace(
                body=json.dumps({"body": delivery.body.decode(), "headers": dict(delivery.headers.items())}).encode()
            ),
        ]
        for number, each in enumerate(broken):
            for secret in (SECRET.encode(), SECRET.encode() + b"\n", b'"' + SECRET.encode() + b'"'):
                name = f"canary-{preset}-{number}-{len(secret)}"
                settings = {"public_url": url} if "url" in presets.get(preset).scheme.covers else {}
                verifier = Verifier(preset, [Secret.exact(secret)])
                run(Guard(Endpoint(verifier, name=name, **settings), MemoryStore()), each)
                until(idle)
    assert len(lines()) > 20
    signatures = [
        value for _, delivery in cases for name, value in delivery.headers.items() if "signature" in name or "trello" in name
    ]
    for record in caplog.records:
        shown = record.getMessage() + json.dumps({key: str(value) for key, value in vars(record).items()})
        for canary in (SECRET, SECRET[6:], CARD, PASSWORD, "zoe", *signatures):
            assert canary not in shown, record.getMessage()
