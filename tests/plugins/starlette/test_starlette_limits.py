"""Limits of the frameworks behind the guard: if they are under an endpoint's, the start logs it."""

import pytest

pytest.importorskip("starlette")
pytest.importorskip("httpx")

from starlette_deliveries import SECRET, make_hooks


def said(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "hookguard.limits"]


def hooks_of(name, **settings):
    return make_hooks(endpoints={name: {"secrets": [SECRET], **settings}})


def test_start_says_nothing_of_forms_that_github_may_send(caplog):
    hooks_of("github").guard_for("github")  # event.json() reads them whole, whatever request.form() takes
    assert said(caplog) == []


def test_start_says_that_quart_takes_less_than_the_provider_sends(caplog):
    quart = pytest.importorskip("quart")
    app = quart.Quart("shop")
    hooks = hooks_of("stripe", max_body=20_000_000)
    hooks.wrap(app.asgi_app, paths={"/hook": "stripe"})
    (sentence,) = said(caplog)
    assert "accepts bodies of 20000000 bytes, and MAX_CONTENT_LENGTH only 16777216" in sentence
    caplog.clear()
    app.config["MAX_CONTENT_LENGTH"] = 20_000_000
    hooks.wrap(app.asgi_app, "stripe")
    assert said(caplog) == []
