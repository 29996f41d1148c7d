"""Warns of a handler that writes with a session of its own: in transactional mode the event does not cover such a write."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from hookguard.stores.sql.execute import CARRIES_CLAIMS

__all__ = ["OwnSessions"]

_log = logging.getLogger("hookguard.store")
_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE|MERGE)\b", re.IGNORECASE)


class OwnSessions:
    """Watches the engines of one store, and logs one warning."""

    def __init__(self, handled: Callable[[], object | None]) -> None:
        self._handled = handled  # returns the session of the event in progress, or None
        self._warned = False

    def watch(self, engine: Engine) -> None:
        """Watch the statements of this engine."""
        event.listen(engine, "before_cursor_execute", self._see)

    def _see(self, connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if self._warned or self._handled() is None or CARRIES_CLAIMS in connection.get_execution_options():
            return
        if _WRITES.match(statement):
            self._warned = True
            _log.warning(
                "a handler writes with a session of its own, whose commit is separate from the event's: the write may happen"
                " twice, or without the event. Write with store.session"
            )
