"""``hookguard doctor`` and its sisters in Flask and Django, as they are run: output, JSON, exit status."""

import dataclasses
import json

import pytest

for _name in ("click", "rich", "flask", "fastapi", "django"):
    pytest.importorskip(_name, reason="the command is run on an application in every framework")

from checked_apps import secret
from pages import shell
from servers import POSTGRESQL, needs

from hookguard import MemoryStore
from hookguard.config import Settings
from hookguard.doctor import Application, Finder, examine
from hookguard.doctor.report import exit_status, lines
from hookguard.errors import ConfigurationError
from hookguard.remarks import Remark

CANARY = "canary-0123456789-canary"

FLASK = """
from flask import Flask
from hookguard_flask import HookGuard

app = Flask(__name__)
app.config["HOOKGUARD_ENDPOINTS"] = {endpoints}
app.config["HOOKGUARD_STORE"] = "sqlite:///claims.sqlite3"
hooks = HookGuard(app)

@app.post("/hooks/github")
@hooks.guard("github")
def github():
    return ""
"""

FASTAPI = """
from typing import Annotated
from fastapi import Depends, FastAPI
from hookguard import Event
from hookguard_starlette import HookGuard

hooks = HookGuard({endpoints}, store="sqlite:///claims.sqlite3")
app = FastAPI()
app.add_middleware(hooks.Middleware)

@app.post("/hooks/github")
async def github(event: Annotated[Event, Depends(hooks.event("github"))]):
    return None
"""

DJANGO = """
import sys
from django.conf import settings
from django.core.management import execute_from_command_line
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["shop.example"],
    DATA_UPLOAD_MAX_MEMORY_SIZE=25 << 20,
    INSTALLED_APPS=["hookguard_django"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only-for-tests",
    HOOKGUARD={{"ENDPOINTS": {endpoints}, "STORE": "sqlite:///claims.sqlite3"}},
)

from django.http import HttpResponse
from hookguard_django import webhook

urlpatterns = [path("hooks/github", webhook("github")(lambda request: HttpResponse()))]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
"""

#: Framework: the application, and the command.
APPS = {
    "flask": (FLASK, "hookguard doctor main:app"),
    "flask's own": (FLASK, "flask --app main hookguard doctor"),
    "fastapi": (FASTAPI, "hookguard doctor main:app"),
    "django": (DJANGO, "python main.py hookguard_doctor"),
}


def run(folder, app, command, endpoints, options=""):
    (folder / "main.py").write_text(app.format(endpoints=repr(endpoints)))
    command = command.replace("hookguard doctor main", "python -m hookguard.cli doctor main")
    return shell(f"{command} {options}", folder, GITHUB_SECRET="")


@pytest.mark.parametrize("framework", APPS)
def test_sound_application_exits_with_0_and_shows_its_store(framework, tmp_path):
    done = run(tmp_path, *APPS[framework], {"github": {"secrets": [secret()]}}, "--fail-on warning")
    assert done.returncode == 0, done.stdout
    first, *later, last = done.stdout.splitlines()
    assert first.startswith("info M0: webhooks are claimed in SQLiteStore(")
    assert last.endswith("1 endpoint: no problem was found")
    if framework in ("flask", "fastapi"):
        (note,) = later
        assert note.startswith("info M2: SQLiteStore(")
        assert note.endswith("claims.sqlite3, which the application creates when it starts")
    if framework != "flask's own":  # Flask has started the app, which made the file
        assert not list(tmp_path.glob("claims.sqlite3*"))


@pytest.mark.parametrize("framework", ["flask's own", "django"])
def test_online_asks_nobody_where_no_provider_is_to_be_asked(framework, tmp_path):
    done = run(tmp_path, *APPS[framework], {"github": {"secrets": [secret()]}}, "--online --json")
    assert done.returncode == 0, done.stdout
    assert {each["check"] for each in json.loads(done.stdout)["findings"]} <= {"M0", "M2"}


