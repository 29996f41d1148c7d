"""The page of the manual: its files, put where it says, run."""

import importlib
import logging
import re
import sys

import pytest
from flask_deliveries import post, stripe
from pages import ROOT, blocks, shell
from running import free_port, serving
from running import post as send

from hookguard import presets
from hookguard_flask import HookGuard, signals

PAGE = blocks("docs/flask.md")
TEXT = (ROOT / "docs" / "flask.md").read_text("utf-8")
SECRET = "a-secret-that-is-long-enough"


def modules(*names):
    return [name for name in sys.modules if name.partition(".")[0] in names]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder from which modules are imported, and forgotten at the end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in modules("app", "shop", "shopfront", "tenants", "test_billing"):
        del sys.modules[name]


@pytest.mark.runs("docs/flask.md", "Flask", "Error handlers", "Signals")
def test_the_first_app_handles_rejects_and_logs(place, monkeypatch, capsys, caplog):
    monkeypatch.setenv("STRIPE_SECRET", SECRET)
    (place / "app.py").write_text("\n".join(PAGE[name].printed() for name in ("Flask", "Error handlers", "Signals")))
    client = importlib.import_module("app").app.test_client()
    paid = stripe("evt_1", data={"object": {"id": "in_1"}})
    assert [post(client, paid, "/hooks/stripe").status_code for _ in range(2)] == [204, 200]
    assert capsys.readouterr().out == "ship it: in_1\n"
    assert post(client, paid._replace(body=b"{}"), "/hooks/stripe").content_type == "application/problem+json"
    assert post(client, stripe("evt_2"), "/hooks/stripe").status_code == 500
    assert "stripe evt_2 failed" in caplog.text
    assert (place / "instance" / "hookguard.sqlite3").exists()


@pytest.fixture
def shopfront(place):
    for name in PAGE:
        if name.startswith("shopfront/"):
            PAGE[name].write(place)
    return place


FACTORY = pytest.mark.runs("docs/flask.md", "shopfront/hooks.py", "shopfront/billing.py", "shopfront/__init__.py")


@FACTORY
@pytest.mark.runs("docs/flask.md", "test_billing.py")
def test_the_test_of_the_page_passes(shopfront):
    PAGE["test_billing.py"].write(shopfront)
    importlib.import_module("test_billing").test_an_invoice_is_seen()


@FACTORY
@pytest.mark.runs("docs/flask.md", "Application factories, blueprints, classes")
def test_the_factory_is_configured_by_the_environment(shopfront):
    *exports, command = PAGE["Application factories, blueprints, classes"].printed().splitlines()
    secrets = dict(line.removeprefix("export ").split("=") for line in exports)
    port = free_port()
    push = presets.GITHUB.sign(b"{}", "a-secret-of-your-own-choosing", id="d-1")
    paid = presets.STRIPE.sign(b'{"id": "evt_1"}', "whsec_shown-in-the-dashboard")
    with serving(shopfront, ["-m", *command.split(), "--port", str(port)], port, secrets) as (url, _):
        assert [send(f"{url}/hooks/github", push) for _ in range(2)] == [204, 200]
        assert send(f"{url}/hooks/github", push._replace(body=b"[]")) == 401
        assert send(f"{url}/hooks/billing", paid) == 200


def test_the_tables_name_what_there_is():
    assert set(re.findall(r"^\| `(webhook_\w+)`", TEXT, re.MULTILINE)) == {
        name for name in signals.__all__ if name.startswith("webhook_")
    }


@pytest.fixture
def shop(place):
    """The page's files in a folder of their own, imported."""
    pytest.importorskip("flask_migrate")
    for name in ("shop.py", "tenants.py"):
        PAGE[name].write(place)
    return importlib.import_module("shop")


SHOP = pytest.mark.runs("docs/flask.md", "shop.py", "tenants.py")


@SHOP
def test_migrations_of_the_page_start_from_an_empty_database(shop, place, caplog):
    app = shop.create_app()
    assert "has no table, so deliveries get 503 until it is there" in caplog.text
    for command in ("init", "migrate", "upgrade"):
        assert f"`db {command}`" in TEXT or f"db {command}`" in TEXT
        done = shell(f"flask --app shop db {command}", place)
        assert done.returncode == 0, done.stdout
    with app.app_context():
        shop.db.session.add(shop.Shop(slug="acme", webhook_secret=SECRET))
        shop.db.session.commit()
    push = presets.GITHUB.sign(b'{"ref": "main"}', SECRET, id="d-1", type="push")
    client = app.test_client()
    assert [post(client, push, f"/hooks/github/{slug}").status_code for slug in ("acme", "acme", "other")] == [204, 200, 401]
    with app.app_context():
        assert [(found.shop, found.ref) for found in shop.db.session.scalars(shop.db.select(shop.Push))] == [("acme", "main")]
        shop.db.session.remove()  # else its connection is open, and `dispose` leaves it so
        shop.db.engine.dispose()


@SHOP
def test_the_application_answers_503_until_its_table_is_there(shop):
    app = shop.create_app()
    client = app.test_client()
    push = presets.GITHUB.sign(b'{"ref": "main"}', SECRET, id="d-1", type="push")
    with app.app_context():
        shop.Shop.__table__.create(shop.db.engine)
        shop.Push.__table__.create(shop.db.engine)
        shop.db.session.add(shop.Shop(slug="acme", webhook_secret=SECRET))
        shop.db.session.commit()
    assert post(client, push, "/hooks/github/acme").status_code == 503
    with app.app_context():
        shop.db.create_all()
    assert post(client, push, "/hooks/github/acme").status_code == 204
    with app.app_context():
        shop.db.engine.dispose()


@SHOP
def test_the_store_is_checked_inside_the_applications_context(shop, caplog):
    for context in (True, False):
        app = shop.Flask(f"context{context}")
        app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///context.sqlite3"
        app.config["HOOKGUARD_STORE"] = shop.SQLTransactionStore(shop.db.session)
        app.config["HOOKGUARD_ENDPOINTS"] = {"stripe": {"secrets": [SECRET]}}
        shop.db.init_app(app)
        with app.app_context():
            shop.db.create_all()
            if context:
                HookGuard(app)
        if not context:
            HookGuard(app)
        with app.app_context():
            shop.db.engine.dispose()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
