"""Django's log of requests without the traceback of a ``GiveUp`` in a worker: the worker has a line for it."""

from __future__ import annotations

import logging
from typing import Final

from django.http import HttpRequest

from hookguard.guard.resuming import gave_up
from hookguard_django.delivery import mark_of

__all__ = ["log_no_decisions"]


class _Failures(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        error = record.exc_info[1] if record.exc_info else None
        return not (isinstance(request, HttpRequest) and gave_up(mark_of(request), error))


_FAILURES: Final = _Failures()


def log_no_decisions() -> None:
    """From now on, log no request that a worker made and the view gave up."""
    logging.getLogger("django.request").addFilter(_FAILURES)
