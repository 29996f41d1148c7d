"""An error report of the plugins' frames holds no body and no secret."""

import asyncio

import pytest
from error_reports import report

from hookguard import ConfigurationError, presets

SECRET = "whsec_a-secret-that-is-long-enough"
WRONG = {"stripe": {"secrets": [SECRET]}, "github": {"secrets": ["short"]}}


def signed():
    """A delivery that is fresh when it is sent, however long the tests before it took."""
    return presets.STRIPE.sign(b'{"id":"evt_1","card":"4242-SECRET-BODY"}', SECRET)


def test_flask_shows_no_body_when_a_view_raises():
    flask = pytest.importorskip("flask")
    from hookguard_flask import HookGuard

    app = flask.Flask(__name__)
    app.config.update(HOOKGUARD={"endpoints": {"stripe": {"secrets": [SECRET]}}, "store": "memory://"}, PROPAGATE_EXCEPTIONS=True)
    hooks = HookGuard(app)

    @app.post("/h")
    @hooks.guard("stripe")
    def view():
        raise RuntimeError("the view fails")

    with pytest.raises(RuntimeError) as raised:
        delivery = signed()
        app.test_client().post("/h", data=delivery.body, headers=delivery.headers)
    assert "4242" not in report(raised.value)
    assert SECRET not in report(raised.value)


def test_flask_shows_no_secret_when_an_application_does_not_start():
    flask = pytest.importorskip("flask")
    from hookguard_flask import HookGuard

    app = flask.Flask(__name__)
    app.config["HOOKGUARD"] = {"endpoints": WRONG}
    with pytest.raises(ConfigurationError) as raised:
        HookGuard(app)
    assert SECRET not in report(raised.value)


def test_starlette_shows_no_secret_when_an_application_does_not_start():
    pytest.importorskip("starlette")
    from hookguard_starlette import HookGuard

    with pytest.raises(ConfigurationError) as raised:
        HookGuard(WRONG, store="memory://")
    assert SECRET not in report(raised.value)


def test_asgi_shows_no_body_when_an_application_raises():
    pytest.importorskip("starlette")
    from hookguard_starlette import HookGuard

    async def fails(scope, receive, send):
        await receive()
        raise RuntimeError("the application fails")

    app = HookGuard({"stripe": {"secrets": [SECRET]}}, store="memory://").wrap(fails, "stripe")
    delivery = signed()
    headers = [(name.encode(), value.encode()) for name, value in delivery.headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": headers, "client": None}

    async def receive():
        return {"type": "http.request", "body": delivery.body}

    async def send(message):
        pass

    with pytest.raises(RuntimeError) as raised:
        asyncio.run(app({**scope, "scheme": "https"}, receive, send))
    assert "4242" not in report(raised.value)
    assert SECRET not in report(raised.value)
