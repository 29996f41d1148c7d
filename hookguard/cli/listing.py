"""The parts that commands about a store's contents share: the command group, spans of time, and reasons."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

import click

from hookguard.evidence.settings import read_span

__all__ = ["SPAN", "Listing", "checked_reason", "pass_opened", "person", "reason_option", "run_group"]


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
