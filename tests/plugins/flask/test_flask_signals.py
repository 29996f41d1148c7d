import pytest
from flask_deliveries import SECRET, make_app, post, stripe

import hookguard_flask
from hookguard import Delivery, Endpoint, MemoryStore, Outcome, StoreUnavailable, Verifier, presets
from hookguard.outcome import OutcomeName
from hookguard_flask import HookGuard, current_webhook, send_outcome, signals

SIGNALS = [getattr(hookguard_flask, name) for name in hookguard_flask.__all__ if name.startswith("webhook_")]


@pytest.fixture
def heard():
    """Every signal that was sent: its name, the sender and the outcome."""
    heard = []

    def listener(signal):
        def listen(sender, outcome):
            heard.append((signal.name, sender, outcome))

        signal.connect(listen)
        return signal, listen

    connected = [listener(signal) for signal in SIGNALS]
    yield heard
    for signal, listen in connected:
        signal.disconnect(listen)


class Down(MemoryStore):
    def claim(self, *_, **__):
        raise StoreUnavailable("down")


def handle():
    return "", current_webhook.json().get("status", 204)


def test_each_outcome_has_its_signal(heard):
    app = make_app()
    hooks = HookGuard(app)
    app.post("/hook")(hooks.guard("stripe")(handle))
    client = app.test_client()
    for delivery in (stripe("evt_1"), stripe("evt_1"), stripe("evt_2", status=503), Delivery(b"{}", {})):
        post(client, delivery)
    assert [(name, outcome.outcome, outcome.status) for name, _, outcome in heard] == [
        ("webhook-handled", "handled", 204),
        ("webhook-duplicate", "duplicate", 200),
        ("webhook-failed", "failed", 503),
        ("webhook-rejected", "rejected", 401),
    ]
    assert {sender for _, sender, _ in heard} == {app}
    handled = heard[0][2]
    assert isinstance(handled, Outcome)
    assert (handled.endpoint, handled.event_id, handled.event_type, handled.attempt) == ("stripe", "evt_1", "invoice.paid", 1)


def test_a_challenge_and_a_store_that_is_down_have_signals_too(heard):
    app = make_app(HOOKGUARD_STORE=Down(), HOOKGUARD_ENDPOINTS={name: {"secrets": [SECRET]} for name in ("slack", "stripe")})
    hooks = HookGuard(app)
    for name in ("slack", "stripe"):
        app.add_url_rule(f"/{name}", name, hooks.guard(name)(handle), methods=["POST"])
    post(app.test_client(), presets.SLACK.sign(b'{"type": "url_verification", "challenge": "abc"}', SECRET), "/slack")
    post(app.test_client(), stripe("evt_1"), "/stripe")
    assert [name for name, _, _ in heard] == ["webhook-challenged", "webhook-unavailable"]


def test_no_outcome_is_without_a_signal():
    assert set(signals._BY_OUTCOME) == set(OutcomeName.__args__)
    assert set(signals._BY_OUTCOME.values()) == set(SIGNALS)


def test_observers_from_the_config_hear_as_well_and_one_that_fails_changes_nothing(heard):
    outcomes = []

    def broken(outcome):
        outcomes.append(outcome.outcome)
        raise ValueError

    app = make_app(HOOKGUARD_OBSERVERS=[broken])
    app.post("/hook")(HookGuard(app).guard("stripe")(handle))
    assert post(app.test_client(), stripe("evt_1")).status_code == 204
    assert outcomes == ["handled"]
    assert len(heard) == 1


def test_an_endpoint_made_by_hand_sends_signals_if_it_is_set_to(heard):
    app = make_app()
    hooks = HookGuard(app)
    for name, observers in (("silent", []), ("telling", [send_outcome])):
        endpoint = Endpoint(Verifier("stripe", [SECRET]), name=name, observers=observers)
        app.add_url_rule(f"/{name}", name, hooks.guard(endpoint)(handle), methods=["POST"])
    for name in ("silent", "telling"):
        assert post(app.test_client(), stripe("evt_1"), f"/{name}").status_code == 204
    assert [outcome.endpoint for _, _, outcome in heard] == ["telling"]
