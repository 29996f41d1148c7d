"""The page of the manual, run from top to bottom."""

import os
import re
import subprocess
import sys
import threading
import types
import urllib.error
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("litestar")
pytest.importorskip("quart")
pytest.importorskip("httpx")
pytest.importorskip("redis")

from starlette_deliveries import SECRET, github, post, stripe

from hookguard import MemoryStore, presets

PAGE = (Path(__file__).parents[3] / "docs" / "starlette.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)

# Starlette's test client would rather have another HTTP client than the one most have.
pytestmark = pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient`")


@pytest.fixture
def page(monkeypatch):
    """The names the page's code defines, in the order in which it stands there, and the app of each framework."""
    monkeypatch.setenv("STRIPE_SECRET", SECRET)
    monkeypatch.setenv("GITHUB_SECRET", SECRET)
    monkeypatch.setattr("hookguard_starlette.extension.SQLiteStore", lambda path: MemoryStore())
    module = types.ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)  # where frameworks look a handler's annotations up
    module.apps = {}
    for block in BLOCKS:
        exec(compile(block, "docs/starlette.md", "exec"), module.__dict__)
        if "app" in module.__dict__:
            module.apps[type(module.app).__name__] = module.app
    return module


def test_the_first_app_handles_and_refuses(page, capsys):
    app = page.apps["FastAPI"]
    paid = stripe("evt_1", data={"object": {"id": "in_1"}})
    assert [post(app, paid, "/hooks/stripe").status_code for _ in range(2)] == [204, 200]
    assert capsys.readouterr().out == "ship it: in_1\n"
    refused = post(app, paid._replace(body=b"{}"), "/hooks/stripe")
    assert (refused.status_code, refused.headers["content-type"]) == (401, "application/problem+json")
    assert post(app, stripe("evt_2"), "/hooks/stripe").status_code == 500


def test_typed_bodies_of_the_page(page):
    app = page.apps["FastAPI"]
    json = {"Content-Type": "application/json"}
    assert post(app, stripe("evt_1", amount=7), "/hooks/billing", headers=json).json() == {"seen": "evt_1", "amount": 7}
    assert post(app, stripe("evt_2"), "/hooks/billing", headers=json).status_code == 422
    assert post(app, stripe("evt_3", amount=7)._replace(headers={}), "/hooks/billing", headers=json).status_code == 401


@pytest.mark.parametrize(("framework", "status"), [("Starlette", 204), ("Litestar", 201), ("Quart", 204)])
def test_the_other_frameworks_of_the_page(page, framework, status, capsys):
    app = page.apps[framework]
    assert post(app, github(b"{}", "d-1")._replace(headers={}), "/hooks/github").status_code == 401
    assert capsys.readouterr().out == ""
    delivery = github(b'{"a": 1}', "d-1")
    assert post(app, delivery, "/hooks/github").status_code == status
    assert re.fullmatch(r"pushed.*: d-1\n", capsys.readouterr().out)


def test_the_path_of_the_page_is_guarded(page):
    assert post(page.apps["Starlette"], github(b"{}", "d-1")._replace(headers={}), "/hooks/other").status_code == 401
    assert post(page.apps["Starlette"], github(b"{}", "d-1"), "/hooks/other").status_code == 404


def test_the_test_of_the_page_passes(page):
    page.test_an_invoice_is_shipped()


def test_the_first_block_is_a_main_py_that_uvicorn_runs(tmp_path):
    pytest.importorskip("uvicorn")
    (tmp_path / "main.py").write_text(BLOCKS[0])
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "main:app", "--port", "0", "--no-use-colors"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "STRIPE_SECRET": SECRET},
    )
    killer = threading.Timer(60, process.kill)
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
            except urllib.error.HTTPError as refused:
                answers.append(refused.code)
                refused.close()
        assert answers == [401, 204, 200]
    finally:
        process.terminate()
        process.communicate(timeout=30)
        killer.cancel()
    assert (tmp_path / "hookguard.sqlite3").exists()


def test_the_table_names_what_the_settings_are():
    from hookguard.config import _SHARED, _TOP

    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", PAGE, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == _TOP | _SHARED
