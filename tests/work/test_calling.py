"""A call reaches the application as a server would make it, and its answer comes back whatever the application does."""

import asyncio
import sys
from wsgiref.validate import validator

import pytest

from hookguard import ConfigurationError, Headers
from hookguard.work.asgi import call_asgi, lifespan
from hookguard.work.calling import Call, is_asgi
from hookguard.work.wsgi import call_wsgi

BODY = b'{"id": "evt_1"}'
CALL = Call(
    "POST",
    "/shop%20one/h%C3%B6oks/a%2Fb?x=1&y=%20",
    "shop.example:8443",
    Headers([("content-type", "application/json"), ("x-two", "a"), ("x-two", "b"), ("x_two", "smuggled")]),
    BODY,
    remote="192.0.2.7",
    root="/shop one",
    extra={"hookguard.worker": "mark"},
)


class Plain:
    """A WSGI application that notes what it was called with."""

    def __init__(self, status="204 No Content", chunks=(), error=None):
        self.status, self.chunks, self.error = status, chunks, error
        self.closed = 0

    def __call__(self, environ, start_response):
        self.environ = environ
        self.body = environ["wsgi.input"].read()
        start_response(self.status, [("Retry-After", "120")])
        if self.error is not None:
            raise self.error
        return self

    def __iter__(self):
        return iter(self.chunks)

    def close(self):
        self.closed += 1


def test_wsgi_application_gets_the_environ_that_a_server_would_make():
    app = Plain()
    answer = call_wsgi(app, CALL)
    assert (answer.status, answer.headers["retry-after"], answer.error, app.closed) == (204, "120", None, 1)
    assert app.body == BODY
    expected = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "/shop one",
        "PATH_INFO": "/höoks/a/b".encode().decode("latin-1"),
        "QUERY_STRING": "x=1&y=%20",
        "RAW_URI": CALL.target,
        "HTTP_HOST": "shop.example:8443",
        "SERVER_NAME": "shop.example",
        "SERVER_PORT": "8443",
        "REMOTE_ADDR": "192.0.2.7",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(BODY)),
        "HTTP_X_TWO": "a,b",
        "wsgi.url_scheme": "https",
        "hookguard.worker": "mark",
    }
    assert {name: app.environ[name] for name in expected} == expected


def test_wsgi_call_passes_the_validator_of_the_standard_library():
    def app(environ, start_response):
        environ["wsgi.input"].read(10)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"done"]

    call = Call("POST", "/hooks", "shop.example", Headers({"content-type": "text/plain"}), BODY, scheme="http")
    answer = call_wsgi(validator(app), call)
    assert (answer.status, answer.error) == (200, None)


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
def test_wsgi_application_that_raises_is_an_answer(error):
    app = Plain(error=error)
    assert call_wsgi(app, CALL).error is error


def test_wsgi_response_is_read_to_its_end_and_closed_after_an_error_in_it():
    read = []

    def chunks():
        read.append(1)
        yield b"x"
        raise RuntimeError("late")

    app = Plain(chunks=chunks())
    answer = call_wsgi(app, CALL)
    assert read == [1]
    assert (answer.status, str(answer.error), app.closed) == (204, "late", 1)


def test_second_start_response_replaces_the_first():
    def app(environ, start_response):
        start_response("200 OK", [])
        try:
            raise ValueError
        except ValueError:
            start_response("500 Internal Server Error", [], sys.exc_info())
        return [b""]

    assert call_wsgi(app, CALL).status == 500


def test_application_that_answers_nothing_has_no_status():
    assert call_wsgi(lambda environ, start_response: [], CALL).status is None

    async def app(scope, receive, send):
        pass

    assert asyncio.run(call_asgi(app, CALL)).status is None


def test_target_in_absolute_form_has_the_same_path():
    call = CALL._replace(target="http://shop.example/hooks?x=1", root="")
    assert (call.raw_path, call.query) == ("/hooks", "x=1")


def test_root_that_the_path_does_not_begin_with_is_left_alone():
    app = Plain()
    call_wsgi(app, CALL._replace(target="/shop%20onehooks"))
    assert app.environ["PATH_INFO"] == "/shop onehooks"


