"""The worker of ``hookguard demo``: a process that is started, killed and stopped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

__all__ = ["DemoWorker"]

#: Seconds until the process must have ended.
_PATIENCE: Final = 30.0


class DemoWorker:
    """The worker's process, which runs the receiver's application."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start a worker."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hookguard.cli.demo_receiver", str(self._folder), "--work"],
            stderr=subprocess.DEVNULL,  # it logs each failure that the demo provokes
        )

    def kill(self) -> None:
        """Kill the worker, as the system does when memory is short."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_PATIENCE)
            self._process = None

    def stop(self) -> None:
        """Stop the worker."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_PATIENCE)
            self._process = None
