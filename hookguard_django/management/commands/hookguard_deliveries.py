"""``manage.py hookguard_deliveries``: the commands of ``hookguard deliveries`` on the project's store."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hookguard import HookguardError
from hookguard.evidence.contract import KeepsEvidence
from hookguard_django.conf import endpoints

__all__ = ["Command"]


class Command(BaseCommand):
    """List the records of deliveries, show one, prune, and forget an event."""

    help = "The commands of `hookguard deliveries` on the project's store: list (the default), show, prune, forget."

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
            from hookguard.cli.deliveries import run_commands  # noqa: PLC0415 - it needs an extra
        except ModuleNotFoundError as missing:
            if missing.name not in ("click", "rich"):
                raise
            raise CommandError("this command needs two more packages: pip install 'hookguard-webhooks[cli]'") from None
        try:
            store = endpoints().store
            if not isinstance(store, KeepsEvidence):
                raise CommandError(f"{store!r} keeps no records of deliveries")
            run_commands(store.evidence(), options["words"], "manage.py hookguard_deliveries")
        except HookguardError as error:
            raise CommandError(str(error)) from error
