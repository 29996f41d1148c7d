"""Commands of ``hookguard`` on the project's store: what those of ``manage.py`` share."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hookguard import HookguardError
from hookguard_django.conf import endpoints

__all__ = ["StoreCommand", "needs_cli"]


@contextmanager
def needs_cli() -> Iterator[None]:
    """Import modules of ``hookguard.cli``. Raises CommandError if the extra ``cli`` is not installed."""
    try:
        yield
    except ModuleNotFoundError as missing:
        if missing.name not in ("click", "rich"):
            raise
        raise CommandError("this command needs two more packages: pip install 'hookguard-webhooks[cli]'") from None


class StoreCommand(BaseCommand):
    """A group of commands of ``hookguard``, which ``run`` runs on the project's store."""

    def run(self, store: Any, words: Sequence[str]) -> None:
        """Run the command that the words name. Raises HookguardError."""
        raise NotImplementedError

    def run_from_argv(self, argv: list[str]) -> None:
        """Pass the words on as they are: their options are not Django's."""
        try:
            self.handle(words=argv[2:])
        except CommandError as error:
            self.stderr.write(f"{type(error).__name__}: {error}")
            raise SystemExit(error.returncode) from None

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take any words, for ``call_command``."""
        parser.add_argument("words", nargs="*")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run one of the commands."""
        try:
            self.run(endpoints().store, options["words"])
        except HookguardError as error:
            raise CommandError(str(error)) from error