@pytest.mark.parametrize("framework", APPS)
def test_errors_exit_with_1_and_no_secret_is_shown(framework, tmp_path):
    endpoints = {"github": {"secrets": [CANARY]}, "stripe": {"secrets": [CANARY, "a-secret-of-your-own-choosing"]}}
    for options in ("", "--json"):
        done = run(tmp_path, *APPS[framework], endpoints, options)
        assert done.returncode == 1, done.stdout
        assert "canary" not in done.stdout
        assert "of-your-own-choosing" not in done.stdout
    found = json.loads(done.stdout)
    assert not found["ok"]
    assert [each["check"] for each in found["findings"] if each["check"] != "M2"] == ["S2", "S4", "U3", "M0"]
    assert all(each["sentence"] and each["fix"] and each["symptom"] for each in found["findings"])


def test_warnings_exit_with_0_unless_they_shall_fail(tmp_path):
    endpoints = {"github": {"secrets": [secret()]}, "stripe": {"secrets": [secret()]}}
    assert run(tmp_path, *APPS["flask"], endpoints).returncode == 0
    done = run(tmp_path, *APPS["flask"], endpoints, "--fail-on warning")
    assert done.returncode == 1
    assert "warning U3: no route leads to endpoint 'stripe'" in done.stdout
    assert "  fix: Guard a view with it, or remove it from the settings." in done.stdout


@pytest.mark.parametrize("framework", ["flask", "fastapi", "django"])
def test_application_that_does_not_start_is_reported(framework, tmp_path):
    endpoints = {"github": {"secrets": [""]}, "stripe": {"secrets": [f'"{CANARY}"']}}
    done = run(tmp_path, *APPS[framework], endpoints)
    assert done.returncode == 1, done.stdout
    assert "error S1: " in done.stdout
    assert "error S3: " in done.stdout
    assert "Traceback" not in done.stdout
    assert "canary" not in done.stdout


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("main", "is not of the form module:name"),
        ("nothing:app", "the module 'nothing' was not found"),
        ("main:nothing", "main has no 'nothing'"),
        ("json:dumps", "json has no HookGuard. Name it with --hooks module:name; a Django project's command is manage.py"),
        ("main:app --hooks main:github", "--hooks main:github is function"),
    ],
)
def test_checks_that_cannot_run_exit_with_2(name, said, tmp_path):
    done = run(tmp_path, FLASK, f"hookguard doctor {name}", {"github": {"secrets": [secret()]}})
    done = shell(f"python -m hookguard.cli doctor {name}", tmp_path)
    assert done.returncode == 2, done.stdout
    assert said in " ".join(done.stdout.split())


def test_django_checks_have_a_tag_and_the_same_ids(tmp_path):
    endpoints = {"github": {"secrets": [CANARY]}, "stripe": {"secrets": [CANARY]}}
    done = run(tmp_path, DJANGO, "python main.py check --tag hookguard", endpoints)
    assert "(hookguard.S4)" in done.stdout, done.stdout
    assert "(hookguard.U3)" in done.stdout
    assert "canary" not in done.stdout


def test_no_store_is_made_by_a_check(tmp_path):
    made = FLASK.replace('app.config["HOOKGUARD_STORE"] = "sqlite:///claims.sqlite3"\n', "")
    done = run(tmp_path, made, "hookguard doctor main:app", {"github": {"secrets": [secret()]}})
    assert done.stdout == "Flask, 1 endpoint: no problem was found\n"
    assert not (tmp_path / "instance").exists()


TABLELESS = """
import os
from sqlalchemy import create_engine
from flask import Flask
from hookguard.stores.sql import SQLStore
from hookguard_flask import HookGuard

app = Flask(__name__)
app.config["HOOKGUARD_ENDPOINTS"] = {endpoints}
app.config["HOOKGUARD_STORE"] = {store}
hooks = HookGuard(app)

@app.post("/hooks/github")
@hooks.guard("github")
def github():
    return ""
"""


