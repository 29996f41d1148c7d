"""``hookguard doctor``: find what is wrong with an application's set-up, before the first delivery does."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import click

from hookguard.cli.doctor_options import doctor_options, show_findings
from hookguard.cli.inputs import example, with_working_directory
from hookguard.cli.naming import describe
from hookguard.stores.creation import creating_nothing

__all__ = ["doctor"]


@click.command(epilog=example("hookguard doctor main:app", "hookguard doctor shop.web:app --json --fail-on warning"))
@click.argument("application", metavar="MODULE:APP")
@click.option("--hooks", metavar="MODULE:NAME", help="The HookGuard, if MODULE has none or several.")
@doctor_options
def doctor(application: str, hooks: str | None, **options: Any) -> None:
    """Find what is wrong with the set-up of APP, a Flask or ASGI application, before the first delivery does.

    Asks the application and its store, and nothing else. The exit status is 0 if no error was found, 1 if one was, and 2 if the
    checks could not run. Each finding has an id: docs/doctor.md lists them.
    """
    with_working_directory()
    # The findings include the warnings and log lines of an application that starts.
    logging.getLogger("hookguard").addHandler(logging.NullHandler())
    with warnings.catch_warnings(), creating_nothing():
        warnings.simplefilter("ignore", UserWarning)
        found = describe(application, hooks, "command is manage.py hookguard_doctor")
    show_findings(found, **options)
