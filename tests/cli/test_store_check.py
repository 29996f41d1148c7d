"""``hookguard store check`` on real stores, well and unwell."""

import pytest

pytest.importorskip("click", reason="the command line needs the extra cli")
pytest.importorskip("rich", reason="the command line needs the extra cli")

import servers
from click.testing import CliRunner

from hookguard import Claim, ClaimStatus, MemoryStore
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


@pytest.mark.parametrize(
    ("which", "why"),
    [
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
