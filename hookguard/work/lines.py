"""The lines that a worker's command shows: one for each event, for people or for programs."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any, Final

__all__ = ["show_lines"]

_log = logging.getLogger("hookguard")

#: The attributes of every record; any other one was given as ``extra``.
_USUAL: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def show_lines(*, as_json: bool) -> None:
    """Show the lines of the log from INFO on: as the application has configured its log, otherwise on stderr.

    ``as_json`` adds a JSON object a line on stdout.
    """
    if _log.level == logging.NOTSET:
        _log.setLevel(logging.INFO)
    if as_json:
        _add(logging.StreamHandler(sys.stdout), JsonLines())
    elif not _log.hasHandlers():
        _add(logging.StreamHandler(sys.stderr), logging.Formatter("%(asctime)s %(levelname)s %(message)s"))


def _add(handler: logging.Handler, formatter: logging.Formatter) -> None:
    handler.setFormatter(formatter)
    _log.addHandler(handler)


class JsonLines(logging.Formatter):
    """One JSON object for each line of the log, with the facts of its outcome."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        facts: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{record.msecs:03.0f}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        facts |= {name: value for name, value in vars(record).items() if name not in _USUAL}
        if record.exc_info:
            facts["exception"] = self.formatException(record.exc_info)
        return json.dumps(facts, default=str)
