"""The common part of ``hookguard doctor`` and ``flask hookguard doctor``: the options, the output and the exit status."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

if TYPE_CHECKING:
    from hookguard.doctor import Application

__all__ = ["doctor_options", "show_findings"]

F = TypeVar("F", bound=Callable[..., Any])


def doctor_options(command: F) -> F:
    """Add the options to a command."""
    fail_on = click.option(
        "--fail-on",
        type=click.Choice(["error", "warning"]),
        default="error",
        show_default=True,
        help="From which level on the exit status is 1.",
    )
    online = click.option("--online", is_flag=True, help="Ask the providers over the network too: for their keys and networks.")
    return fail_on(online(click.option("--json", "json_asked", is_flag=True, help="Print JSON, for programs.")(command)))


def show_findings(application: Application, *, fail_on: str, json_asked: bool, online: bool) -> NoReturn:
    """Ask every check, print the findings, and end with the exit status that follows from them."""
    from hookguard.doctor.examine import OFFLINE, examine  # noqa: PLC0415 - Flask loads its commands in every web process
    from hookguard.doctor.report import as_json, exit_status, lines  # noqa: PLC0415 - likewise

    stages = (*OFFLINE, "online") if online else OFFLINE
    findings = examine(dataclasses.replace(application, ends=True), stages)
    fails = fail_on == "warning"
    if json_asked:
        click.echo(as_json(application, findings, fail_on_warning=fails))
    else:
        for line in lines(application, findings):
            click.echo(line)
    raise SystemExit(exit_status(findings, fail_on_warning=fails))
