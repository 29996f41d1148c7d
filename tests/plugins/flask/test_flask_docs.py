"""The page of the manual, run from top to bottom."""

import re
import types
from pathlib import Path

import pytest
from flask_deliveries import post, stripe

from hookguard import MemoryStore, presets
from hookguard_flask import signals

PAGE = (Path(__file__).parents[3] / "docs" / "flask.md").read_text("utf-8")
SECRET = "a-secret-that-is-long-enough"


@pytest.fixture
def page(monkeypatch, tmp_path):
    """The names the page's code defines, in the order in which it stands there."""
    monkeypatch.setenv("STRIPE_SECRET", SECRET)
    monkeypatch.setattr("hookguard_flask.guards.SQLiteStore", lambda path: MemoryStore())
    monkeypatch.setattr("flask.Flask.auto_find_instance_path", lambda app: str(tmp_path))
    module = types.ModuleType("page")
    module.first = {}
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)):
        exec(compile(block, "docs/flask.md", "exec"), module.__dict__)
        if number == 0:
            module.first = {"app": module.app}
    return module


def test_the_first_app_handles_refuses_and_tells(page, capsys, caplog):
    client = page.first["app"].test_client()
    paid = stripe("evt_1", data={"object": {"id": "in_1"}})
    assert [post(client, paid, "/hooks/stripe").status_code for _ in range(2)] == [204, 200]
    assert capsys.readouterr().out == "ship it: in_1\n"
    assert post(client, paid._replace(body=b"{}"), "/hooks/stripe").content_type == "application/problem+json"
    assert post(client, stripe("evt_2"), "/hooks/stripe").status_code == 500
    assert "stripe evt_2 failed" in caplog.text


def test_the_test_of_the_page_passes(page):
    page.test_an_invoice_is_shipped()


def test_a_class_of_the_page_is_guarded(page):
    app = page.Flask("another")
    app.config["HOOKGUARD_ENDPOINTS"] = {"github": {"secrets": [SECRET]}}
    page.hooks.init_app(app)
    app.add_url_rule("/hook", view_func=page.Repository.as_view("repository"))
    assert app.test_client().post("/hook").status_code == 401
    assert post(app.test_client(), presets.GITHUB.sign(b"{}", SECRET, id="d-1")).status_code == 204


def test_the_tables_name_what_there_is():
    assert set(re.findall(r"^\| `(webhook_\w+)`", PAGE, re.MULTILINE)) == {
        name for name in signals.__all__ if name.startswith("webhook_")
    }
