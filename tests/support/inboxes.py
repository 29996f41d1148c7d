"""Entries in the inbox of a SQLite file, stored as the web process does it."""

import json

from hookguard import Delivery, Endpoint, SQLiteStore, Verifier, presets
from hookguard.inbox.kept import Keeper
from hookguard.inbox.settings import InboxSettings

SECRET = "a-secret-that-is-long-enough"
SETTINGS = InboxSettings()


def put_event(inbox, identifier, kind="order.paid", endpoint=None):
    """Store an event that came for the endpoint ``stripe``; return its key."""
    endpoint = endpoint or Endpoint(Verifier("stripe", [SECRET]))
    body = json.dumps({"id": identifier, "type": kind, "card": "canary-4242"}).encode()
    signed = presets.STRIPE.sign(body, SECRET)
    headers = [*signed.headers.items(), ("host", "shop.example"), ("content-type", "application/json")]
    event = endpoint.verifier.verify(Delivery(body, headers, "POST", "/hooks/stripe", None, True, "/hooks/stripe"))
    key = endpoint.key(event)
    keeper = Keeper(endpoint="stripe", preset=endpoint.preset, settings=SETTINGS, retention=60)
    inbox.put([keeper.keep(event, key)])
    return key.idempotency_key


class Box:
    """An inbox in a file, whose events came for the endpoint ``stripe``."""

    def __init__(self, path):
        self.url = f"sqlite:///{path}"
        self._store = SQLiteStore(path)
        self.inbox = self._store.inbox()
        self.endpoint = Endpoint(Verifier("stripe", [SECRET]))

    def put(self, identifier, kind="order.paid"):
        """Store an event; return its key."""
        return put_event(self.inbox, identifier, kind, self.endpoint)

    def kill(self, key, reason="no such customer"):
        """Let a worker give up on an entry."""
        held = self.inbox.take_one(key, lease=60, settings=SETTINGS)
        assert self.inbox.give_up(key, token=held.token, reason=reason, settings=SETTINGS)

    def evidence(self):
        """The records of deliveries in the same file."""
        return self._store.evidence()

    def state(self, key):
        return next((entry.state.name for entry in self.inbox.find(key=key, limit=1)), None)
