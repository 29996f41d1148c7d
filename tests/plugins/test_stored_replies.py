"""With ``store_reply`` a duplicate is answered what the handler answered first, in every framework."""

import asyncio
import json
import logging
import random
from typing import NamedTuple

import pytest

for needed in ("flask", "django", "starlette", "fastapi", "litestar", "quart", "httpx"):
    pytest.importorskip(needed)

import httpx
from django_site import site

from hookguard import MemoryStore, Reply, StoreUnavailable, presets

SECRET = "a-secret-that-is-long-enough"
XML = "text/xml; charset=utf-8"
TWIML = b'<?xml version="1.0"?><Response><Say>caf\xc3\xa9</Say></Response>'
KIB = 1024


class Answer(NamedTuple):
    """The handler's answer, in words no framework owns."""

    body: bytes = TWIML
    status: int = 200
    content_type: str = XML
    headers: tuple[tuple[str, str], ...] = ()
    pieces: int = 0  #: streamed in so many pieces, if any

    def cut(self):
        size = -(-len(self.body) // self.pieces)
        return [self.body[start : start + size] for start in range(0, len(self.body), size)]


# The same handler for each framework. ``handle(event)`` gives the Answer.


def _flask(handle, asynchronous, hook):
    from flask import Flask, Response

    from hookguard_flask import HookGuard, get_current_webhook

    def respond():
        answer = handle(get_current_webhook())
        body = iter(answer.cut()) if answer.pieces else answer.body
        return Response(body, answer.status, list(answer.headers), content_type=answer.content_type)

    async def respond_later():
        return respond()

    def make(settings):
        app = Flask("stored")
        app.config["HOOKGUARD"] = settings
        hooks = HookGuard(app)
        view = respond_later if asynchronous else respond
        if hook == "guard":
            app.post("/hook")(hooks.guard("stripe")(view))
        else:
            app.post("/hook")(view)
            hooks.protect(app, "stripe")
        return app

    return make


def flask_view(handle):
    return _flask(handle, asynchronous=False, hook="guard")


def flask_async_view(handle):
    return _flask(handle, asynchronous=True, hook="guard")


def flask_protected(handle):
    return _flask(handle, asynchronous=False, hook="protect")


def _django(handle, asynchronous):
    from django.http import HttpResponse, StreamingHttpResponse
    from django.urls import path

    from hookguard_django import webhook

    async def later(pieces):
        for piece in pieces:
            yield piece

    def respond(event):
        answer = handle(event)
        common = {"status": answer.status, "content_type": answer.content_type}
        if answer.pieces:
            response = StreamingHttpResponse(later(answer.cut()) if asynchronous else iter(answer.cut()), **common)
        else:
            response = HttpResponse(answer.body, **common)
        for name, value in answer.headers:
            if name == "Set-Cookie":
                response.set_cookie(*value.split("=", 1))
            else:
                response[name] = value
        return response

    def view(request):
        return respond(request.webhook)

    async def async_view(request):
        return respond(request.webhook)

    return path("hook", webhook("stripe")(async_view if asynchronous else view))


def django_view(handle):
    return _django(handle, asynchronous=False)


def django_async_view(handle):
    return _django(handle, asynchronous=True)


def _hooks(settings):
    from hookguard_starlette import HookGuard

    return HookGuard(**settings)


def _starlette_response(answer):
    from starlette.responses import Response, StreamingResponse

    async def later():
        for piece in answer.cut():
            yield piece

    body = later() if answer.pieces else answer.body
    response = (StreamingResponse if answer.pieces else Response)(body, answer.status)
    response.headers["Content-Type"] = answer.content_type
    for name, value in answer.headers:
        response.headers.append(name, value)
    return response


def starlette(handle):
    from starlette.applications import Starlette
    from starlette.routing import Route

    from hookguard_starlette import get_current_webhook

    async def view(request):
        return _starlette_response(handle(get_current_webhook()))

    return lambda settings: Starlette(
        routes=[Route("/hook", view, methods=["POST"], middleware=[_hooks(settings).middleware("stripe")])]
    )


def fastapi_dependency(handle):
    from fastapi import Depends, FastAPI

    def make(settings):
        hooks = _hooks(settings)
        app = FastAPI()
        app.add_middleware(hooks.Middleware)

        @app.post("/hook")
        async def view(event=Depends(hooks.event("stripe"))):
            return _starlette_response(handle(event))

        return app

    return make


def fastapi_route_class(handle):
    from fastapi import APIRouter, FastAPI

    from hookguard_starlette import get_current_webhook

    def make(settings):
        router = APIRouter(route_class=_hooks(settings).route_class("stripe"))

        @router.post("/hook")
        def view():
            return _starlette_response(handle(get_current_webhook()))

        app = FastAPI()
        app.include_router(router)
        return app

    return make


def litestar(handle):
    from litestar import Litestar, Response, post
    from litestar.response import Stream

    from hookguard_starlette import get_current_webhook

    @post("/hook")
    async def view() -> Response[bytes]:
        answer = handle(get_current_webhook())
        content = iter(answer.cut()) if answer.pieces else answer.body
        kind = Stream if answer.pieces else Response
        # Its responses take their headers as a mapping.
        return kind(content, media_type=answer.content_type, status_code=answer.status, headers=dict(answer.headers))

    return lambda settings: _hooks(settings).wrap(Litestar([view], logging_config=None), "stripe")


def quart(handle):
    from quart import Quart, Response

    from hookguard_starlette import get_current_webhook

    async def later(pieces):
        for piece in pieces:
            yield piece

    async def view():
        answer = handle(get_current_webhook())
        body = later(answer.cut()) if answer.pieces else answer.body
        return Response(body, answer.status, list(answer.headers), content_type=answer.content_type)

    def make(settings):
        app = Quart("stored")
        app.post("/hook")(view)
        app.asgi_app = _hooks(settings).wrap(app.asgi_app, "stripe")
        return app

    return make


def plain_asgi(handle):
    from hookguard_starlette import get_current_webhook

    async def app(scope, receive, send):
        answer = handle(get_current_webhook())
        headers = [("content-type", answer.content_type), *answer.headers]
        headers = [(name.lower().encode(), value.encode()) for name, value in headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        for piece in answer.cut() if answer.pieces else [answer.body]:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

    return lambda settings: _hooks(settings).wrap(app, "stripe")


#: (the handler in a framework, the gateway it speaks, whether a short stream is seen whole and so stored)
WAYS = [
    (flask_view, "wsgi", False),
    (flask_async_view, "wsgi", False),
    (flask_protected, "wsgi", False),
    (django_view, "wsgi", False),
    (django_async_view, "asgi", False),
    (starlette, "asgi", True),
    (fastapi_dependency, "asgi", True),
    (fastapi_route_class, "asgi", True),
    (litestar, "asgi", True),
    (quart, "asgi", True),
    (plain_asgi, "asgi", True),
]


def send(app, gateway, event_id="evt_1"):
    """One delivery through an app."""
    delivery = presets.STRIPE.sign(json.dumps({"id": event_id}).encode(), SECRET)
    request = {"url": "/hook", "content": delivery.body, "headers": list(delivery.headers.items())}
    if gateway == "wsgi":
        with httpx.Client(transport=httpx.WSGITransport(app), base_url="http://localhost") as client:
            return client.post(**request)

    async def post():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return await client.post(**request)

    return asyncio.run(post())


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0].__name__}-{way[1]}")
def way(request):
    return request.param


