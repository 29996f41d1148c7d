"""The common part of the three commands: ``hookguard work``, ``flask hookguard work`` and ``manage.py hookguard_work``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from hookguard.work.lanes import OpenLane
from hookguard.work.lines import show_lines
from hookguard.work.process import leave, work
from hookguard.work.worker import Worker

__all__ = ["run_command"]

_log = logging.getLogger("hookguard.work")


def run_command(
    app: Callable[..., Any],
    lanes: Sequence[OpenLane],
    *,
    at_once: int,
    grace: float,
    drain: bool,
    as_json: bool,
    metrics: str | None = None,
) -> None:
    """Work until the process is stopped, or with ``drain`` until nothing is due, and show a line for each event.

    ``metrics`` is the address where the metrics of the endpoints' PrometheusObserver are served. Raises ConfigurationError. Ends
    the process with status 1 if handlers still run after the grace.
    """
    worker = Worker(app, lanes, at_once=at_once, grace=grace, drain=drain)
    show_lines(as_json=as_json)
    if metrics is not None:
        from hookguard.metrics.serving import serve_metrics  # noqa: PLC0415 - an extra

        serve_metrics(metrics, (each for lane in lanes for each in lane.endpoint.observers))
    endpoints = list(dict.fromkeys(lane.endpoint.name for lane in lanes))
    names = ", ".join(endpoints)
    facts = {"endpoints": endpoints, "at_once": at_once, "drain": drain}
    _log.info("working on %s: up to %d concurrently, from %r", names, at_once, lanes[0].inbox, extra=facts)
    summary = work(worker)
    _log.info("ended: %s", summary, extra={"outcomes": dict(summary.outcomes), "seconds": summary.seconds, "left": summary.left})
    leave(summary)
