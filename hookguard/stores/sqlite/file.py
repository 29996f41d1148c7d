"""The file of a SQLite database and its journals: notices replaced files, and keeps them private."""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from hookguard.errors import StoreMisconfigured

__all__ = ["FileWatch", "inode", "make_private"]

_log = logging.getLogger("hookguard.store")

#: The files that SQLite keeps beside a database in WAL mode.
_JOURNALS: Final = ("-wal", "-shm")

#: Reading and writing for the owner alone.
_PRIVATE: Final = 0o600

#: Nanoseconds. Two changes of a folder within one tick of the file system's clock have the same time.
_TICK: Final = 100_000_000
_SECOND: Final = 1_000_000_000


class FileWatch:
    """Notices that a database, or one of its journals, was deleted or replaced since the watch was made.

    It is asked at each claim, so it usually reads only the folder's time of change: without a change the folder holds the
    same files.
    """

    def __init__(self, path: Path) -> None:
        self._paths = (os.fspath(path), *_journals(path))
        self._folders = tuple({os.path.dirname(each) for each in self._paths})  # noqa: PTH120 - see inode()
        self._files = tuple(map(inode, self._paths))
        self._compared: tuple[tuple[int, int, int], ...] = ()

    def changed(self) -> bool:
        """Return whether a file was deleted or replaced."""
        try:
            folders = tuple(map(_folder, self._folders))
        except OSError:
            return True
        if folders == self._compared:
            return False
        if tuple(map(inode, self._paths)) != self._files:
            return True
        # Do not remember a time that a second change could repeat: the current tick, or a clock that counts whole seconds.
        old = time.time_ns() - _TICK
        self._compared = folders if all(changed < old and changed % _SECOND for _, _, changed in folders) else ()
        return False


def inode(path: str) -> tuple[int, int] | None:
    """Return the identity of the file at this path (device and inode), or None if the file is missing."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a Path costs more than the call
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _folder(path: str) -> tuple[int, int, int]:
    found = os.stat(path)  # noqa: PTH116
    return found.st_dev, found.st_ino, found.st_ctime_ns


def _journals(path: Path) -> tuple[str, ...]:
    # SQLite keeps them beside the file itself, not beside a link to it.
    return tuple(os.path.realpath(path) + end for end in _JOURNALS)


def make_private(path: Path) -> None:
    """Create the database's file for its owner alone, or remove the rights of other users from an existing file.

    The file holds event ids and stored replies. SQLite gives its journals the same rights. A group that may write was given
    that right on purpose, and keeps it. A file with tables of another program keeps its rights, and the log reports that. Raises
    StoreMisconfigured for a file or link that another user put into a folder like ``/tmp``.
    """
    if os.name != "posix":
        return
    # If this fails, SQLite gives the better error when it opens the file.
    with suppress(OSError):
        _check_folder(path)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _PRIVATE))
        shared = _holds_other_tables(path)
        for each in (path, *map(Path, _journals(path))):
            with suppress(FileNotFoundError):
                _remove_rights_of_others(each, shared=shared)


def _holds_other_tables(path: Path) -> bool:
    """Whether the file belongs to another program too. A file that cannot be read does: it is not ours to change."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    except sqlite3.Error:
        return True
    return any(not name.startswith(("hookguard_", "sqlite_")) for (name,) in names)


def _check_folder(path: Path) -> None:
    folder = path.parent.stat()
    if not folder.st_mode & stat.S_IWOTH:
        return
    shared = bool(folder.st_mode & stat.S_ISVTX)
    with suppress(FileNotFoundError):
        found = path.lstat()
        strangers = found.st_uid not in (os.geteuid(), folder.st_uid)
        if strangers and (shared or stat.S_ISLNK(found.st_mode)):
            raise StoreMisconfigured(
                f"another user (uid {found.st_uid}) put {path} into {path.parent}, which any user may write to: give a path in a"
                " folder of this application's own"
            )
    if not shared:
        _log.warning(
            "any user may replace files in %s, and the claims with them: give the store a folder of its own", path.parent
        )


def _remove_rights_of_others(path: Path, *, shared: bool) -> None:
    rights = stat.S_IMODE(path.stat().st_mode)
    kept = rights & (0o660 if rights & stat.S_IWGRP else _PRIVATE)
    if rights == kept:
        return
    if shared:
        _log.warning(
            "other users may read %s (mode %o), and it has tables of another program, so its mode stays: give the store a file of"
            " its own, or set mode 600",
            path,
            rights,
        )
        return
    try:
        path.chmod(kept)
    except PermissionError:
        _log.warning("other users may read %s (mode %o), and this process may not change that: set mode 600", path, rights)
    else:
        _log.warning("other users could read %s (mode %o): its mode is now %o", path, rights, kept)