@pytest.fixture
def serve(way):
    """Answer deliveries with the given answers, one a run; returns the responses to as many deliveries as asked."""
    kind, gateway, _ = way

    def served(*answers, deliveries=3, store=None, **options):
        runs = iter(answers)
        ran = []

        def handle(event):
            ran.append(event.id)
            return next(runs)

        settings = {
            "endpoints": {"stripe": {"secrets": [SECRET], "store_reply": True, **options}},
            "store": MemoryStore() if store is None else store,
        }
        made = kind(handle)
        if "django" not in kind.__name__:
            app = made(settings)
            came = [send(app, gateway) for _ in range(deliveries)]
        else:
            with site(made, HOOKGUARD=settings):
                from django.core.handlers.asgi import ASGIHandler
                from django.core.handlers.wsgi import WSGIHandler

                app = ASGIHandler() if gateway == "asgi" else WSGIHandler()
                came = [send(app, gateway) for _ in range(deliveries)]
        assert len(ran) == len(answers)
        return came

    return served


def told(response):
    return response.status_code, response.headers.get("content-type"), response.content


def is_plain(response):
    return (response.status_code, response.headers["hookguard-duplicate"], response.content) == (200, "1", b"")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(),
        Answer(b'{"type": 1}', 201, "application/json"),
        Answer(bytes(range(256)), 200, "application/octet-stream"),
        Answer(b"x" * 64 * KIB, 200, "text/plain"),
        Answer(b"", 202, "text/plain"),
    ],
    ids=["TwiML", "201", "binary", "64 KiB", "empty"],
)
def test_a_duplicate_gets_the_same_answer(serve, answer):
    first, *duplicates = serve(answer)
    assert first.status_code == answer.status
    assert first.content == answer.body
    assert "hookguard-duplicate" not in first.headers
    for duplicate in duplicates:
        assert told(duplicate) == told(first)
        assert duplicate.headers["hookguard-duplicate"] == "1"
        assert duplicate.headers.get("content-length") in (None, str(len(answer.body)))


