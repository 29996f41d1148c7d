"""The page of the manual, run from top to bottom."""

import asyncio
import logging
import os
import re
import subprocess
import sys
import threading
import types
import urllib.error
import urllib.request

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("litestar")
pytest.importorskip("quart")
httpx = pytest.importorskip("httpx")
pytest.importorskip("aiosqlite")
pytest.importorskip("redis")

from pages import ROOT, blocks
from starlette_deliveries import SECRET, github, post, stripe

from hookguard import presets

PAGE = blocks("docs/starlette.md")
TEXT = (ROOT / "docs" / "starlette.md").read_text("utf-8")
FIRST = "Starlette, FastAPI, Litestar, Quart"

# Starlette's test client would rather have another HTTP client than the one most have.
pytestmark = pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient`")


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run blocks of the page as one module, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIPE_SECRET", SECRET)
    monkeypatch.setenv("GITHUB_SECRET", SECRET)
    module = types.ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)  # where frameworks look a handler's annotations up

    def run(*names):
        for name in names:
            PAGE[name].run(module.__dict__)
        return module

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield run
    # Litestar configures the root logger.
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.runs("docs/starlette.md", "Starlette, FastAPI, Litestar, Quart")
def test_the_first_app_handles_and_rejects(run, capsys, tmp_path):
    app = run(FIRST).app
    paid = stripe("evt_1", data={"object": {"id": "in_1"}})
    assert [post(app, paid, "/hooks/stripe").status_code for _ in range(2)] == [204, 200]
    assert capsys.readouterr().out == "ship it: in_1\n"
    rejected = post(app, paid._replace(body=b"{}"), "/hooks/stripe")
    assert (rejected.status_code, rejected.headers["content-type"]) == (401, "application/problem+json")
    assert post(app, stripe("evt_2"), "/hooks/stripe").status_code == 500
    assert (tmp_path / "hookguard.sqlite3").exists()


@pytest.mark.runs("docs/starlette.md", "slack.py")
def test_the_slack_app_of_the_page_takes_events_commands_and_the_challenge(run, monkeypatch, capsys):
    monkeypatch.setenv("SLACK_SIGNING_SECRET", SECRET)
    app = run("slack.py").app

    def answer(body):
        return post(app, presets.SLACK.sign(body, SECRET), "/hooks/slack")

    mention = b'{"type": "event_callback", "event_id": "Ev1", "event": {"type": "app_mention", "user": "U1"}}'
    assert [answer(mention).status_code for _ in range(2)] == [200, 200]
    assert capsys.readouterr().out == "mentioned by U1\n"
    command = answer(b"command=%2Fweather&text=Lisbon&trigger_id=1")
    assert (command.status_code, command.json()) == (200, {"text": "Sunny in Lisbon."})
    button = answer(b"payload=%7B%22type%22%3A%22block_actions%22%2C%22trigger_id%22%3A%222%22%7D")
    assert (button.status_code, button.text) == (200, "")
    assert "abc" in answer(b'{"type": "url_verification", "challenge": "abc"}').text
    assert post(app, presets.SLACK.sign(mention, SECRET)._replace(body=b"{}"), "/hooks/slack").status_code == 401


@pytest.mark.runs("docs/starlette.md", "billing.py")
def test_typed_bodies_of_the_page(run):
    app = run("billing.py").app
    invoice = {"object": {"id": "in_1", "amount_paid": 7}}
    assert post(app, stripe("evt_1", data=invoice), "/hooks/billing").json() == {"seen": "evt_1", "paid": 7}
    assert post(app, stripe("evt_2"), "/hooks/billing").status_code == 422
    assert post(app, stripe("evt_3", type="unheard.of"), "/hooks/billing").json() == {"seen": "evt_3", "paid": 0}
    assert post(app, stripe("evt_4", data=invoice)._replace(headers={}), "/hooks/billing").status_code == 401
    # "… and shows the same security scheme"
    document = app.openapi()
    scheme = document["components"]["securitySchemes"]["stripe signature"]
    assert (scheme["in"], scheme["name"].lower()) == ("header", "stripe-signature")
    assert document["paths"]["/hooks/billing"]["post"]["security"] == [{"stripe signature": []}]


@pytest.mark.parametrize(
    ("name", "status"),
    [
        pytest.param("Starlette", 204, marks=pytest.mark.runs("docs/starlette.md", "Starlette")),
        pytest.param("Litestar", 201, marks=pytest.mark.runs("docs/starlette.md", "Litestar")),
        pytest.param(
            "Quart, and any ASGI application",
            204,
            marks=pytest.mark.runs("docs/starlette.md", "Quart, and any ASGI application"),
        ),
    ],
)
def test_the_other_frameworks_of_the_page(run, name, status, capsys):
    app = run(name).app
    delivery = github(b'{"a": 1}', "d-1")
    assert post(app, delivery._replace(headers={}), "/hooks/github").status_code == 401
    assert capsys.readouterr().out == ""
    assert [post(app, delivery, "/hooks/github").status_code for _ in range(2)] == [status, 200]
    assert re.fullmatch(r"pushed.*: d-1\n", capsys.readouterr().out)


@pytest.mark.runs("docs/starlette.md", "Starlette", "Starlette 2")
def test_the_path_of_the_page_is_guarded(run):
    app = run("Starlette", "Starlette 2").app
    assert post(app, github(b"{}", "d-1")._replace(headers={}), "/hooks/other").status_code == 401
    assert post(app, github(b"{}", "d-1"), "/hooks/other").status_code == 404


@pytest.mark.runs("docs/starlette.md", "A secret for each tenant")
def test_the_tenants_of_the_page_have_a_secret_each(run):
    page = run("A secret for each tenant")

    async def answers():
        async with page.engine.begin() as connection:
            await connection.run_sync(page.Base.metadata.create_all)
        async with page.sessions.begin() as session:
            session.add_all([page.Shop(slug="acme", webhook_secret=SECRET), page.Shop(slug="other", webhook_secret=SECRET[::-1])])
        delivery = github(b"{}", "d-1")
        found = []
        async with httpx.AsyncClient(transport=httpx.ASGITransport(page.app), base_url="http://shop") as client:
            for slug in ("acme", "other", "nobody"):
                answer = await client.post(f"/hooks/github/{slug}", content=delivery.body, headers=delivery.headers)
                found.append((answer.status_code, answer.text if answer.status_code == 200 else ""))
        await page.engine.dispose()
        return found

    assert asyncio.run(answers()) == [(200, "acme"), (401, ""), (401, "")]


@pytest.mark.runs("docs/starlette.md", "Starting and stopping")
def test_the_awaited_store_of_the_page_is_taken(run):
    page = run("Starting and stopping")
    assert page.hooks.guard_for("github").store is page.claims


@pytest.mark.runs("docs/starlette.md", "test_shop.py")
def test_the_test_of_the_page_passes(run):
    run("test_shop.py").test_an_invoice_is_shipped()


@pytest.mark.runs("docs/starlette.md", "Starlette, FastAPI, Litestar, Quart")
def test_the_first_block_is_a_main_py_that_uvicorn_runs(tmp_path):
    pytest.importorskip("uvicorn")
    PAGE[FIRST].write(tmp_path, "main.py")
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "main:app", "--port", "0", "--no-use-colors"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "STRIPE_SECRET": SECRET},
    )
    killer = threading.Timer(300, process.kill)
    killer.start()
    try:
        printed = ""
        while (found := re.search(r"running on (http://127\.0\.0\.1:\d+)", printed)) is None:
            line = process.stderr.readline()
            assert line, printed
            printed += line
        body = b'{"id": "evt_1", "type": "other"}'
        answers = []
        for secret in ("another-secret-of-twenty", SECRET, SECRET):
            headers = dict(presets.STRIPE.sign(body, secret).headers.items()) | {"Content-Type": "application/json"}
            try:
                with urllib.request.urlopen(urllib.request.Request(f"{found[1]}/hooks/stripe", body, headers)) as answer:
                    answers.append(answer.status)
            except urllib.error.HTTPError as rejected:
                answers.append(rejected.code)
                rejected.close()
        assert answers == [401, 204, 200]
    finally:
        process.terminate()
        process.communicate(timeout=30)
        killer.cancel()
    assert (tmp_path / "hookguard.sqlite3").exists()


def test_the_table_names_what_the_settings_are():
    from hookguard.config import _SHARED, _TOP

    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", TEXT, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == _TOP | _SHARED
