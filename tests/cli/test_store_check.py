"""``hookguard store check`` on real stores, well and unwell."""

import sqlite3
import sys

import pytest

pytest.importorskip("click", reason="the command line needs the extra cli")
pytest.importorskip("rich", reason="the command line needs the extra cli")

import servers
from click.testing import CliRunner

from hookguard import Claim, ClaimStatus, MemoryStore, SQLiteStore
from hookguard.cli.app import hookguard


class EverybodyWins(MemoryStore):
    def claim(self, key, **asked):
        return Claim(ClaimStatus.ACQUIRED)


wrong = EverybodyWins()


def check(*arguments):
    result = CliRunner().invoke(hookguard, ["store", "check", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_a_store_that_is_well(tmp_path):
    SQLiteStore(tmp_path / "claims.sqlite3").close()
    code, said = check(f"sqlite:///{tmp_path}/claims.sqlite3", "--preset", "stripe", "--preset", "github")
    assert code == 0, said
    assert "outlives the process, shared by processes, claims by leases, the host's clock" in said
    assert "of 8 who claimed one event at once, one got it" in said
    assert "all is well" in said


def test_events_that_would_be_forgotten_while_they_may_come_again():
    code, said = check("memory://", "--preset", "stripe", "--preset", "github", "--retention", "3600")
    assert code == 1
    assert "events of stripe are forgotten after 1 h, and it retries for 3 d" in said
    assert "github" not in said  # which never retries by itself


def test_a_store_by_its_dotted_path_that_lets_everybody_win(monkeypatch):
    monkeypatch.syspath_prepend(__file__.rpartition("/")[0])
    code, said = check("test_store_check.wrong")
    assert code == 1
    assert "8 claimed one event at once and 8 got it" in said


@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+pysqlite", "sqlite+aiosqlite"])
def test_a_file_that_is_not_there_is_not_made(scheme, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, said = check(f"{scheme}:///typo.sqlite3")
    assert code == 1
    assert f"not well: there is no file {tmp_path}/typo.sqlite3 yet; an application that starts with this store makes it" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("scheme", "table", "why"),
    [
        ("sqlite", "orders", "without the table hookguard_event"),
        ("sqlite+pysqlite", "orders", "without the table hookguard_event"),
        ("sqlite", "hookguard_event", "of another kind of store"),
    ],
)
def test_a_file_of_another_program_is_left_as_it_is(scheme, table, why, tmp_path):
    path = tmp_path / "shop.sqlite3"
    connection = sqlite3.connect(path)
    connection.execute(f"CREATE TABLE {table} (id TEXT PRIMARY KEY)")
    connection.close()
    before = path.read_bytes()
    code, said = check(f"{scheme}:///{path}")
    assert code == 1
    assert why in said
    assert "all is well" not in said
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder that the command is run in, and whose modules nobody put on the path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    for name in ("own_claims", "django_claims"):
        sys.modules.pop(name, None)


def test_a_module_in_the_working_directory_is_found(project):
    (project / "own_claims.py").write_text("from hookguard import MemoryStore\nSTORE = MemoryStore()\n")
    code, said = check("own_claims.STORE")
    assert code == 0, said
    assert "all is well" in said


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
def test_a_django_store_is_checked_by_django_whether_that_is_there_or_not(name, installed, monkeypatch):
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
        ("mongodb://user:secret@here/there", "mongodb://…: there are memory://"),
    ],
)
def test_a_store_that_cannot_be_used(which, why):
    code, said = check(which)
    assert code == 1
    assert why in said
    assert "secret" not in said


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+asyncpg"])
def test_a_server(driver):
    servers.needs("PostgreSQL")
    pytest.importorskip("sqlalchemy")
    pytest.importorskip(driver.partition("+")[2])
    code, said = check(driver + servers.POSTGRESQL.removeprefix("postgresql"), "--preset", "stripe")
    assert code == 0, said
    assert "the server's clock" in said


def test_a_server_that_does_not_answer():
    pytest.importorskip("sqlalchemy")
    pytest.importorskip("psycopg")
    code, said = check("postgresql://postgres@127.0.0.1:1/test")
    assert code == 1
    assert "not well: postgresql cannot answer" in said
