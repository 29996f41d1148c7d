"""``hookguard store check`` on real stores, with and without problems."""

import json
import sqlite3
import sys
from contextlib import closing

import pytest

pytest.importorskip("click", reason="the command line needs the extra cli")
pytest.importorskip("rich", reason="the command line needs the extra cli")

import servers
from click.testing import CliRunner

from hookguard import Claim, ClaimStatus, MemoryStore, SQLiteStore
from hookguard.cli.app import hookguard
from hookguard.config import store_from


class EveryClaimAcquired(MemoryStore):
    def claim(self, key, **asked):
        return Claim(ClaimStatus.ACQUIRED)


wrong = EveryClaimAcquired()


def check(*arguments):
    result = CliRunner().invoke(hookguard, ["store", "check", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_store_without_problems_passes(tmp_path):
    SQLiteStore(tmp_path / "claims.sqlite3").close()
    code, said = check(f"sqlite:///{tmp_path}/claims.sqlite3", "--preset", "stripe", "--preset", "github")
    assert code == 0, said
    assert "outlives the process, shared by processes, claims by leases, the host's clock" in said
    assert "of 8 workers that claimed one event concurrently, one got it" in said
    assert "no problem was found" in said


def test_retention_shorter_than_the_retries_is_a_problem():
    code, said = check("memory://", "--preset", "stripe", "--preset", "github", "--retention", "3600")
    assert code == 1
    assert "events of stripe are forgotten after 1 h, and it retries for 3 d" in said
    assert "github" not in said  # which never retries on its own


def test_store_that_grants_every_claim_is_a_problem(monkeypatch):
    monkeypatch.syspath_prepend(__file__.rpartition("/")[0])
    code, said = check("test_store_check.wrong")
    assert code == 1
    assert "8 workers claimed one event concurrently and 8 got it" in said


@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+pysqlite", "sqlite+aiosqlite"])
def test_missing_file_is_not_created(scheme, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, said = check(f"{scheme}:///typo.sqlite3")
    assert code == 1
    assert f"problem: there is no file {tmp_path}/typo.sqlite3 yet; an application that starts with this store creates it" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("scheme", "table", "why"),
    [
        ("sqlite", "orders", "without the table hookguard_claim"),
        ("sqlite+pysqlite", "orders", "without the table hookguard_event"),
        ("sqlite", "hookguard_event", "of hookguard's SQL and Django stores"),
        ("sqlite", "hookguard_claim", "a table hookguard_claim with other columns"),
    ],
)
def test_file_of_another_program_is_not_changed(scheme, table, why, tmp_path):
    path = tmp_path / "shop.sqlite3"
    connection = sqlite3.connect(path)
    connection.execute(f"CREATE TABLE {table} (id TEXT PRIMARY KEY)")
    connection.close()
    before = path.read_bytes()
    code, said = check(f"{scheme}:///{path}")
    assert code == 1
    assert why in said
    assert "no problem was found" not in said
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("command", "table", "setting"), [("inbox", "hookguard_inbox", "inbox"), ("deliveries", "hookguard_delivery", "evidence")]
)
def test_command_that_looks_adds_no_table_to_a_file(command, table, setting, tmp_path):
    path = tmp_path / "claims.sqlite3"
    SQLiteStore(path).close()
    done = CliRunner().invoke(hookguard, [command, f"sqlite:///{path}"])
    assert done.exit_code == 2
    assert f"has no table {table}: is it the right file?" in " ".join(done.output.split())
    assert f"an endpoint that has the setting {setting}" in " ".join(done.output.split())
    with closing(sqlite3.connect(path)) as connection:
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchall()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Run the command in a new folder, which is not on the module path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    for name in ("own_claims", "django_claims"):
        sys.modules.pop(name, None)


def test_a_module_in_the_working_directory_is_found(project):
    (project / "own_claims.py").write_text("from hookguard import SQLiteStore\nSTORE = SQLiteStore('claims.sqlite3')\n")
    code, said = check("own_claims.STORE")
    assert code == 0, said
    assert "no problem was found" in said


@pytest.mark.parametrize(
    "text",
    [
        "from hookguard_django.stores import ORMStore\nclass Own(ORMStore): pass\nSTORE = Own()\n",
        # As when settings are asked for that are not there.
        "from django.core.exceptions import ImproperlyConfigured\nraise ImproperlyConfigured\n",
    ],
)
def test_a_projects_own_django_store_is_checked_by_django(project, text):
    pytest.importorskip("django")
    (project / "django_claims.py").write_text(text)
    code, said = check("django_claims.STORE")
    assert code == 2
    assert "python manage.py check --database default" in said


@pytest.mark.parametrize("name", ["ORMStore", "ORMTransactionStore", "CacheStore"])
@pytest.mark.parametrize("installed", [True, False])
def test_django_store_is_checked_by_django_whether_django_is_installed_or_not(name, installed, monkeypatch):
    if not installed:
        monkeypatch.setitem(sys.modules, "hookguard_django.stores", None)
    code, said = check(f"hookguard_django.stores.{name}")
    assert code == 2
    assert "a Django store is made from its project's settings" in said
    assert "python manage.py check --database default" in said


@pytest.mark.parametrize(
    ("which", "why"),
    [
        ("sqlite:///:memory:", "for memory use MemoryStore"),
        ("sqlite:////nowhere/at/all.sqlite3", "/nowhere/at/all.sqlite3"),
        ("mongodb://user:secret@here/there", "mongodb://… is unknown: use memory://"),
    ],
)
def test_unusable_store_is_a_problem(which, why):
    code, said = check(which)
    assert code == 1
    assert why in said
    assert "secret" not in said


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+asyncpg"])
def test_server_that_answers_passes(driver):
    servers.needs("PostgreSQL")
    pytest.importorskip("sqlalchemy")
    pytest.importorskip(driver.partition("+")[2])
    with closing(store_from(servers.POSTGRESQL)) as started:
        started.check()
    code, said = check(driver + servers.POSTGRESQL.removeprefix("postgresql"), "--preset", "stripe")
    assert code == 0, said
    assert "the server's clock" in said


def test_server_that_does_not_answer_is_a_problem():
    pytest.importorskip("sqlalchemy")
    pytest.importorskip("psycopg")
    code, said = check("postgresql://postgres@127.0.0.1:1/test")
    assert code == 1
    assert "problem: postgresql cannot answer" in said


def test_the_check_as_json(tmp_path):
    SQLiteStore(tmp_path / "claims.sqlite3").close()
    code, said = check(f"sqlite:///{tmp_path}/claims.sqlite3", "--json")
    assert (code, json.loads(said)["ok"], json.loads(said)["problems"]) == (0, True, [])
    code, said = check(f"sqlite:///{tmp_path}/typo.sqlite3", "--json")
    assert (code, json.loads(said)["ok"]) == (1, False)
    assert "typo.sqlite3" in json.loads(said)["problems"][0]


def test_a_file_with_tables_of_another_program_keeps_its_mode(tmp_path):
    path = tmp_path / "shop.sqlite3"
    SQLiteStore(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE orders (id TEXT PRIMARY KEY)")
    path.chmod(0o644)
    code, said = check(f"sqlite:///{path}")
    assert code == 0, said
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("path", ["claims.sqlite3", "../shop/claims.sqlite3", "/srv/claims.db"])
def test_a_path_in_place_of_a_url_is_a_usage_error(path):
    code, said = check(path)
    assert code == 2
    assert f"sqlite:///{path}" in said


def test_a_store_that_forgets_at_a_restart_is_a_problem():
    code, said = check("memory://")
    assert code == 1
    assert "a restart forgets every event" in said