class Reading(MemoryStore):
    """A store that shows what it was given."""

    def __init__(self):
        super().__init__()
        self.given = []

    def complete(self, key, *, token, retention, reply=None):
        self.given.append(reply)
        return super().complete(key, token=token, retention=retention, reply=reply)


def test_no_cookie_or_credential_is_stored_or_sent_again(serve):
    hidden = (
        ("Set-Cookie", "session=s3cret"),
        ("Authorization", "Bearer s3cret"),
        ("WWW-Authenticate", 'Digest nonce="s3cret"'),
        ("X-Api-Key", "s3cret"),
        ("Location", "/s3cret"),
    )
    store = Reading()
    first, *duplicates = serve(Answer(headers=hidden), store=store)
    assert "session=s3cret" in first.headers["set-cookie"]
    assert first.headers["x-api-key"] == "s3cret"
    for duplicate in duplicates:
        assert told(duplicate) == told(first)
        assert "s3cret" not in str(duplicate.headers)
        assert not {name.lower() for name, _ in hidden} & set(duplicate.headers)
    assert store.given == [Reply(200, (("Content-Type", first.headers["content-type"]),), TWIML).to_bytes()]


@pytest.mark.parametrize("size", [64 * KIB + 1, 1024 * KIB])
def test_a_big_answer_arrives_whole_and_its_duplicate_is_a_plain_200(serve, caplog, size):
    caplog.set_level(logging.INFO, "hookguard")
    body = random.Random(1).randbytes(size)
    store = Reading()
    first, *duplicates = serve(Answer(body, 201), store=store)
    assert (first.status_code, first.content == body) == (201, True)
    assert all(map(is_plain, duplicates))
    assert store.given == [None]
    assert "over 64 KiB and was not stored" in caplog.text


@pytest.mark.parametrize("pieces", [1, 5])
def test_a_streamed_answer_is_stored_where_it_can_be_seen_whole(serve, way, caplog, pieces):
    caplog.set_level(logging.INFO, "hookguard")
    first, *duplicates = serve(Answer(pieces=pieces))
    assert (first.status_code, first.content) == (200, TWIML)
    if way[2]:
        assert [told(duplicate) for duplicate in duplicates] == [told(first)] * 2
    else:
        assert all(map(is_plain, duplicates))
        assert "streamed" in caplog.text


def test_a_big_streamed_answer_arrives_whole(serve):
    body = random.Random(2).randbytes(300 * KIB)
    first, *duplicates = serve(Answer(body, pieces=31))
    assert first.content == body
    assert all(map(is_plain, duplicates))


def test_a_compressed_answer_is_not_stored(serve, caplog):
    caplog.set_level(logging.INFO, "hookguard")
    import gzip

    first, *duplicates = serve(Answer(gzip.compress(TWIML), headers=(("Content-Encoding", "gzip"),)))
    assert first.content == TWIML
    assert all(map(is_plain, duplicates))
    assert "compressed" in caplog.text


