"""``manage.py hookguard_deliveries``: the commands of ``hookguard deliveries`` on the project's store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hookguard_django.store_command import StoreCommand, needs_cli

__all__ = ["Command"]


class Command(StoreCommand):
    """List the records of deliveries, show one, prune, and forget an event."""

    help = "The commands of `hookguard deliveries` on the project's store: list (the default), show, prune, forget."

    def run(self, store: Any, words: Sequence[str]) -> None:
        """Run one of the commands."""
        with needs_cli():
            from hookguard.cli.deliveries import run_commands  # noqa: PLC0415 - it needs an extra
            from hookguard.cli.store import evidence_of  # noqa: PLC0415 - likewise
        run_commands(evidence_of(store), words, "manage.py hookguard_deliveries")
