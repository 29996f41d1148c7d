"""A Flask shop whose deliveries are measured, and what its metrics say."""

import json

from hookguard import presets

SECRET = "whsec_" + "m" * 32
OTHER = "whsec_" + "n" * 32
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


#: The stores that a test has opened, to be closed at its end: see `tests/metrics/conftest.py`.
opened = []


def value(registry, name, **labels):
    """The value of one time series; 0 if it is not there."""
    return registry.get_sample_value(f"hookguard_{name}", labels) or 0.0


def flask_shop(folder, observers, view=None, **endpoint):
    """A Flask app with the endpoint ``stripe``. A body with ``"status"`` chooses the answer."""
    from flask import Flask

    from hookguard_flask import HookGuard, current_webhook

    app = Flask("shop", instance_path=str(folder))
    app.config["HOOKGUARD"] = {
        "endpoints": {"stripe": {"secrets": [SECRET], **endpoint}, "github": {"secrets": [OTHER]}},
        "store": f"sqlite:///{folder}/metered.sqlite3",
        "observers": observers,
    }
    hooks = HookGuard(app)
    opened.append(store_of(app))

    @app.post("/hooks/stripe")
    @hooks.guard("stripe")
    def stripe():
        return "", current_webhook.json().get("status", 200)

    return app


def store_of(app):
    from hookguard_flask.guards import guards_of

    return guards_of(app).settings.store


def deliver(app, event_id="evt_1", secret=SECRET, *, query="", headers=None, timestamp=None, **fields):
    """Sign one delivery now, and post it; gives the status of the reply."""
    body = json.dumps({"id": event_id, "type": "invoice.paid", **fields}).encode()
    signed = presets.STRIPE.sign(body, secret, timestamp=timestamp)
    sent = {**dict(signed.headers.items()), "Content-Type": "application/json", **(headers or {})}
    return app.test_client().post(f"/hooks/stripe{query}", data=body, headers=sent).status_code
