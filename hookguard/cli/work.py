"""``hookguard work``: handle the events of the inbox, with an application that is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import click

from hookguard import ConfigurationError
from hookguard.cli.inputs import example, with_working_directory
from hookguard.cli.naming import load, only_hooks
from hookguard.cli.work_options import work_options
from hookguard.work.command import run_command
from hookguard.work.lanes import OpenLane

__all__ = ["work"]


@runtime_checkable
class HasLanes(Protocol):
    """A plugin's HookGuard."""

    def open_lanes(self, app: Any, names: Sequence[str] = ()) -> list[OpenLane]:
        """Return the lanes of the endpoints with an inbox."""


@click.command(epilog=example("hookguard work main:app", "hookguard work shop.web:app --hooks shop.webhooks:hooks --at-once 4"))
@click.argument("application", metavar="MODULE:APP")
@click.option("--hooks", metavar="MODULE:NAME", help="The HookGuard, if MODULE has none or several.")
@work_options
def work(application: str, hooks: str | None, endpoints: tuple[str, ...], **options: Any) -> None:
    """Handle the events of the inbox: call APP, a WSGI or ASGI application, with each event that is due.

    SIGTERM stops it: it takes nothing more and waits for the running handlers. The exit status is 1 if some still ran.
    """
    with_working_directory()
    module, app = load(application)
    found = load(hooks)[1] if hooks is not None else only_hooks(module, app, "open_lanes", "worker is manage.py hookguard_work")
    if not isinstance(found, HasLanes):
        raise ConfigurationError(f"--hooks {hooks} is {type(found).__name__}: name the HookGuard of the application")
    run_command(app, found.open_lanes(app, endpoints), **options)
