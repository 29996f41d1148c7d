"""``manage.py hookguard_prune``: delete expired webhook events, in small batches that nobody waits for."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from hookguard.errors import StoreError
from hookguard_django.conf import claims_database
from hookguard_django.stores import ORMStore


class Command(BaseCommand):
    """Delete until nothing expired is left, or as many as one may."""

    help = "Deletes webhook events whose retention is over. The store does so itself, a few at a time; this is for a backlog."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the database, and how gently to go about it."""
        parser.add_argument("--database", help="alias of the database; by default the one that the store is in")
        parser.add_argument("--limit", type=int, help="delete at most so many events (default: all that have expired)")
        parser.add_argument("--batch", type=int, default=1000, help="events in one transaction (default: 1000)")
        parser.add_argument("--pause", type=float, default=0.02, help="seconds between two batches (default: 0.02)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command."""
        limit, batch, pause = options["limit"], options["batch"], options["pause"]
        if batch < 1 or (limit is not None and limit < 1) or not pause >= 0:
            raise CommandError("--batch and --limit must be at least 1, and --pause must not be negative")
        if options["database"] not in (None, *connections):
            raise CommandError(f"DATABASES has no {options['database']!r}: --database takes one of {', '.join(connections)}")
        deleted = 0
        try:
            store = ORMStore(options["database"] or claims_database())
            while True:
                asked = batch if limit is None else min(batch, limit - deleted)
                found = store.purge(limit=asked)
                deleted += found
                # Fewer than asked for: what is left is held by others, or has expired only now.
                if found < asked or deleted == limit:
                    break
                time.sleep(pause)
        except StoreError as error:
            raise CommandError(f"{deleted} deleted, then: {error}" if deleted else str(error)) from error
        if options["verbosity"]:
            self.stdout.write(f"{deleted} expired webhook event{'' if deleted == 1 else 's'} deleted")
