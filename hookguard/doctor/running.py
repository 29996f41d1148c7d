"""Checks of the process around the application: its log, its packages, and files that hold secrets."""

from __future__ import annotations

import logging
import re
import stat
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final

from hookguard.doctor.application import Application, Finder
from hookguard.doctor.secrets import secrets_by_text
from hookguard.remarks import Remark

__all__ = ["RUNNING_FINDERS"]

#: Files in the working directory that often hold secrets.
FILES: Final = (".env", ".env.local", ".env.production", ".flaskenv", "docker-compose.yml", "compose.yaml", "settings.toml")
#: Bytes of such a file that are read.
LARGEST: Final = 1 << 20

#: An entry of the package's metadata, such as ``flask>=3.1; extra == 'flask'``.
_NEEDS = re.compile(r"([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?>=([0-9][0-9.]*)")


def _log_lines(application: Application) -> Iterator[Remark]:
    if not application.every_endpoint():
        return
    logger = logging.getLogger("hookguard")
    if logger.disabled:
        yield Remark(
            "O1",
            "the logger 'hookguard' is disabled, so no log line says why deliveries fail",
            'Put "disable_existing_loggers": False into LOGGING (or into the mapping for logging.config.dictConfig)',
        )
    elif not logger.isEnabledFor(logging.WARNING):
        level = logging.getLevelName(logger.getEffectiveLevel())
        yield Remark(
            "O1",
            f"the logger 'hookguard' has the level {level}, so no log line says why a delivery is rejected",
            "Set its level to INFO, or at least to WARNING",
        )


def _leaks(application: Application) -> Iterator[Remark]:
    secrets = secrets_by_text(application)
    arguments = "\0".join(sys.argv).encode("utf-8", "surrogateescape")
    for text, about in secrets.items():
        if text in arguments:
            yield Remark("O2", f"{about} is in the arguments of this process, which every user of the machine can read")
    tracked = _tracked()
    for name in FILES:
        file = Path(name)
        try:
            if not file.is_file() or file.stat().st_size > LARGEST:
                continue
            held, readable = file.read_bytes(), file.stat().st_mode & stat.S_IROTH
        except OSError:
            continue  # others cannot read it either
        for text, about in secrets.items():
            if text not in held:
                continue
            if name in tracked:
                yield Remark("O2", f"{about} is in {name}, which the Git repository tracks")
            elif readable:
                yield Remark("O2", f"{about} is in {name}, which every user of the machine can read", f"Run chmod 600 {name}")


def _tracked() -> set[str]:
    """Return which of the files are in the index of the Git repository in the working directory."""
    try:
        index = Path(".git", "index").read_bytes()
    except OSError:
        return set()
    # An entry ends with its length in two bytes, its path and at least one NUL
    # (https://git-scm.com/docs/index-format, 2026-11-30).
    return {name for name in FILES if len(name).to_bytes(2, "big") + name.encode() + b"\0" in index}


def _versions(_: Application) -> Iterator[Remark]:
    try:
        needs = requires("hookguard-webhooks") or []
    except PackageNotFoundError:
        return  # used from its source, without being installed
    least_versions = {found[1]: found[2] for need in needs if (found := _NEEDS.match(need))}
    for name, least in least_versions.items():
        try:
            there = version(name)
        except PackageNotFoundError:
            continue
        if _numbers(there) < _numbers(least):
            yield Remark(
                "V1", f"{name} {there} is installed, and hookguard needs at least {least}", f"pip install '{name}>={least}'"
            )


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", re.split(r"[^0-9.]", text)[0]))


RUNNING_FINDERS: Final = (
    Finder(("O1",), _log_lines),
    Finder(("O2",), _leaks),
    Finder(("V1",), _versions),
)
