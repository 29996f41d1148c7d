"""Shared by the tests of the Flask plugin: signed deliveries, a way to post them, and an app with one endpoint."""

import io
import json

from flask import Flask, Response
from werkzeug.test import EnvironBuilder

from hookguard import MemoryStore, presets

SECRET = "a-secret-that-is-long-enough"


def stripe(event_id, **fields):
    body = json.dumps({"id": event_id, "type": "invoice.paid", **fields}).encode()
    return presets.STRIPE.sign(body, SECRET)


def github(body, delivery_id, **headers):
    return presets.GITHUB.sign(body, SECRET, id=delivery_id, type="push", headers=headers)


def post(client, delivery, path="/hook", **options):
    return client.post(path, data=delivery.body, headers=list(delivery.headers.items()), **options)


def stream(client, head, body, path="/hook", *, terminated=True, length=None, **extra):
    """Post a body as a server hands over its stream: chunked, unless a length is announced."""
    environ = EnvironBuilder(path=path, method="POST", headers=list(head.headers.items())).get_environ()
    environ.pop("CONTENT_LENGTH", None)
    environ["REMOTE_ADDR"] = "127.0.0.1"
    environ["wsgi.input"] = io.BytesIO(body) if isinstance(body, bytes) else body
    environ |= {"HTTP_TRANSFER_ENCODING": "chunked"} if length is None else {"CONTENT_LENGTH": str(length)}
    environ |= {"wsgi.input_terminated": True} if terminated else {}
    return Response.from_app(client.application, environ | extra, buffered=True)


def make_app(**config):
    app = Flask("shop")
    app.config["HOOKGUARD_ENDPOINTS"] = {"stripe": {"secrets": [SECRET]}, "github": {"secrets": [SECRET]}}
    app.config["HOOKGUARD_STORE"] = MemoryStore()
    app.config.update(config)
    return app
