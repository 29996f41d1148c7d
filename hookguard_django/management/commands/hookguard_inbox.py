"""``manage.py hookguard_inbox``: the commands of ``hookguard inbox`` on the project's store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hookguard_django.store_command import StoreCommand, needs_cli

__all__ = ["Command"]


class Command(StoreCommand):
    """List the entries of the inbox, show one, rerun, drop and prune."""

    help = "The commands of `hookguard inbox` on the project's store: list (the default), show, rerun, drop, prune."

    def run(self, store: Any, words: Sequence[str]) -> None:
        """Run one of the commands."""
        with needs_cli():
            from hookguard.cli.inbox import run_commands  # noqa: PLC0415 - it needs an extra
        run_commands(store, words, "manage.py hookguard_inbox")
