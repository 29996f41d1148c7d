"""The options of a worker's command, for ``hookguard work`` and ``flask hookguard work``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from hookguard.work.defaults import AT_ONCE, GRACE

__all__ = ["work_options"]

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--endpoint", "endpoints", multiple=True, metavar="NAME", help="Work on this endpoint only; repeat for several."
    ),
    click.option("--drain", is_flag=True, help="End when nothing is due, instead of waiting for more."),
    click.option(
        "--at-once",
        type=click.IntRange(min=1),
        default=AT_ONCE,
        show_default=True,
        metavar="NUMBER",
        help="How many events run concurrently.",
    ),
    click.option(
        "--grace",
        type=click.FloatRange(min=0),
        default=GRACE,
        show_default=True,
        metavar="SECONDS",
        help="How long running handlers may go on after SIGTERM.",
    ),
    click.option(
        "--metrics", metavar="ADDRESS", help="Serve the metrics for Prometheus there: 9101 (on loopback), or 0.0.0.0:9101."
    ),
    click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each line, for programs."),
)


def work_options(command: F) -> F:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
