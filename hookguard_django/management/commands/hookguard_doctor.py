"""``manage.py hookguard_doctor``: find what is wrong with the project's set-up, before the first delivery does."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from hookguard.doctor.examine import OFFLINE, examine
from hookguard.doctor.report import as_json, exit_status, lines
from hookguard.stores.creation import creating_nothing
from hookguard_django.doctor import describe

__all__ = ["Command"]


class Command(BaseCommand):
    """Ask every check about the project and its store."""

    help = "Finds what is wrong with the project's set-up, before the first delivery does. Exits with 1 if an error was found."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options of ``hookguard doctor``."""
        parser.add_argument("--json", action="store_true", help="print JSON, for programs")
        parser.add_argument("--online", action="store_true", help="ask the providers over the network too")
        parser.add_argument(
            "--fail-on", choices=["error", "warning"], default="error", help="from which level on the exit status is 1"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command."""
        with creating_nothing():
            project = describe()
            findings = examine(project, (*OFFLINE, "online") if options["online"] else OFFLINE)
        fails = options["fail_on"] == "warning"
        if options["json"]:
            self.stdout.write(as_json(project, findings, fail_on_warning=fails))
        else:
            for line in lines(project, findings):
                self.stdout.write(line)
        raise SystemExit(exit_status(findings, fail_on_warning=fails))
