"""``manage.py hookguard_work``: handle the events of the project's inbox."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hookguard import HookguardError
from hookguard.work.command import run_command
from hookguard.work.defaults import AT_ONCE, GRACE
from hookguard_django.work import application, open_lanes

__all__ = ["Command"]


class Command(BaseCommand):
    """Work until SIGTERM."""

    help = "Handles the events of the inbox: calls the project with each event that is due, until SIGTERM."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options of a worker, and the kind of application."""
        parser.add_argument("--endpoint", action="append", default=[], help="work on this endpoint only; repeat for several")
        parser.add_argument("--drain", action="store_true", help="end when nothing is due, instead of waiting for more")
        parser.add_argument("--at-once", type=int, default=AT_ONCE, help=f"events that run concurrently (default: {AT_ONCE})")
        parser.add_argument(
            "--grace", type=float, default=GRACE, help=f"seconds for running handlers after SIGTERM (default: {GRACE:.0f})"
        )
        parser.add_argument(
            "--metrics", metavar="ADDRESS", help="serve the metrics for Prometheus there: 9101 (on loopback), or 0.0.0.0:9101"
        )
        parser.add_argument("--json", action="store_true", help="print a JSON object for each line, for programs")
        parser.add_argument(
            "--asgi", action="store_true", help="call the ASGI application (default: if ASGI_APPLICATION is set, otherwise WSGI)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command."""
        try:
            app = application(asgi=options["asgi"])
            run_command(
                app,
                open_lanes(app, options["endpoint"]),
                at_once=options["at_once"],
                grace=options["grace"],
                drain=options["drain"],
                as_json=options["json"],
                metrics=options["metrics"],
            )
        except HookguardError as error:
            raise CommandError(str(error)) from error