@pytest.fixture
def database():
    """An empty database of PostgreSQL: its URL, and a function that returns its tables."""
    sqlalchemy = pytest.importorskip("sqlalchemy")
    needs("PostgreSQL")
    server = sqlalchemy.make_url(POSTGRESQL).set(drivername="postgresql+psycopg")
    name = f"{server.database}_empty"
    engine = sqlalchemy.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}")
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    url = server.set(database=name)
    inside = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    yield url.render_as_string(hide_password=False), lambda: sqlalchemy.inspect(inside).get_table_names()
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name}")
    engine.dispose()


KEEPS_ALL = {"github": {"secrets": [secret()], "inbox": True, "evidence": True}}


def test_tables_that_the_application_creates_are_not_created(tmp_path, database):
    url, tables = database
    app = TABLELESS.replace("{store}", repr(url))
    done = run(tmp_path, app, "hookguard doctor main:app", KEEPS_ALL, "--fail-on warning")
    assert done.returncode == 0, done.stdout
    names = "'hookguard_event', 'hookguard_inbox', 'hookguard_delivery'"
    assert f"there is no table {names}, which the application creates when it starts" in done.stdout
    assert tables() == []


def test_all_tables_that_are_missing_need_one_call(tmp_path, database):
    url, tables = database
    app = TABLELESS.replace("{store}", f"SQLStore(create_engine({url!r}))")
    done = run(tmp_path, app, "hookguard doctor main:app", KEEPS_ALL)
    assert done.returncode == 1, done.stdout
    assert "there is no table 'hookguard_event': create it with create_table(engine, inbox=True, evidence=True)" in done.stdout
    assert tables() == []


def test_records_without_their_table_are_what_is_lost(tmp_path, database):
    sqlalchemy = pytest.importorskip("sqlalchemy")
    from hookguard.stores.sql import create_table

    url, _ = database
    engine = sqlalchemy.create_engine(url)
    create_table(engine, inbox=True)
    engine.dispose()
    app = TABLELESS.replace("{store}", f"SQLStore(create_engine({url!r}))")
    done = run(tmp_path, app, "hookguard doctor main:app", KEEPS_ALL)
    assert done.returncode == 0, done.stdout
    assert "warning M9: " in done.stdout
    assert "  otherwise: deliveries are handled, and their records are lost" in done.stdout
    assert "M3" not in done.stdout


def described(*finders, **more):
    settings = Settings({"endpoints": {"github": {"secrets": [secret()]}}, **more}, where="HOOKS", default_store=MemoryStore)
    return Application.of("Flask", settings, finders=finders, lists_all=False)


def breaks(_):
    raise LookupError(CANARY)


def test_check_that_raises_is_a_finding_and_stops_nothing():
    found = examine(described(Finder(("W2",), breaks), Finder(("W3",), lambda _: [Remark("W3", "too small")])))
    assert [(finding.check, finding.level) for finding in found] == [("W2", "warning"), ("W3", "warning")]
    assert found[0].sentence == "this check could not be made: LookupError in breaks"


def test_silenced_check_is_shown_with_its_reason_and_does_not_fail():
    app = described(Finder(("U4",), lambda _: [Remark("U4", "a route")]), silenced_checks={"U4": "a proxy guards it"})
    found = examine(app)
    assert exit_status(found, fail_on_warning=True) == 0
    assert list(lines(app, found))[:2] == ["silenced U4: a route", "  reason: a proxy guards it"]
    assert exit_status(examine(dataclasses.replace(app, silenced={})), fail_on_warning=False) == 1


@pytest.mark.parametrize("given", [["U4"], {"U4": ""}, {"U4": None}, {4: "a proxy"}])
def test_check_is_silenced_only_for_a_reason(given):
    with pytest.raises(ConfigurationError, match="silenced_checks must map"):
        described(silenced_checks=given)
