"""``manage.py hookguard_replay``: the project handles a recorded delivery once more."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hookguard import HookguardError
from hookguard_django import work
from hookguard_django.conf import endpoints
from hookguard_django.store_command import needs_cli

__all__ = ["Command"]


class Command(BaseCommand):
    """Replay one delivery."""

    help = "Lets the project handle a recorded delivery once more: a verified event whose body was kept."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options of ``hookguard replay``."""
        parser.add_argument("delivery", metavar="ID", help="the delivery's name, or its beginning as the log shows it")
        parser.add_argument("--reason", required=True, help="why; it is stored and logged")
        parser.add_argument("--forget", action="store_true", help="forget the event's claim first, to run it once more")
        parser.add_argument(
            "--asgi", action="store_true", help="call the ASGI application (default: if ASGI_APPLICATION is set, otherwise WSGI)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command."""
        with needs_cli():
            from click import ClickException  # noqa: PLC0415 - it needs an extra

            from hookguard.cli.listing import checked_reason  # noqa: PLC0415 - likewise
            from hookguard.cli.replay import run_replay  # noqa: PLC0415 - likewise
        try:
            reason = checked_reason(options["reason"])
            app = work.application(asgi=options["asgi"])
            how = {"forget": options["forget"], "reason": reason, "rerun": "manage.py hookguard_inbox rerun"}
            status = run_replay(endpoints().store, options["delivery"], app, work, **how)
        except HookguardError as error:
            raise CommandError(str(error)) from error
        except ClickException as error:
            raise CommandError(error.message) from error
        raise SystemExit(status)
