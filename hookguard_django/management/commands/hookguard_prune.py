"""``manage.py hookguard_prune``: delete expired webhook events, in small batches that nobody waits for."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hookguard.errors import StoreError
from hookguard_django.stores import ORMStore


class Command(BaseCommand):
    """Delete until nothing expired is left."""

    help = "Deletes webhook events whose retention is over. The store does so itself, a few at a time; this is for a backlog."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the database, and how gently to go about it."""
        parser.add_argument("--database", default=None, help="alias of the database; by default the routers choose")
        parser.add_argument("--batch", type=int, default=1000, help="rows in one transaction (default 1000)")
        parser.add_argument("--pause", type=float, default=0.02, help="seconds between two batches (default 0.02)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command."""
        if options["batch"] < 1:
            raise CommandError("--batch must be at least 1")
        store, deleted = ORMStore(options["database"]), 0
        try:
            while found := store.purge(limit=options["batch"]):
                deleted += found
                time.sleep(options["pause"])
        except StoreError as error:
            raise CommandError(f"{deleted} deleted, then: {error}") from error
        self.stdout.write(f"{deleted} expired webhook events deleted")
