"""The server's settings about its workers: how many there are, and how long one may take for a request."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import PurePath
from types import FrameType
from typing import Any, Final

__all__ = ["declared_threads", "declared_timeout", "declared_workers"]

#: gunicorn's default timeout of a worker, in seconds
#: (https://docs.gunicorn.org/en/stable/settings.html#timeout, 2026-11-25).
_GUNICORN: Final = 30.0

#: Servers whose worker processes are counted on the command line, with their options and the environment variable.
_WORKERS: Final[dict[str, tuple[str, str, str]]] = {
    "gunicorn": ("-w", "--workers", ""),
    "uvicorn": ("", "--workers", "UVICORN_WORKERS"),
    "fastapi": ("", "--workers", ""),
    "hypercorn": ("-w", "--workers", ""),
    "granian": ("", "--workers", "GRANIAN_WORKERS"),
}


def declared_workers() -> int:
    """Return the number of worker processes that the server declares; 1 if it declares none.

    Sources: the arguments of gunicorn, uvicorn, hypercorn, granian and FastAPI's command, GUNICORN_CMD_ARGS and gunicorn's
    configuration file, the arguments of ``uvicorn.run()``, the modules of uWSGI and mod_wsgi, and WEB_CONCURRENCY.
    """
    for module, attribute in (("uwsgi", "numproc"), ("mod_wsgi", "maximum_processes")):
        if (server := sys.modules.get(module)) is not None:
            return _whole(getattr(server, attribute, 1)) or 1
    short, long, variable = _WORKERS.get(_server(), ("-w", "--workers", ""))
    # In the order of precedence that the servers use.
    if (found := _passed_to_uvicorn()) is not None:
        return found
    found = _number(sys.argv[1:], short, long) if _server() in _WORKERS else None
    if found is None and variable:
        found = _whole(os.environ.get(variable))
    if found is None and _server() in ("gunicorn", ""):
        found = _number(_from_environment(), "-w", "--workers") or _whole(_configured("workers"))
    return found or _whole(os.environ.get("WEB_CONCURRENCY")) or 1


def declared_threads() -> int:
    """Return the number of threads in each worker that the server declares; 1 if it declares none.

    Sources: gunicorn's arguments, GUNICORN_CMD_ARGS and configuration file, and the modules of uWSGI and mod_wsgi.
    """
    if (uwsgi := sys.modules.get("uwsgi")) is not None:
        return _whole(_text(getattr(uwsgi, "opt", {}).get("threads"))) or 1
    if (mod_wsgi := sys.modules.get("mod_wsgi")) is not None:
        return _whole(getattr(mod_wsgi, "threads_per_process", 1)) or 1
    if _server() != "gunicorn":
        return 1
    found = _number(sys.argv[1:], "", "--threads") or _number(_from_environment(), "", "--threads")
    return found or _whole(_configured("threads")) or 1


def declared_timeout() -> float | None:
    """Return after how many seconds the server kills a busy worker; None if it never does, or declares nothing.

    Sources: gunicorn's arguments, GUNICORN_CMD_ARGS and configuration file, and uWSGI's option ``harakiri``.
    """
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is not None:
        harakiri = getattr(uwsgi, "opt", {}).get("harakiri", b"0")
        return float(harakiri) or None
    if _server() != "gunicorn":
        return None
    found = _number(sys.argv[1:], "-t", "--timeout")
    if found is None:
        found = _number(_from_environment(), "-t", "--timeout")
    if found is None:
        found = _whole(_configured("timeout"))
    return _GUNICORN if found is None else float(found) or None


def _text(given: Any) -> Any:
    """Return uWSGI's bytes as text."""
    return given.decode("ascii", "replace") if isinstance(given, bytes) else given


def _server() -> str:
    """Return the server that this process runs, or "": ``/usr/bin/gunicorn``, or ``…/gunicorn/__main__.py`` with ``-m``."""
    path = PurePath(sys.argv[0] if sys.argv else "")
    command = path.parent.name if path.name == "__main__.py" else path.name
    return next((name for name in _WORKERS if command.startswith(name)), "")


def _passed_to_uvicorn() -> int | None:
    """Return the ``workers`` of ``uvicorn.run()``: it is on the stack while a worker process imports the application."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__") == "uvicorn._subprocess":
            config = frame.f_locals.get("config")
            return 1 if getattr(config, "reload", False) else _whole(getattr(config, "workers", None))
        frame = frame.f_back
    return None


def _from_environment() -> list[str]:
    try:
        return shlex.split(os.environ.get("GUNICORN_CMD_ARGS", ""))
    except ValueError:  # gunicorn itself reports the mistake
        return []


def _configured(name: str) -> Any:
    """Return a setting of gunicorn's configuration file, a module: ``__config__``, or the one after ``-c python:``."""
    given = re.findall(r"(?<!\S)(?:-c\s?|--config[\s=])python:(\S+)", " ".join([*_from_environment(), *sys.argv[1:]]))
    return getattr(sys.modules.get(given[-1] if given else "__config__"), name, None)


def _whole(given: Any) -> int | None:
    return int(given) if isinstance(given, int) or (isinstance(given, str) and given.isdecimal()) else None


def _number(arguments: Sequence[str], short: str, long: str) -> int | None:
    """Return the number after the last of an option's spellings: ``-w 4``, ``-w4``, ``--workers 4``, ``--workers=4``."""
    spellings = [rf"{long}[\s=]", *([rf"{short}\s?"] if short else [])]
    found = re.findall(rf"(?<!\S)(?:{'|'.join(spellings)})(\d+)(?!\S)", " ".join(arguments))
    return int(found[-1]) if found else None