def test_asgi_application_gets_the_scope_that_a_server_would_make():
    came = {}

    async def app(scope, receive, send):
        came.update(scope)
        came["first"] = await receive()
        scope["state"]["db"] = "replaced"
        await send({"type": "http.response.start", "status": 204, "headers": [(b"retry-after", b"120")]})
        await send({"type": "http.response.body"})
        came["then"] = await receive()

    state = {"db": "pool"}
    answer = asyncio.run(call_asgi(app, CALL, state))
    assert (answer.status, answer.headers["retry-after"], answer.error) == (204, "120", None)
    assert state == {"db": "pool"}
    assert came["first"] == {"type": "http.request", "body": BODY, "more_body": False}
    assert came["then"] == {"type": "http.disconnect"}
    expected = {
        "type": "http",
        "method": "POST",
        "scheme": "https",
        "path": "/shop one/höoks/a/b",
        "raw_path": b"/shop%20one/h%C3%B6oks/a%2Fb",
        "query_string": b"x=1&y=%20",
        "root_path": "/shop one",
        "client": ("192.0.2.7", 0),
        "server": ("shop.example", 8443),
        "hookguard.worker": "mark",
    }
    assert {name: came[name] for name in expected} == expected
    headers = sorted(came["headers"])
    assert (b"host", b"shop.example:8443") in headers
    assert (b"content-length", str(len(BODY)).encode()) in headers
    assert [value for name, value in headers if name == b"x-two"] == [b"a", b"b"]


def test_sender_stays_connected_until_the_asgi_response_is_whole():
    heard = []

    async def app(scope, receive, send):
        await receive()
        listening = asyncio.create_task(receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await asyncio.sleep(0)
        heard.append(listening.done())
        await send({"type": "http.response.body", "body": b"b"})
        heard.append((await listening)["type"])

    assert asyncio.run(call_asgi(app, CALL)).status == 200
    assert heard == [False, "http.disconnect"]


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
def test_asgi_application_that_raises_after_its_response_is_both(error):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 500, "headers": []})
        raise error

    answer = asyncio.run(call_asgi(app, CALL))
    assert (answer.status, answer.error) == (500, error)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 does not say who cancelled a task")
def test_asgi_application_that_raises_a_cancellation_of_its_own_has_failed():
    async def app(scope, receive, send):
        raise asyncio.CancelledError

    assert isinstance(asyncio.run(call_asgi(app, CALL)).error, asyncio.CancelledError)


def test_cancelled_asgi_call_is_cancelled():
    async def app(scope, receive, send):
        await asyncio.sleep(60)

    async def main():
        task = asyncio.create_task(call_asgi(app, CALL))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def living(events, *, fail=None):
    async def app(scope, receive, send):
        events.append((await receive())["type"])
        scope["state"]["db"] = "pool"
        if fail == "startup":
            await send({"type": "lifespan.startup.failed", "message": "the database is down"})
            return
        await send({"type": "lifespan.startup.complete"})
        events.append((await receive())["type"])
        await send({"type": f"lifespan.shutdown.{'failed' if fail == 'shutdown' else 'complete'}", "message": "a lock"})

    return app


def test_lifespan_runs_around_the_work_and_brings_its_state():
    events = []

    async def main():
        async with lifespan(living(events)) as state:
            events.append(dict(state))

    asyncio.run(main())
    assert events == ["lifespan.startup", {"db": "pool"}, "lifespan.shutdown"]


def test_application_that_fails_to_start_keeps_the_worker_from_starting():
    async def main():
        async with lifespan(living([], fail="startup")):
            raise AssertionError("it started")

    with pytest.raises(ConfigurationError, match="the application did not start: the database is down"):
        asyncio.run(main())


def test_application_that_fails_to_shut_down_is_logged(caplog):
    async def main():
        async with lifespan(living([], fail="shutdown")):
            pass

    asyncio.run(main())
    assert "did not shut down cleanly: a lock" in caplog.text


def test_application_without_a_lifespan_is_used_as_it_is():
    async def app(scope, receive, send):
        assert scope["type"] == "http"

    async def main():
        async with lifespan(app) as state:
            return state

    assert asyncio.run(main()) == {}


def test_wsgi_and_asgi_applications_are_distinguished():
    async def function(scope, receive, send):
        pass

    class Asgi:
        async def __call__(self, scope, receive, send):
            pass

    assert is_asgi(function)
    assert is_asgi(Asgi())
    assert not is_asgi(Plain())
    assert not is_asgi(lambda environ, start_response: [])
    for wrong in (None, "main:app", Asgi):
        with pytest.raises(ConfigurationError, match="name a WSGI or ASGI application"):
            is_asgi(wrong)


def test_shown_call_hides_its_body_and_headers():
    shown = repr(CALL._replace(headers=Headers({"x-secret": "canary"}), body=b"canary"))
    assert "canary" not in shown
