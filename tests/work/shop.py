"""A Flask shop with an inbox, whose handlers do what each event says; for a test's own process and for a worker's.

A run writes one line into ``runs``: the event, the attempt, the process. A process finds its folder in ``SHOP_FOLDER``.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from flask import Flask

from hookguard import GiveUp, presets
from hookguard_flask import HookGuard, current_webhook

SECRET = "a-secret-that-is-long-enough"
NAMES = ("stripe", "github")


def make_app(folder, store=None, **inbox):
    app = Flask("shop")
    settings = {"secrets": [SECRET], "inbox": {"first": 0.05, "longest_wait": 0.2, **inbox}}
    app.config["HOOKGUARD_ENDPOINTS"] = {
        "stripe": settings,
        "github": {**settings, "max_concurrent": 1},
        "direct": {"preset": "stripe", "secrets": [SECRET]},
    }
    app.config["HOOKGUARD_STORE"] = store or f"sqlite:///{folder}/shop.sqlite3"
    hooks = HookGuard(app)

    def view():
        event, asked = current_webhook, current_webhook.json()
        note(folder, event.id, event.attempt, os.getpid(), "begins")
        time.sleep(asked.get("sleep", 0))
        if asked.get("kills"):
            os.kill(os.getpid(), signal.SIGKILL)
        if event.attempt <= asked.get("fails", 0):
            raise ValueError("not yet")
        if asked.get("exits"):
            sys.exit(3)
        if asked.get("gives_up"):
            raise GiveUp("this customer is gone")
        note(folder, event.id, event.attempt, os.getpid(), "ends")
        if asked.get("busy") and event.attempt == 1:
            return "", 503, {"Retry-After": "0"}
        return "", asked.get("status", 204)

    for name in (*NAMES, "direct"):
        app.post(f"/hooks/{name}", endpoint=name)(hooks.guard(name)(view))
    return app


def note(folder, *facts):
    with open(f"{folder}/runs", "a") as runs:  # noqa: PTH123 - one write, appended whole
        runs.write(" ".join(map(str, facts)) + "\n")


def runs(folder, what="ends"):
    """(event, attempt, process) of each run that got so far."""
    path = Path(folder, "runs")
    lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return [(event, int(attempt), int(process)) for event, attempt, process, found in lines if found == what]


def signed(endpoint, identifier, **asked):
    """A delivery as the provider sends it."""
    body = json.dumps({"id": identifier, "type": "order.paid", **asked}).encode()
    if endpoint == "github":
        return presets.GITHUB.sign(body, SECRET, id=identifier, type="push", headers={"content-type": "application/json"})
    return presets.STRIPE.sign(body, SECRET, headers={"content-type": "application/json"})


def send(app, identifier, endpoint="stripe", **asked):
    """Deliver an event; return the answer."""
    delivery = signed(endpoint, identifier, **asked)
    return app.test_client().post(f"/hooks/{endpoint}", data=delivery.body, headers=delivery.headers.items())


def inbox_of(app):
    return app.extensions["hookguard"].settings.store.inbox()


def states(app):
    """How many entries are in each state."""
    found = {}
    for count in inbox_of(app).counts():
        name = count.state.name.lower()
        found[name] = found.get(name, 0) + count.number
    return found


if "SHOP_FOLDER" in os.environ:
    app = make_app(os.environ["SHOP_FOLDER"])
