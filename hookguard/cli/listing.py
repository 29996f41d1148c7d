"""The parts that commands about a store's contents share: the command group, tables, spans of time, and reasons."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from functools import wraps
from typing import Any, TypeVar, cast

import click
from rich.console import Console
from rich.table import Table

from hookguard.evidence.settings import read_span
from hookguard.privacy.shown import printable

__all__ = [
    "SPAN",
    "Listing",
    "checked_reason",
    "instant",
    "is_of_event",
    "pass_opened",
    "person",
    "print_facts",
    "print_table",
    "reason_option",
    "run_group",
    "span",
]


F = TypeVar("F", bound=Callable[..., Any])


class _Span(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions of click alone
    """A span of time: ``30s``, ``10min``, ``2h``, ``3d``."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = read_span(value)
        if found is None:
            self.fail(f"{value!r} is not a span of time such as 30s, 10min, 2h or 3d", param, ctx)
        return found


SPAN = _Span()


class Listing(click.Group):
    """A group whose command is ``list`` if none is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert the name of the command."""
        if args and not args[0].startswith("-") and (len(args) == 1 or args[1].startswith("-")):
            args = [args[0], "list", *args[1:]]
        return super().parse_args(ctx, args)


def is_of_event(kept: str, wanted: str) -> bool:
    """Return whether an event's id in a store is the provider's id, also if a digest of the content follows: ``ID:8077f319…``."""
    return kept == wanted or (kept[: len(wanted) + 1] == f"{wanted}:" and len(kept) == len(wanted) + 33)


def span(seconds: float) -> str:
    """Return a span of time in its largest unit, and the next smaller one if that is not zero: ``1 min 10 s``."""
    left = max(1, round(seconds))
    parts: list[tuple[int, str]] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        number, left = divmod(left, size)
        if number or parts:
            parts.append((number, unit))
    return " ".join(f"{number} {unit}" for number, unit in parts[:2] if number)


def instant(seconds: float) -> str:
    """Return an instant with its date, in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(sep=" ", timespec="milliseconds")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, folded: Sequence[str]) -> None:
    """Print a table. A terminal's width wraps the ``folded`` columns and cuts the others; a pipe gets a line for each row."""
    shown = [[printable(cell) for cell in row] for row in rows]
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        widths = [max(map(len, column)) for column in zip(columns, *shown, strict=True)]
        for row in (columns, *shown):
            click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
        return
    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold" if column in folded else "ellipsis", no_wrap=not number)
    for row in shown:
        table.add_row(*row)
    console.width = max(console.width, 100)
    console.print(table)


def print_facts(facts: Mapping[str, str | Sequence[str]]) -> None:
    """Print a line for each fact that is not empty, and for each text of a fact with several."""
    width = max(map(len, facts))
    for name, value in facts.items():
        for number, line in enumerate([value] if isinstance(value, str) else value):
            if line:
                click.echo(f"{'' if number else name:<{width}}  {printable(line)}")


def pass_opened(command: F) -> F:
    """Pass a command what its group's ``ctx.obj`` returns, called after the command's own words were read.

    So a command shows its help, and names a mistake in its options, also if the store cannot be opened.
    """

    @click.pass_context
    @wraps(command)
    def opened(ctx: click.Context, *given: Any, **named: Any) -> Any:
        return ctx.invoke(command, ctx.obj(), *given, **named)

    return cast("F", opened)


def run_group(group: click.Group, given: Any, words: Sequence[str], name: str, says: str) -> None:
    """Run one of a group's commands on an object that was found already; ``list`` if none is named. Exits the process."""
    named = bool(words) and (words[0] in group.commands or words[0] in ("--help", "-h"))
    settings = {"help_option_names": ["-h", "--help"]}
    alone = click.Group(name, commands=group.commands, help=says, context_settings=settings)
    alone.main(args=[*([] if named else ["list"]), *words], prog_name=name, obj=lambda: given)


def checked_reason(text: str) -> str:
    """Return a reason without the space around it. Raises BadParameter for one that says nothing."""
    if len(text.strip()) < 3:
        raise click.BadParameter("say in a few words why: the reason is stored and logged")
    return text.strip()


reason_option = click.option(
    "--reason",
    required=True,
    callback=lambda _context, _option, text: checked_reason(text),
    metavar="TEXT",
    help="Why; it is stored and logged.",
)


def person() -> str:
    """Return the name of the person at the terminal."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user of the system without a name
        return "unknown"
