"""Other packages beside hookguard, in one run: verifying a delivery of 2 KB, and remembering events.

    python benchmarks/peers.py [--redis redis://127.0.0.1:6379/0] [--rounds 21]

    pip install stripe standardwebhooks svix slack_sdk gidgethub 'aws-lambda-powertools[aws-sdk]' redis

A package that is not installed is named and left out. Each table is one provider's scheme; the ratio is to the check by hand.
Not the same work: standardwebhooks parses the JSON, svix verifies through it, stripe accepts a timestamp from the future, and only
hookguard returns an event with an id. Powertools remembers a result by a hash of the JSON and verifies nothing; the guard's rows
verify as well. Bodies and headers are ready in every row. CPU time.
"""

import argparse
import base64
import hashlib
import hmac
import json
import logging
import time
import uuid
import warnings
from importlib import import_module

from gateways import BODY, SECRET, genuine, sign
from rounds import compare, show

from hookguard import Delivery, Guard, MemoryStore, Verifier, presets

WHSEC = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def found(name):
    """Return a module, or None after saying that it is missing."""
    try:
        return import_module(name)
    except ImportError as error:
        print(f"  left out: {name} ({error})")
        return None


def verified(preset, secret, by_hand, peers):
    """Return the rows of one provider: by hand, ours, and each peer that is installed."""
    delivery = preset.sign(BODY, secret, id="msg_1", type="push")
    headers = dict(delivery.headers.items())
    delivery = Delivery(BODY, headers)  # as from the network: sign() returns headers of its own kind
    verifier = Verifier(preset, secret)
    rows = {"by hand": by_hand(headers), "hookguard": lambda: verifier.verify(delivery)}
    for name, make in peers.items():
        if (module := found(name)) is not None:
            rows[name] = make(module, headers)
    for call in rows.values():
        call()  # raises if it does not accept the delivery
    return rows


def github():
    """GitHub, 2 KB."""

    def by_hand(headers):
        def call():
            assert genuine(BODY, headers["x-hub-signature-256"])

        return call

    def gidgethub(module, headers):
        signature = headers["x-hub-signature-256"]
        return lambda: module.validate_event(BODY, signature=signature, secret=SECRET)

    return verified(presets.GITHUB, SECRET, by_hand, {"gidgethub.sansio": gidgethub})


def stripe():
    """Stripe, 2 KB."""

    def by_hand(headers):
        def call():
            items = dict(item.split("=", 1) for item in headers["stripe-signature"].split(","))
            expected = hmac.digest(WHSEC.encode(), f"{items['t']}.".encode() + BODY, "sha256").hex()
            assert hmac.compare_digest(expected, items["v1"])
            assert abs(time.time() - int(items["t"])) <= 300

        return call

    def sdk(module, headers):
        signature, body = headers["stripe-signature"], BODY.decode()
        return lambda: module.WebhookSignature.verify_header(body, signature, WHSEC, 300)

    return verified(presets.STRIPE, WHSEC, by_hand, {"stripe": sdk})


def slack():
    """Slack, 2 KB."""

    def by_hand(headers):
        def call():
            stamp = headers["x-slack-request-timestamp"]
            expected = "v0=" + hmac.digest(WHSEC.encode(), f"v0:{stamp}:".encode() + BODY, "sha256").hex()
            assert hmac.compare_digest(expected, headers["x-slack-signature"])
            assert abs(time.time() - int(stamp)) <= 300

        return call

    def sdk(module, headers):
        checker = module.SignatureVerifier(WHSEC)

        def call():
            assert checker.is_valid_request(BODY, headers)

        return call

    return verified(presets.SLACK, WHSEC, by_hand, {"slack_sdk.signature": sdk})


def standard_webhooks():
    """Standard Webhooks, 2 KB."""
    key = base64.b64decode(WHSEC.removeprefix("whsec_"))

    def by_hand(headers):
        def call():
            stamp = headers["webhook-timestamp"]
            signed = f"{headers['webhook-id']}.{stamp}.".encode() + BODY
            expected = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
            assert any(hmac.compare_digest(expected, one) for one in headers["webhook-signature"].split(" "))
            assert abs(time.time() - int(stamp)) <= 300

        return call

    def sdk(module, headers):
        webhook = module.Webhook(WHSEC)
        return lambda: webhook.verify(BODY, headers)

    return verified(presets.STANDARD_WEBHOOKS, WHSEC, by_hand, {"standardwebhooks": sdk, "svix.webhooks": sdk})


