"""``hookguard store check``: check a store before an application uses it."""

from __future__ import annotations

import asyncio
import inspect
import json
from typing import Any, Final, NoReturn, TypeVar, cast

import click

from hookguard import AsyncStore, ConfigurationError, Preset, Store, StoreUnavailable
from hookguard.cli.inputs import PRESET, example, json_option, with_working_directory
from hookguard.cli.providers_page import duration
from hookguard.config import store_from
from hookguard.errors import MissingTable
from hookguard.evidence.contract import Evidence, KeepsEvidence
from hookguard.guard.bridge import BlockingStoreAdapter
from hookguard.inbox.contract import HasInbox
from hookguard.stores.evidence_sql import DELIVERY_TABLE
from hookguard.stores.fitness import CLAIMS, check_claims, check_fitness, describe
from hookguard.stores.inbox_sql import INBOX_TABLE
from hookguard.stores.sqlite import SQL_TABLE, TABLE, check_file
from hookguard.stores.url import sqlite_file

__all__ = ["about_missing", "evidence_of", "find_store", "inbox_of", "store", "without_creating"]

T = TypeVar("T")

#: The table that an endpoint's setting makes.
_TABLES: Final = {"inbox": INBOX_TABLE, "evidence": DELIVERY_TABLE}

_ASK_DJANGO = "a Django store is made from its project's settings, so check it there: python manage.py check --database default"


@click.group()
def store() -> None:
    """Check the store that remembers events."""


@store.command(
    epilog=example(
        "hookguard store check sqlite:///hookguard.sqlite3 --preset stripe",
        "hookguard store check shop.hooks.STORE --json",
    )
)
@click.argument("which", metavar="STORE")
@click.option("--preset", "presets", multiple=True, type=PRESET, metavar="NAME", help="A provider it serves; repeat for several.")
@click.option("--retention", type=click.FloatRange(min=0, min_open=True), help="Seconds an endpoint sets; else the preset's.")
@json_option
def check(which: str, presets: tuple[Preset, ...], retention: float | None, as_json: bool) -> None:
    """Check whether STORE can be relied on: a URL as in the settings, or the dotted path of a store.

    Claims an event of its own, many times concurrently, and forgets it again; makes no file and no table. The exit status is
    1 if there is a problem, or no store yet.
    """
    try:
        found = without_creating(find_store(which))
        problems = [*asyncio.run(_check(found)), *_too_short(presets, retention), *_forgetful(found)]
    except MissingTable as missing:
        _fail(about_missing(missing), as_json=as_json)
    except (ConfigurationError, StoreUnavailable) as error:
        _fail(str(error), as_json=as_json)
    except click.UsageError:
        raise
    except Exception as error:
        if "://" in which:
            raise
        why = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        _fail(f"{which} cannot be made here ({why})", as_json=as_json)
    promises, tried = describe(found.capabilities), _tried(found)
    if as_json:
        facts = {"store": repr(found), "promises": promises, "tried": tried}
        click.echo(json.dumps({"ok": not problems, **facts, "problems": problems}, indent=2))
    else:
        click.echo(f"{found!r}")
        click.echo(f"  promises: {promises}")
        click.echo(f"  answers, and {tried}")
        for problem in problems:
            click.echo(f"  problem: {problem}")
        click.echo("  works, but fix the problems above" if problems else "  no problem was found")
    raise SystemExit(1 if problems else 0)


def _fail(problem: str, *, as_json: bool) -> NoReturn:
    click.echo(json.dumps({"ok": False, "problems": [problem]}, indent=2) if as_json else f"problem: {problem}")
    raise SystemExit(1)


def without_creating(store: T) -> T:
    """Let a store of SQLAlchemy's report a missing table: a command that looks must not create it in a mistyped database."""
    if isinstance(getattr(store, "creates", None), bool):
        cast("Any", store).creates = False
    return store


def about_missing(error: MissingTable) -> str:
    """Return what a command says of a missing table."""
    return f"{error}. An application that starts with this store's URL creates it, a command does not: is it the right database?"


def find_store(which: str, *, ask_django: str = _ASK_DJANGO, setting: str = "") -> Store | AsyncStore:
    """Return the store, if it exists and can be used from here. ``ask_django`` says where a Django store can be.

    ``setting`` of an endpoint, ``inbox`` or ``evidence``, is what makes the table that the command reads.
    """
    if "://" in which:
        # Making the store would create the file, and a mistyped path would pass the check.
        if (file := sqlite_file(which)) not in (None, ":memory:"):
            check_file(str(file), table=TABLE if which.startswith("sqlite:") else SQL_TABLE)
            if setting and which.startswith("sqlite:"):
                check_file(str(file), table=_TABLES[setting], setting=setting)
        return store_from(which)
    if which.startswith("hookguard_django."):
        raise click.UsageError(ask_django)
    if "/" in which or which.endswith((".sqlite3", ".sqlite", ".db")):
        raise click.UsageError(f"{which!r} is a path: write it as a URL, sqlite:///{which}")
    with_working_directory()
    try:
        found = store_from(which)
    except Exception as error:
        # It knows the settings, and the module that is named here may not even be ready without them.
        if type(error).__module__.partition(".")[0] == "django":
            raise click.UsageError(ask_django) from None
        raise
    if any(kind.__module__.startswith("hookguard_django.") for kind in type(found).__mro__):
        raise click.UsageError(ask_django)
    return found


def evidence_of(store: object) -> Evidence:
    """Return a store's records of deliveries; ConfigurationError if it keeps none."""
    if not isinstance(store, KeepsEvidence):
        raise ConfigurationError(f"{store!r} keeps no records of deliveries")
    return without_creating(store).evidence()


def inbox_of(store: object) -> Any:
    """Return a store's inbox, blocking or asynchronous; ConfigurationError if it has none."""
    if not isinstance(store, HasInbox):
        raise ConfigurationError(f"{store!r} keeps no deliveries, so it has no inbox")
    return without_creating(store).inbox()


async def _check(found: Store | AsyncStore) -> list[str]:
    if inspect.iscoroutinefunction(found.claim):
        awaited = cast("AsyncStore", found)
    else:
        awaited = BlockingStoreAdapter(cast("Store", found), asyncio.to_thread)
    try:
        said = await check_fitness(awaited)
        await check_claims(awaited)
    finally:
        closing = getattr(found, "close", lambda: None)()
        if inspect.isawaitable(closing):
            await closing
    return said


def _tried(found: Store | AsyncStore) -> str:
    if found.capabilities.transactional:
        return "an event that was completed is not claimed again"
    return f"of {CLAIMS} workers that claimed one event concurrently, one got it"


def _forgetful(found: Store | AsyncStore) -> list[str]:
    if found.capabilities.durable:
        return []
    return ["a restart forgets every event, so a provider's retry after it runs again: use a store that outlives the process"]


def _too_short(presets: tuple[Preset, ...], retention: float | None) -> list[str]:
    """Report providers whose events would be forgotten while a retry may still come."""
    found = []
    for preset in presets:
        horizon = preset.facts.horizon.value if preset.facts else 0.0
        derived = preset.retention(preset.tolerance if preset.scheme.signs_timestamp else None)
        if retention is not None and retention < horizon:
            found.append(
                f"events of {preset.name} are forgotten after {duration(retention)}, and it retries for {duration(horizon)}:"
                f" leave retention out, which makes it {duration(derived)}"
            )
    return found
