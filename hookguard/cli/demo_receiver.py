"""The receiver that ``hookguard demo`` starts. It is a separate process, so the demo can restart it.

    python -m hookguard.cli.demo_receiver FOLDER [--work]

With ``--work`` the process is the worker of the same application, whose endpoint ``inbox`` answers first. FOLDER holds
``secrets.json``. The receiver keeps its claims in a SQLite file there, appends a line to ``runs.jsonl`` each time a handler runs
and one to ``outcomes.jsonl`` for each delivery, and prints its port.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import uvicorn

from hookguard import Event, Outcome
from hookguard.work.process import work
from hookguard.work.worker import Worker
from hookguard_starlette import HookGuard

__all__ = ["handle_later", "make", "serve"]


#: Seconds until an event whose worker was killed is taken again: shorter than a worker's usual lease, for a demo.
LEASE: Final = 1.0


def make(folder: Path) -> tuple[Any, HookGuard]:
    """Return the application, and its endpoints."""
    handler = _Handler(folder / "runs.jsonl")

    def note(outcome: Outcome) -> None:
        handler.answered_in_progress += outcome.outcome == "in_progress"
        _append(folder / "outcomes.jsonl", asdict(outcome))

    endpoints: dict[str, Any] = {
        name: {"secrets": [secret]} for name, secret in json.loads((folder / "secrets.json").read_text()).items()
    }
    endpoints["inbox"] |= {"preset": "stripe", "inbox": {"first": 0.2}}
    hooks = HookGuard(
        endpoints,
        store=f"sqlite:///{(folder / 'claims.sqlite3').absolute()}",
        observers=[note],
    )
    return hooks.wrap(handler, paths={f"/hooks/{name}": name for name in endpoints}), hooks


def serve(folder: Path) -> None:
    """Serve until the process is stopped."""
    app, _ = make(folder)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        print(listening.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off")).run(sockets=[listening])


def handle_later(folder: Path) -> None:
    """Work on the inbox until the process is stopped."""
    app, hooks = make(folder)
    work(Worker(app, hooks.open_lanes(app), lease=LEASE))


class _Handler:
    """A user's handler: do the work, then answer 2xx."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self.answered_in_progress = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        event: Event | None = scope.get("state", {}).get("webhook")
        status = 404
        if event is not None:
            status = 200
            _append(self._runs, {"provider": event.provider, "id": event.id, "attempt": event.attempt})
            if event.type == "demo.slow":
                await self._work_until_all_others_came()
            if event.type == "demo.long":
                await asyncio.sleep(2.0)
            if event.type == "demo.killed" and event.attempt == 1:
                await asyncio.sleep(60.0)  # the worker is killed in the middle
            if event.attempt <= {"demo.fails_once": 1, "demo.fails_twice": 2}.get(event.type, 0):
                raise RuntimeError("the handler fails")
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _work_until_all_others_came(self) -> None:
        """Run until the 19 other deliveries of the event were answered, however slow the machine is; 10 s at most."""
        for _ in range(500):
            if self.answered_in_progress >= 19:
                return
            await asyncio.sleep(0.02)


def _append(path: Path, row: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    (handle_later if "--work" in sys.argv else serve)(Path(sys.argv[1]))
