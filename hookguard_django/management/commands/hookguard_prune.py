"""``manage.py hookguard_prune``: delete expired events, old inbox entries and records, in batches too small to delay a claim."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from hookguard.errors import StoreError
from hookguard.stores.evidence_sql import DELIVERY_TABLE
from hookguard.stores.inbox_sql import INBOX_TABLE
from hookguard_django.conf import claims_database
from hookguard_django.stores import ORMStore
from hookguard_django.stores.connection import connection_to
from hookguard_django.stores.table_check import has_table


class Command(BaseCommand):
    """Delete expired events until none is left, or until the limit; then the same with old inbox entries and old records."""

    help = "Deletes webhook events whose retention is over. Stores delete a few at a time; this command is for a backlog."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options for the database, the limit and the pace."""
        parser.add_argument("--database", help="alias of the database (default: the store's)")
        parser.add_argument("--limit", type=int, help="the most events to delete (default: all that have expired)")
        parser.add_argument("--batch", type=int, default=1000, help="events per transaction (default: 1000)")
        parser.add_argument("--pause", type=float, default=0.02, help="seconds between two batches (default: 0.02)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command."""
        limit, batch, pause = options["limit"], options["batch"], options["pause"]
        if batch < 1 or (limit is not None and limit < 1) or not pause >= 0:
            raise CommandError("--batch and --limit must be at least 1, and --pause must not be negative")
        if options["database"] not in (None, *connections):
            raise CommandError(f"DATABASES has no {options['database']!r}: --database takes one of {', '.join(connections)}")
        store = ORMStore(options["database"] or claims_database())
        deleted = self._delete(store.purge, limit, batch, pause)
        connection = connection_to(store.using)
        entries = self._delete(store.inbox().prune, limit, batch, pause) if has_table(connection, INBOX_TABLE) else 0
        records = self._delete(store.evidence().prune, limit, batch, pause) if has_table(connection, DELIVERY_TABLE) else 0
        if options["verbosity"]:
            self.stdout.write(f"{deleted} expired webhook event{'' if deleted == 1 else 's'} deleted")
            if entries:
                self.stdout.write(f"{entries} old inbox entr{'y' if entries == 1 else 'ies'} deleted")
            if records:
                self.stdout.write(
                    f"{records} old record{'' if records == 1 else 's'} or bod{'y' if records == 1 else 'ies'} deleted"
                )

    @staticmethod
    def _delete(delete: Callable[..., int], limit: int | None, batch: int, pause: float) -> int:
        deleted = 0
        try:
            while True:
                asked = batch if limit is None else min(batch, limit - deleted)
                found = delete(limit=asked)
                deleted += found
                # Fewer than the batch: other workers hold the rest, or it expired just now. Records may be more than asked for,
                # because bodies are counted beside them.
                if found < asked or (limit is not None and deleted >= limit):
                    return deleted
                time.sleep(pause)
        except StoreError as error:
            raise CommandError(f"{deleted} deleted, then: {error}" if deleted else str(error)) from error
