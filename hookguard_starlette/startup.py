"""The doctor's report in the log when an ASGI application starts, as Django's system checks print theirs."""

from __future__ import annotations

import logging
from typing import Any, Final

from hookguard import AsyncGuard
from hookguard.config import Guards
from hookguard.doctor import examine
from hookguard.remarks import Level
from hookguard_starlette.doctor import describe

__all__ = ["report"]

_log = logging.getLogger("hookguard.doctor")

_LEVELS: Final[dict[Level, int]] = {"error": logging.ERROR, "warning": logging.WARNING}

#: Checks that were made already: of times (warnings of Python), of the framework's limit, and of the store.
_SAID: Final = frozenset({"T2", "L1", "L2", "W3", "M4", "M5", "M7"})


def report(app: Any, guards: Guards[AsyncGuard]) -> None:
    """Log each error and warning about the settings and routes; nothing for a sound application. Never raises."""
    try:
        findings = examine(describe(app, guards), ("settings", "routes"))
    except Exception as error:
        # A start must not fail because a check did. The traceback could show a setting.
        _log.warning("the doctor could not examine the application: %s", type(error).__name__)
        return
    for each in findings:
        if each.level != "info" and not each.silenced and each.check not in _SAID:
            _log.log(_LEVELS[each.level], "%s: %s. %s", each.check, each.sentence, each.fix, extra={"check": each.check})
