"""Every framework parses a verified body as the bytes say, whatever an unsigned Content-Type says."""

import json
from contextlib import contextmanager
from typing import Annotated

import pytest

for needed in ("flask", "django", "rest_framework", "starlette", "fastapi", "httpx", "multipart"):
    pytest.importorskip(needed)

from django_site import configure, site
from same_clients import Client

from hookguard import Delivery, MemoryStore, presets
from hookguard.presets.generic import generic_hmac

configure()

SECRET = "a-secret-that-is-long-enough"
FORM = "application/x-www-form-urlencoded"
FIELDS = "&payload=%7B%22id%22%3A%22evil%22%7D&id=evil&"
PART = '\r\n--b\r\nContent-Disposition: form-data; name="id"\r\n\r\nevil\r\n--b--\r\n'
UTF7 = "+ACI-,+ACI-id+ACI-:+ACI-evil+ACI-,+ACI-x+ACI-:+ACI-"

ACME = generic_hmac(name="acme", header="X-Acme-Signature", event_id="body:id", identity="content")
SENDERS = {
    "github": presets.GITHUB.sign(json.dumps({"id": "true", "text": FIELDS + UTF7}).encode(), SECRET, id="d-1", type="push"),
    "acme": ACME.sign(f"<xml><id>true</id><text>{FIELDS}{PART}{UTF7}</text></xml>".encode(), SECRET),
}
#: The fields of the provider's own form.
GENUINE_FORM = presets.GITHUB.sign(
    b"payload=%7B%22id%22%3A%22true%22%7D", SECRET, id="d-2", type="push", headers={"Content-Type": FORM}
)

TYPES = (
    FORM, f"{FORM}; charset=utf-8", f"{FORM}; charset=utf-7", "multipart/form-data; boundary=b", "multipart/form-data", "application/json",
    "application/json; charset=utf-7", "application/json;charset*=us-ascii''utf-7", "text/plain", "application/xml", "",
    "*/x-www-form-urlencoded", "application/*", "*/*", "*/form-data; boundary=b", f"{FORM}, application/json",
)  # fmt: skip

SETTINGS = {"github": {"secrets": [SECRET]}, "acme": {"preset": ACME, "secrets": [SECRET]}}


def settings():
    return {"endpoints": SETTINGS, "store": MemoryStore()}


def flask_app(seen):
    from flask import Flask, request

    from hookguard_flask import HookGuard

    app = Flask("bodies")
    app.config["HOOKGUARD"] = settings()
    hooks = HookGuard(app)

    # Code that reads the form before the view must not fix what the view reads.
    @app.before_request
    def look():
        _ = request.form, request.is_json

    for name in SETTINGS:

        def view():
            seen.append((request.form.to_dict(), request.files.to_dict(), request.get_json(silent=True)))
            return "", 204

        app.post(f"/hooks/{name}", endpoint=name)(hooks.guard(name)(view))
    return app


def starlette_app(seen):
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    from hookguard_starlette import HookGuard

    hooks = HookGuard(**settings())

    async def view(request):
        try:
            document = await request.json()
        except ValueError:
            document = None
        seen.append((dict(await request.form()), {}, document))
        return Response(status_code=204)

    return Starlette(
        routes=[Route(f"/hooks/{name}", view, methods=["POST"], middleware=[hooks.middleware(name)]) for name in SETTINGS]
    )


def fastapi_app(seen):
    from fastapi import Depends, FastAPI, Request, Response

    from hookguard import Event
    from hookguard_starlette import HookGuard

    hooks = HookGuard(**settings())
    app = FastAPI()
    app.add_middleware(hooks.Middleware)

    def add(name):
        @app.post(f"/hooks/{name}", name=name)
        async def view(request: Request, event: Annotated[Event, Depends(hooks.event(name))]):
            seen.append((dict(await request.form()), {}, None))
            return Response(status_code=204)

    for name in SETTINGS:
        add(name)
    return app


def django_views(seen):
    from django.http import HttpResponse
    from django.urls import path
    from rest_framework.response import Response
    from rest_framework.views import APIView

    from hookguard_django import webhook

    def view(request):
        seen.append((request.POST.dict(), request.FILES.dict(), None))
        return HttpResponse(status=204)

    class Hook(APIView):
        authentication_classes = ()
        permission_classes = ()

        def post(self, request):
            data = request.data
            seen.append((request.POST.dict(), request.FILES.dict(), json.loads(json.dumps(data))))
            return Response(status=204)

    views = [path(f"hooks/{name}", webhook(name)(view)) for name in SETTINGS]
    return [*views, *(path(f"rest/{name}", webhook(name)(Hook.as_view())) for name in SETTINGS)]


def under(delivery, kind):
    headers = {name: value for name, value in delivery.headers.items() if name.lower() != "content-type"}
    return Delivery(delivery.body, {**headers, **({"content-type": kind} if kind else {})})


@contextmanager
def django_client(seen):
    with site(*django_views(seen), HOOKGUARD=settings(), DEBUG_PROPAGATE_EXCEPTIONS=False):
        from django.core.handlers.wsgi import WSGIHandler

        yield Client(WSGIHandler(), "wsgi")


@contextmanager
def client_of(way, seen):
    """A client of a fresh app: in an old one the same event would be a duplicate."""
    if way.startswith("django"):
        with django_client(seen) as client:
            yield client
    else:
        make = {"flask": flask_app, "starlette": starlette_app, "fastapi": fastapi_app}[way]
        yield Client(make(seen), "wsgi" if way == "flask" else "asgi")


WAYS = ("flask", "starlette", "fastapi", "django", "django rest")


def send(way, name, delivery):
    """Return the status, and what the handler read: the form, the files and the JSON, each as the framework parses it."""
    seen = []
    with client_of(way, seen) as client:
        path = f"../rest/{name}" if way == "django rest" else name
        status = client.send(path, delivery, "").status_code
    return status, seen


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", SENDERS)
@pytest.mark.parametrize("way", WAYS)
def test_a_framework_parses_what_was_signed(way, name, kind):
    status, seen = send(way, name, under(SENDERS[name], kind))
    assert status in (204, 400, 415)
    assert bool(seen) == (status == 204)
    for form, files, document in seen:
        assert (form, files) == ({}, {})
        assert document in (None, {}, json.loads(SENDERS[name].body) if name == "github" else None)
    if kind in (FORM, "application/json") and name == "github" and way != "fastapi":
        assert status == 204  # JSON under a form's Content-Type is JSON


@pytest.mark.parametrize("kind", [FORM, f"{FORM}; charset=utf-8", "application/json", "text/plain", ""])
@pytest.mark.parametrize("way", WAYS)
def test_a_form_stays_a_form(way, kind):
    status, seen = send(way, "github", under(GENUINE_FORM, kind))
    assert status == 204
    assert seen[0][0] == {"payload": '{"id":"true"}'}
