"""What a server tells of its worker processes: how many there are, and how long one may take over a request."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import PurePath
from typing import Final

__all__ = ["declared_timeout", "declared_workers"]

#: What gunicorn grants a worker when nobody says otherwise, in seconds
#: (https://docs.gunicorn.org/en/stable/settings.html#timeout, 2026-11-25).
_GUNICORN: Final = 30.0


def declared_workers() -> int:
    """Return how many worker processes are asked for by WEB_CONCURRENCY (gunicorn, uvicorn) or GUNICORN_CMD_ARGS; else 1."""
    found = os.environ.get("WEB_CONCURRENCY", "")
    if found.isdecimal():
        return int(found)
    return (not found and _number(_from_environment(), "-w", "--workers")) or 1


def declared_timeout() -> float | None:
    """Return after how many seconds the server gives a worker up, or None when it tells nothing or never does.

    gunicorn tells by its arguments and GUNICORN_CMD_ARGS (not by its configuration file, which cannot be seen from here),
    uWSGI by its option ``harakiri``.
    """
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is not None:
        harakiri = getattr(uwsgi, "opt", {}).get("harakiri", b"0")
        return float(harakiri) or None
    if not any("gunicorn" in part for part in PurePath(sys.argv[0] if sys.argv else "").parts[-2:]):
        return None
    for arguments in (sys.argv[1:], _from_environment()):
        found = _number(arguments, "-t", "--timeout")
        if found is not None:
            return float(found) or None
    return _GUNICORN


def _from_environment() -> list[str]:
    try:
        return shlex.split(os.environ.get("GUNICORN_CMD_ARGS", ""))
    except ValueError:  # gunicorn itself will say what is wrong with it
        return []


def _number(arguments: Sequence[str], short: str, long: str) -> int | None:
    """The number behind the last of an option's spellings: ``-w 4``, ``-w4``, ``--workers 4``, ``--workers=4``."""
    found = re.findall(rf"(?<!\S)(?:{short}\s?|{long}[\s=])(\d+)(?!\S)", " ".join(arguments))
    return int(found[-1]) if found else None