def memory_layer(powertools):
    """Return a persistence layer of powertools in a dict, which it does not have of its own."""

    class InMemory(powertools.BasePersistenceLayer):
        def __init__(self):
            super().__init__()
            self.records = {}

        def _get_record(self, idempotency_key):
            return self.records[idempotency_key]

        def _put_record(self, data_record):
            assert data_record.idempotency_key not in self.records
            self.records[data_record.idempotency_key] = data_record

        def _update_record(self, data_record):
            self.records[data_record.idempotency_key] = data_record

        def _delete_record(self, data_record):
            del self.records[data_record.idempotency_key]

    return InMemory()


def powertools_call(layer):
    """Return a call of a function that powertools remembers; every call is a new event."""
    idempotency = import_module("aws_lambda_powertools.utilities.idempotency")

    @idempotency.idempotent_function(
        data_keyword_argument="event",
        persistence_store=layer,
        config=idempotency.IdempotencyConfig(event_key_jmespath="id", expires_after_seconds=3600),
    )
    def handle(event):
        return 204

    return lambda: handle(event={"id": uuid.uuid4().hex})


def guard_call(store):
    """Return a call that verifies, claims and completes a new event."""
    guard = Guard(Verifier(presets.GITHUB, SECRET), store)
    base = sign()

    def call():
        receipt = guard.open(Delivery(BODY, {**base, "x-github-delivery": uuid.uuid4().hex}))
        assert receipt.reply is None
        guard.settle(receipt, status=204)

    return call


def bare_redis(client):
    """Return a call of the two commands that remembering an event needs at least."""

    def call():
        key = uuid.uuid4().hex
        assert client.set(key, b"1", nx=True, px=60_000)
        client.set(key, b"2", px=60_000)

    return call


def remembering(url):
    """Yield the tables for remembering: in memory, and in Redis."""
    powertools = found("aws_lambda_powertools.utilities.idempotency.base")
    seen = {}

    def by_hand():
        assert genuine(BODY, sign_once["x-hub-signature-256"])
        seen[uuid.uuid4().hex] = hashlib.sha256(BODY).digest()

    sign_once = sign()
    rows = {"the check and a dict, by hand": by_hand, "hookguard, MemoryStore": guard_call(MemoryStore(10**9))}
    if powertools is not None:
        layers = import_module("aws_lambda_powertools.utilities.idempotency.persistence.base")
        rows["powertools, a dict (verifies nothing)"] = powertools_call(memory_layer(layers))
    yield "An event is remembered in memory", rows
    redis = found("redis")
    if redis is None:
        return
    client = redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
    try:
        client.ping()
    except redis.RedisError as error:
        print(f"  left out: Redis ({error})")
        return
    from hookguard.stores.redis import RedisStore

    rows = {"two bare commands": bare_redis(client), "hookguard, RedisStore": guard_call(RedisStore(client))}
    if powertools is not None:
        layers = import_module("aws_lambda_powertools.utilities.idempotency.persistence.redis")
        rows["powertools, Redis (verifies nothing)"] = powertools_call(layers.RedisCachePersistenceLayer(client=client))
    yield "An event is remembered in Redis: CPU time of the client", rows


def main():
    """Measure each table in turn."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--redis", default="redis://127.0.0.1:6379/0")
    arguments.add_argument("--rounds", type=int, default=21)
    given = arguments.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("hookguard").setLevel(logging.CRITICAL)
    assert json.loads(BODY)
    for provider in (github, stripe, slack, standard_webhooks):
        show(provider.__doc__, compare(provider(), rounds=given.rounds, seconds=0.05))
    for title, rows in remembering(given.redis):
        show(title, compare(rows, rounds=given.rounds, seconds=0.05))


if __name__ == "__main__":
    main()
