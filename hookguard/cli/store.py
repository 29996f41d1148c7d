"""``hookguard store check``: whether a store is fit to be relied on, before anything relies on it."""

from __future__ import annotations

import asyncio
import inspect
import sys
from pathlib import Path
from typing import cast

import click

from hookguard import AsyncStore, ConfigurationError, Store, StoreUnavailable
from hookguard.awaited import Awaited
from hookguard.checkup import CLAIMS, describe, look_at, try_out
from hookguard.cli.providers_page import duration
from hookguard.config import sqlite_file, store_from
from hookguard.presets import get
from hookguard.stores.sqlite import look_at_file

__all__ = ["store"]


@click.group()
def store() -> None:
    """Look after the store that remembers events."""


@store.command()
@click.argument("which", metavar="STORE")
@click.option("--preset", "presets", multiple=True, metavar="NAME", help="A provider it serves; repeat for several.")
@click.option("--retention", type=click.FloatRange(min=0, min_open=True), help="Seconds an endpoint sets; else the preset's.")
def check(which: str, presets: tuple[str, ...], retention: float | None) -> None:
    """Look whether STORE is well: a URL as in the settings, or the dotted path of a store.

    Claims an event of its own, many times at once, and forgets it again; makes no file. Exit status 1 when
    something is wrong, or there is no store yet.
    """
    try:
        found = _found(which)
        troubles = asyncio.run(_look(found))
        said = [*troubles, *_too_short(presets, retention)]
    except (ConfigurationError, StoreUnavailable) as error:
        click.echo(f"not well: {error}")
        raise SystemExit(1) from None
    except click.UsageError:
        raise
    except Exception as error:
        if "://" in which:
            raise
        why = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        click.echo(f"not well: {which} cannot be made here ({why})")
        raise SystemExit(1) from None
    click.echo(f"{found!r}")
    click.echo(f"  promises: {describe(found.capabilities)}")
    click.echo(f"  answers, and {_tried(found)}")
    for sentence in said:
        click.echo(f"  look at this: {sentence}")
    click.echo("  works, and should be mended" if said else "  all is well")
    raise SystemExit(1 if said else 0)


def _found(which: str) -> Store | AsyncStore:
    """The store that is meant, if it is there and can be looked at from here."""
    if "://" in which:
        # Making the store would make the file, and a mistyped path would be found to be well.
        if (file := sqlite_file(which)) not in (None, ":memory:"):
            look_at_file(str(file))
        return store_from(which)
    if which.startswith("hookguard_django."):
        raise click.UsageError(_ASK_DJANGO)
    # As flask and uvicorn find what is named to them: a command that was installed looks beside itself, not where it is run.
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = store_from(which)
    except Exception as error:
        # It knows the settings, and the module that is named here may not even be ready without them.
        if type(error).__module__.partition(".")[0] == "django":
            raise click.UsageError(_ASK_DJANGO) from None
        raise
    if any(kind.__module__.startswith("hookguard_django.") for kind in type(found).__mro__):
        raise click.UsageError(_ASK_DJANGO)
    return found


_ASK_DJANGO = "a Django store is made from its project's settings, so check it there: python manage.py check --database default"


async def _look(found: Store | AsyncStore) -> list[str]:
    if inspect.iscoroutinefunction(found.claim):
        awaited = cast("AsyncStore", found)
    else:
        awaited = Awaited(cast("Store", found), asyncio.to_thread)
    try:
        said = await look_at(awaited)
        await try_out(awaited)
    finally:
        closing = getattr(found, "close", lambda: None)()
        if inspect.isawaitable(closing):
            await closing
    return said


def _tried(found: Store | AsyncStore) -> str:
    if found.capabilities.transactional:
        return "an event that was completed is not claimed again"
    return f"of {CLAIMS} who claimed one event at once, one got it"


def _too_short(presets: tuple[str, ...], retention: float | None) -> list[str]:
    """Say for which providers events would be forgotten while they may still come again."""
    found = []
    for name in presets:
        preset = get(name)
        horizon = preset.profile.horizon.value if preset.profile else 0.0
        derived = preset.retention(preset.tolerance if preset.scheme.signs_timestamp else None)
        if retention is not None and retention < horizon:
            found.append(
                f"events of {name} are forgotten after {duration(retention)}, and it retries for {duration(horizon)}:"
                f" leave retention out, which makes it {duration(derived)}"
            )
    return found
