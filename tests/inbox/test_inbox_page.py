"""The page on the inbox: each block as it is printed, and its tables beside the code."""

import dataclasses
import re

import pytest
from pages import ROOT, blocks

from hookguard import InBody, SQLiteStore
from hookguard.config import Settings
from hookguard.inbox.settings import InboxSettings

PAGE = blocks("docs/inbox.md")
TEXT = (ROOT / "docs" / "inbox.md").read_text("utf-8")
SECRET = "a-secret-that-is-long-enough"


@pytest.mark.runs("docs/inbox.md", "Turning it on")
def test_the_word_for_flask():
    flask = pytest.importorskip("flask")
    app = flask.Flask("shop")
    PAGE["Turning it on"].run({"app": app, "SECRET": SECRET})
    from hookguard_flask import HookGuard
    from hookguard_flask.guards import guards_of

    HookGuard(app)
    assert guards_of(app).endpoint("github").inbox == InboxSettings()


@pytest.mark.runs("docs/inbox.md", "Turning it on 2")
def test_the_word_for_django(tmp_path):
    given = PAGE["Turning it on 2"].run({"SECRET": SECRET})["HOOKGUARD"]
    settings = Settings(given | {"STORE": SQLiteStore(tmp_path / "hooks.sqlite3")}, where="HOOKGUARD", default_store=SQLiteStore)
    assert settings.endpoint("github").inbox == InboxSettings()
    settings.store.close()


@pytest.mark.runs("docs/inbox.md", "Turning it on 3")
def test_the_word_for_asgi(tmp_path, monkeypatch):
    pytest.importorskip("anyio")
    from hookguard_starlette import HookGuard

    monkeypatch.chdir(tmp_path)
    hooks = PAGE["Turning it on 3"].run({"HookGuard": HookGuard, "SECRET": SECRET})["hooks"]
    assert hooks.guard_for("github").endpoint.inbox == InboxSettings()
    hooks.guard_for("github").store.close()


@pytest.mark.runs("docs/inbox.md", "Settings")
def test_the_mapping_of_settings():
    given = {"endpoints": PAGE["Settings"].run({"SECRET": SECRET})["ENDPOINTS"]}
    settings = Settings(given, where="HOOKGUARD", default_store=SQLiteStore)
    expected = InboxSettings(tries=10, keep=604_800.0, order_by=InBody("data.object.customer"), keep_headers=("x-request-id",))
    assert settings.endpoint("stripe").inbox == expected


def test_the_table_has_every_setting_with_its_default():
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d,]+|none) \|", TEXT, re.MULTILINE))
    known = {field.name: field.default for field in dataclasses.fields(InboxSettings)}
    assert set(rows) == set(known)
    for name, printed in rows.items():
        assert known[name] in (None, ()) if printed == "none" else known[name] == float(printed.replace(",", "")), name
