"""Checks whether a database keeps what an inbox stores: an answered event must outlive a power cut. Steps, without I/O."""

from __future__ import annotations

import re
from typing import Final

from hookguard.errors import StoreMisconfigured
from hookguard.stores.statements import Database, Statement, Steps

__all__ = ["check_disk", "mysql_problem"]

#: The first versions with SKIP LOCKED: https://mariadb.com/docs/release-notes/community-server/10.6 and
#: https://dev.mysql.com/doc/relnotes/mysql/8.0/en/news-8-0-1.html, 2026-11-30.
_LEAST: Final = {"MariaDB": (10, 6, 0), "MySQL": (8, 0, 1)}

_VERSION: Final = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")

#: The number in PRAGMA synchronous for FULL, with which commits wait for the disk. https://sqlite.org/pragma.html, 2026-11-30.
_FULL: Final = 2


def check_disk(database: Database) -> Steps:
    """Raise StoreMisconfigured if the database must not keep deliveries."""
    if database == "postgresql":
        yield from _check_postgresql()
    elif database == "mysql":
        ((version, flush),) = yield Statement("SELECT VERSION(), @@innodb_flush_log_at_trx_commit", {}, fetch=True)
        if (problem := mysql_problem(str(version), int(flush))) is not None:
            raise StoreMisconfigured(problem)
    else:
        yield from _check_sqlite()


def _check_postgresql() -> Steps:
    asked = "SELECT current_setting('fsync'), current_setting('synchronous_commit')"
    ((fsync, synchronous_commit),) = yield Statement(asked, {}, fetch=True)
    if fsync != "on":
        raise StoreMisconfigured("PostgreSQL runs with fsync off, so a power cut loses answered events: set fsync = on")
    if synchronous_commit == "off":
        raise StoreMisconfigured(
            "synchronous_commit is off for this connection, so a power cut loses answered events: set synchronous_commit = on"
            " (ALTER ROLE … SET synchronous_commit = on, for the store's role alone)"
        )


def _check_sqlite() -> Steps:
    ((synchronous,),) = yield Statement("PRAGMA synchronous", {}, fetch=True)
    if int(synchronous) < _FULL:
        raise StoreMisconfigured(
            "PRAGMA synchronous is below FULL for this connection, so a power cut loses answered events: leave the PRAGMA out, or"
            " give the store a database alias of its own, whose connections keep FULL"
        )
    ((journal,),) = yield Statement("PRAGMA journal_mode", {}, fetch=True)
    ((file,),) = yield Statement("SELECT file FROM pragma_database_list WHERE name = 'main'", {}, fetch=True)
    if file and journal in ("off", "memory"):
        raise StoreMisconfigured(
            f"PRAGMA journal_mode is {journal} for this connection, so a crash in the middle of a commit breaks the file: set"
            " journal_mode = WAL"
        )


def mysql_problem(version: str, flush: int) -> str | None:
    """Return why a server must not keep deliveries, or None: by its VERSION() and its innodb_flush_log_at_trx_commit."""
    product = "MariaDB" if "mariadb" in version.lower() else "MySQL"
    found = _VERSION.search(version.removeprefix("5.5.5-"))  # MariaDB's prefix for old replicas
    numbers = tuple(int(number or 0) for number in found.groups()) if found else (0, 0, 0)
    least = _LEAST[product]
    if numbers < least:
        return (
            f"an inbox needs {product} {'.'.join(map(str, least))} or later for SKIP LOCKED, and this is {version}: upgrade the"
            " server, or keep deliveries in another store"
        )
    if flush != 1:
        return f"innodb_flush_log_at_trx_commit is {flush}, so a power cut loses answered events: set it to 1"
    return None