def test_a_file_is_sent_and_not_stored(tmp_path):
    (file := tmp_path / "answer.xml").write_bytes(TWIML)
    settings = {"endpoints": {"stripe": {"secrets": [SECRET], "store_reply": True}}}

    from flask import Flask, send_file

    from hookguard_flask import HookGuard

    app = Flask("files")
    app.config["HOOKGUARD"] = {**settings, "store": MemoryStore()}
    app.post("/hook")(HookGuard(app).guard("stripe")(lambda: send_file(file)))
    assert send(app, "wsgi").content == TWIML
    assert is_plain(send(app, "wsgi"))

    from django.core.handlers.wsgi import WSGIHandler
    from django.http import FileResponse
    from django.urls import path

    from hookguard_django import webhook

    view = webhook("stripe")(lambda request: FileResponse(file.open("rb")))
    with site(path("hook", view), HOOKGUARD={**settings, "store": MemoryStore()}):
        assert send(WSGIHandler(), "wsgi").content == TWIML
        assert is_plain(send(WSGIHandler(), "wsgi"))


@pytest.mark.parametrize("hook", ["guard", "protect"])
def test_a_body_that_cannot_be_read_releases_the_event(hook):
    from flask import Flask, Response

    from hookguard_flask import HookGuard

    app = Flask("unreadable")
    app.config["HOOKGUARD"] = {
        "endpoints": {"stripe": {"secrets": [SECRET], "store_reply": True}},
        "store": MemoryStore(),
    }
    hooks = HookGuard(app)
    bodies = iter([[7], [b"done"]])

    def view():
        return Response(next(bodies))

    app.post("/hook")(hooks.guard("stripe")(view) if hook == "guard" else view)
    if hook == "protect":
        hooks.protect(app, "stripe")
    failed, handled, duplicate = (send(app, "wsgi") for _ in range(3))
    assert failed.status_code == 500
    assert (handled.status_code, handled.content) == (200, b"done")
    assert told(duplicate) == told(handled)


@pytest.mark.parametrize("status", [302, 404, 500])
def test_an_answer_other_than_2xx_is_not_stored(serve, status):
    failed, handled, duplicate = serve(Answer(b"sorry", status), Answer(b"done", 201))
    assert (failed.status_code, failed.content) == (status, b"sorry")
    assert (handled.status_code, handled.content) == (201, b"done")
    assert told(duplicate) == told(handled)


def test_storing_replies_is_off_by_default(serve):
    store = Reading()
    first, *duplicates = serve(Answer(), store=store, store_reply=False)
    assert (first.status_code, first.content) == (200, TWIML)
    assert all(map(is_plain, duplicates))
    assert store.given == [None]


class Failing(MemoryStore):
    """A store that goes down, or stores what nobody can read."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def complete(self, key, *, token, retention, reply=None):
        if self.kind == "down":
            raise StoreUnavailable("down")
        return super().complete(key, token=token, retention=retention, reply=b"\x02 from tomorrow")


def test_nothing_of_the_answer_leaves_when_it_could_not_be_stored(serve):
    (answer,) = serve(Answer(headers=(("Set-Cookie", "session=s3cret"),)), deliveries=1, store=Failing("down"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert "set-cookie" not in answer.headers
    assert b"Say" not in answer.content


def test_a_stored_answer_that_cannot_be_read_is_a_plain_200(serve, caplog):
    first, *duplicates = serve(Answer(), store=Failing("odd"))
    assert first.content == TWIML
    assert all(map(is_plain, duplicates))
    assert "another version" in caplog.text


def test_one_framework_answers_what_another_stored():
    settings = {"endpoints": {"stripe": {"secrets": [SECRET], "store_reply": True}}, "store": MemoryStore()}
    first = send(flask_view(lambda event: Answer())(settings), "wsgi")
    second = send(starlette(lambda event: 1 / 0)(settings), "asgi")
    with site(django_view(lambda event: 1 / 0), HOOKGUARD=settings):
        from django.core.handlers.wsgi import WSGIHandler

        third = send(WSGIHandler(), "wsgi")
    assert told(first) == told(second) == told(third) == (200, XML, TWIML)
