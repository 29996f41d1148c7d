"""``flask hookguard work`` handles the events of the app's inbox; ``flask hookguard doctor`` checks the app's set-up."""

from __future__ import annotations

from typing import Any, cast

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from hookguard import HookguardError
from hookguard.cli.doctor_options import doctor_options, show_findings
from hookguard.cli.work_options import work_options
from hookguard_flask.guards import guards_of

__all__ = ["commands"]


@click.group("hookguard")
def commands() -> None:
    """Work on the webhooks of this app."""


@commands.command()
@doctor_options
@with_appcontext
def doctor(**options: Any) -> None:
    """Find what is wrong with the app's set-up, before the first delivery does."""
    from hookguard_flask.doctor import describe  # noqa: PLC0415 - a web process needs none of it

    show_findings(describe(cast("Any", current_app)._get_current_object()), **options)


@commands.command()
@work_options
@with_appcontext
def work(endpoints: tuple[str, ...], **options: Any) -> None:
    """Handle the events of the inbox: call the app with each event that is due, until SIGTERM."""
    from hookguard.work.command import run_command  # noqa: PLC0415 - a web process needs none of it

    app: Flask = cast("Any", current_app)._get_current_object()
    try:
        # The app's context stays around the work: observers send signals from the app.
        run_command(app, guards_of(app).open_lanes(app, endpoints), **options)
    except HookguardError as error:
        raise click.UsageError(str(error)) from None
