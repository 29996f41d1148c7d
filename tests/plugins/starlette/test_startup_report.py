"""The doctor's report in the log when an ASGI application starts: on a real server too, and quiet on a sound application."""

import asyncio
import logging
import secrets

import pytest

for _name in ("fastapi", "uvicorn"):
    pytest.importorskip(_name, reason="the applications of these tests are FastAPI's")

from fastapi import Depends, FastAPI
from running import free_port, serving

from hookguard_starlette import HookGuard


def secret():
    return secrets.token_urlsafe(24)


def application(folder, *routes, same=False, **shared):
    """A FastAPI app with two endpoints, and routes for those that are named."""
    first, second = secret(), secret()
    endpoints = {"github": {"secrets": [first]}, "stripe": {"secrets": [first if same else second]}}
    hooks = HookGuard(endpoints, store=f"sqlite:///{folder}/claims.sqlite3", **shared)
    app = FastAPI()
    for name in routes:
        app.add_api_route(f"/hooks/{name}", lambda: None, methods=["POST"], dependencies=[Depends(hooks.event(name))])
    return app, hooks


def started(app, caplog):
    """The checks that are reported when the server starts, and those messages."""

    async def start():
        asked, sent = iter(["lifespan.startup", "lifespan.shutdown"]), []

        async def receive():
            return {"type": next(asked)}

        async def send(message):
            sent.append(message["type"])

        await app({"type": "lifespan", "state": {}}, receive, send)
        return sent

    caplog.set_level(logging.INFO)
    assert asyncio.run(start())[0] == "lifespan.startup.complete"
    return [(record.check, record) for record in caplog.records if record.name == "hookguard.doctor"]


def test_sound_application_starts_without_a_report(tmp_path, caplog):
    app, hooks = application(tmp_path, "github", "stripe")
    app.add_middleware(hooks.Middleware)
    assert started(app, caplog) == []


def test_problems_of_settings_and_routes_are_logged_with_their_fix(tmp_path, caplog):
    app, hooks = application(tmp_path, "github", same=True)
    app.add_middleware(hooks.Middleware)
    found = started(app, caplog)
    assert [check for check, _ in found] == ["S4", "U3"]
    assert all(record.levelno == logging.WARNING for _, record in found)
    assert found[1][1].getMessage() == (
        "U3: no route leads to endpoint 'stripe'. Guard a view with it, or remove it from the settings."
    )


def test_silenced_checks_and_those_for_reading_are_not_logged(tmp_path, caplog):
    app, hooks = application(
        tmp_path, "github", same=True, silenced_checks={"S4": "one account", "U3": "the route comes next week"}, autopsy=False
    )
    app.add_middleware(hooks.Middleware)
    assert started(app, caplog) == []


def test_outer_guard_is_part_of_the_application(tmp_path, caplog):
    app, hooks = application(tmp_path)
    for name in ("github", "stripe"):
        app.add_api_route(f"/hooks/{name}", lambda: None, methods=["POST"])
    wrapped = hooks.wrap(app, paths={"/hooks/github": "github", "/hooks/stripe": "stripe"})
    assert started(wrapped, caplog) == []


def test_two_middleware_report_once(tmp_path, caplog):
    app, hooks = application(tmp_path, "github")
    app.add_middleware(hooks.Middleware)
    app.add_middleware(hooks.Middleware)
    assert [check for check, _ in started(app, caplog)] == ["U3"]


def test_check_that_raises_does_not_stop_the_start(tmp_path, caplog, monkeypatch):
    def broken(*_):
        raise RuntimeError("quotes the-secret")

    monkeypatch.setattr("hookguard_starlette.startup.describe", broken)
    app, hooks = application(tmp_path, "github")
    app.add_middleware(hooks.Middleware)
    caplog.set_level(logging.INFO)

    async def start():
        asked = iter(["lifespan.startup", "lifespan.shutdown"])

        async def receive():
            return {"type": next(asked)}

        async def send(message):
            assert message["type"] != "lifespan.startup.failed"

        await app({"type": "lifespan", "state": {}}, receive, send)

    asyncio.run(start())
    assert "the doctor could not examine the application: RuntimeError" in caplog.text
    assert "the-secret" not in caplog.text


APP = """
import logging
from fastapi import Depends, FastAPI
from hookguard_starlette import HookGuard

logging.basicConfig(level=logging.INFO)
hooks = HookGuard({"github": {"secrets": ["GITHUB"]}, "stripe": {"secrets": ["STRIPE"]}}, store="sqlite:///claims.sqlite3")
app = FastAPI()
app.add_middleware(hooks.Middleware)
app.add_api_route("/hooks/github", lambda: None, methods=["POST"], dependencies=[Depends(hooks.event("github"))])
"""


def test_report_is_in_the_log_of_a_real_server(tmp_path):
    first, second = secret(), secret()
    (tmp_path / "main.py").write_text(APP.replace("GITHUB", first).replace("STRIPE", second))
    port = free_port()
    with serving(tmp_path, ["-m", "uvicorn", "main:app", "--port", str(port)], port, {}) as (_, printed):
        pass
    output = "".join(printed)
    assert output.count("WARNING:hookguard.doctor:U3: no route leads to endpoint 'stripe'") == 1, output
    assert first not in output
    assert second not in output
