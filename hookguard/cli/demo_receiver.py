"""The receiver that ``hookguard demo`` starts, as a process of its own so that it can be restarted.

    python -m hookguard.cli.demo_receiver FOLDER

FOLDER holds ``secrets.json``. The receiver keeps its claims in a SQLite file there, appends a line to ``runs.jsonl`` each
time a handler runs and one to ``outcomes.jsonl`` for each delivery, and prints its port.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import uvicorn

from hookguard import Event, Outcome
from hookguard_starlette import HookGuard

__all__ = ["serve"]


def serve(folder: Path) -> None:
    """Serve until the process is told to stop."""

    def note(outcome: Outcome) -> None:
        _append(folder / "outcomes.jsonl", asdict(outcome))

    hooks = HookGuard(
        {name: {"secrets": [secret]} for name, secret in json.loads((folder / "secrets.json").read_text()).items()},
        store=f"sqlite:///{(folder / 'claims.sqlite3').absolute()}",
        observers=[note],
    )
    names = ("github", "stripe", "standard-webhooks", "slack")
    app = hooks.wrap(_Handler(folder / "runs.jsonl"), paths={f"/hooks/{name}": name for name in names})
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        print(listening.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off")).run(sockets=[listening])


class _Handler:
    """What a user would write: do the work, answer 2xx."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        event: Event | None = scope.get("state", {}).get("webhook")
        status = 404
        if event is not None:
            status = 200
            _append(self._runs, {"provider": event.provider, "id": event.id, "attempt": event.attempt})
            if event.type == "demo.slow":
                await asyncio.sleep(0.1)
            if event.type == "demo.fails_once" and event.attempt == 1:
                raise RuntimeError("the handler fails once")
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _append(path: Path, row: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
