"""Shared by the tests of the Django plugin: signed deliveries, and clients that send them as a provider would."""

import json

from django.test import AsyncClient, Client

from hookguard import MemoryStore, presets

SECRET = "a-secret-that-is-long-enough"


def stripe(event_id="evt_1", **fields):
    return presets.STRIPE.sign(json.dumps({"id": event_id, "type": "invoice.paid", **fields}).encode(), SECRET)


def github(body=b"{}", event_id="1", **headers):
    return presets.GITHUB.sign(body, SECRET, id=event_id, type="push", headers=headers)


def settings(store=None, **more):
    """The HOOKGUARD setting with two endpoints."""
    endpoints = {"stripe": {"SECRETS": [SECRET]}, "github": {"SECRETS": [SECRET]}, "slack": {"SECRETS": [SECRET]}}
    return {"ENDPOINTS": endpoints, "STORE": store if store is not None else MemoryStore(), **more}


def _split(delivery):
    headers = {name: value for name, value in delivery.headers.items() if name.lower() != "content-type"}
    return delivery.headers.get("content-type", "application/json"), headers


def post(delivery, path="/hook", *, raises=False, **extra):
    """Send it through Django's WSGI handler, with CSRF checks on."""
    content_type, headers = _split(delivery)
    client = Client(enforce_csrf_checks=True, raise_request_exception=raises)
    return client.generic(delivery.method, path, delivery.body, content_type=content_type, headers=headers, **extra)


async def apost(delivery, path="/hook", *, raises=False, **extra):
    """Send it through Django's ASGI handler, with CSRF checks on."""
    content_type, headers = _split(delivery)
    client = AsyncClient(enforce_csrf_checks=True, raise_request_exception=raises)
    return await client.generic(delivery.method, path, delivery.body, content_type=content_type, headers=headers, **extra)
