"""The part of ``hookguard demo`` about an inbox: events are answered first and handled later, by workers that are killed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from hookguard.cli.demo_step import DemoLike, Step

__all__ = ["inbox_steps"]

#: Seconds that a handler with much work takes, within which an answer must have come, and until something must have happened.
LONG, SOON, PATIENCE = 2.0, 1.0, 30.0


def inbox_steps() -> list[Step]:
    """Return the steps about an endpoint with an inbox, in order."""

    def post(identifier: str, kind: str) -> Callable[[DemoLike], list[int]]:
        body = json.dumps({"id": identifier, "object": "event", "type": kind}).encode()

        def send(demo: DemoLike) -> list[int]:
            began = time.perf_counter()
            status = demo.post("inbox", demo.signed("stripe", body, secret=demo.secrets["inbox"]))
            return [status] if time.perf_counter() - began < SOON else []

        return send

    def handled(identifier: str, *, tries: int = 1) -> Callable[[DemoLike], list[int]]:
        def wait(demo: DemoLike) -> list[int]:
            demo.worker.start()
            ended = _wait_for(lambda: _runs_of(demo, identifier), tries)
            demo.worker.stop()
            return [int(each["status"] or 500) for each in ended]

        return wait

    def killed(demo: DemoLike) -> list[int]:
        answers = post("evt_demo_killed", "demo.killed")(demo)
        demo.worker.start()
        _wait_for(lambda: [row for row in demo.lines("runs.jsonl") if row["id"] == "evt_demo_killed"], 1)
        demo.worker.kill()
        return answers

    return [
        Step("an event with an inbox, whose handler takes 2 s", (200,), 0, post("evt_demo_long", "demo.long")),
        Step("  its handler, in the worker", (200,), 1, handled("evt_demo_long")),
        Step("an event with an inbox, whose handler fails twice", (200,), 0, post("evt_demo_twice", "demo.fails_twice")),
        Step("  its handler, in the worker, with its retries", (200, 500), 3, handled("evt_demo_twice", tries=3)),
        Step("an event whose worker is killed while it runs", (200,), 1, killed),
        Step("  its handler, in the next worker", (200,), 1, handled("evt_demo_killed")),
    ]


def _runs_of(demo: DemoLike, identifier: str) -> list[dict[str, Any]]:
    """Return the outcomes of the worker's runs of an event."""
    ended = ("handled", "failed", "dead")
    return [row for row in demo.lines("outcomes.jsonl") if row["event_id"] == identifier and row["outcome"] in ended]


def _wait_for(find: Callable[[], list[dict[str, Any]]], number: int) -> list[dict[str, Any]]:
    """Wait until so many records are there; return those that are."""
    deadline = time.monotonic() + PATIENCE
    while len(found := find()) < number and time.monotonic() < deadline:
        time.sleep(0.02)
    return found
