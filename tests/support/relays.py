"""An endpoint with a relay, without a framework: it takes deliveries in, and a real worker passes them on."""

import asyncio
import base64
import json
import threading
from contextlib import contextmanager
from typing import Any

from receiving import LOOPBACK
from waiting import until

from hookguard import Guard, presets
from hookguard.config import Settings
from hookguard.inbox.contract import EntryState
from hookguard.stores import SQLiteStore
from hookguard.work.lanes import open_lanes
from hookguard.work.worker import Worker

PROVIDERS = "a-secret-that-is-long-enough"
SECRET = "whsec_" + base64.b64encode(b"a-key-of-the-relay-in-tests-").decode()
OTHER = "whsec_" + base64.b64encode(b"another-key-of-the-same-test").decode()
#: Retries that a test can wait for.
SOON = {"first": 0.01, "longest_wait": 0.02}
HERE = {"allow_http": True, "allow_networks": LOOPBACK}


def no_app(environ, start_response):
    start_response("404 Not Found", [])
    return [b""]


def to(receiver, **more):
    return {"url": receiver.url, "secrets": [SECRET], **more}


class Shop:
    """The endpoint ``stripe``, whose relay has these settings."""

    def __init__(
        self, folder, targets, *, inbox=SOON, app=no_app, store=None, preset="stripe", secrets=PROVIDERS, observers=(), **relay
    ):
        self.outcomes = []
        self.app = app
        relay = {**HERE, "targets": targets, **relay}
        self.settings = Settings(
            {"endpoints": {"stripe": {"preset": preset, "secrets": [secrets], "inbox": inbox, "relay": relay}}},
            where="HOOKGUARD",
            default_store=lambda: store or SQLiteStore(folder / "hooks.sqlite3"),
            observers=[self.outcomes.append, *observers],
        )
        self.endpoint = self.settings.endpoint("stripe")
        self.store: Any = self.settings.store
        self.guard = Guard(self.endpoint, self.store)
        self.inbox = self.store.inbox()

    def close(self):
        self.store.close()

    def deliver(self, number, kind="invoice.paid", **more):
        body = json.dumps({"id": f"evt_{number}", "type": kind, **more.pop("body", {})}).encode()
        signed = presets.get("stripe").sign(body, PROVIDERS)
        headers = {**dict(signed.headers.items()), "host": "shop.example", "content-type": "application/json", **more}
        reply = self.guard.run(signed._replace(headers=headers, target="/hooks", secure=True), lambda event: 500)
        assert reply.status == 200, reply
        return body

    def of(self, outcome, part=None):
        return [each for each in self.outcomes if each.outcome == outcome and part in (None, each.part)]

    def states(self):
        return {(each.lane.part, each.event_id): each.state for each in self.inbox.find(limit=1000)}

    def waiting(self):
        return sum(each.number for each in self.inbox.counts() if each.state in (EntryState.WAITING, EntryState.HELD))

    @contextmanager
    def working(self, **options):
        """Run a worker in a thread, until the block ends."""
        worker = Worker(self.app, open_lanes(self.settings), **options)
        thread = threading.Thread(target=lambda: asyncio.run(worker.run()))
        thread.start()
        try:
            yield worker
        finally:
            worker.stop()
            thread.join()

    def work(self, condition=None):
        """Let a worker run until the condition holds, or until nothing waits."""
        with self.working():
            assert until(condition or (lambda: not self.waiting()), 60), (self.outcomes, self.states())


class Ledger:
    """A target of the user's own, which notes what it gets."""

    def __init__(self):
        self.sent = []

    async def send(self, sending):
        from hookguard.relay.sending import Sent

        self.sent.append(sending)
        return Sent()


LEDGER = Ledger()


def shut(store: Any):
    """Close a store, of which hookguard knows only the protocol."""
    store.close()


def everyone(event, names):
    return names
