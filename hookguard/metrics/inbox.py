"""Gauges of an inbox for Prometheus. The inbox is counted when the metrics are scraped, so they need no process of their own."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Union, cast

from hookguard.config import store_from
from hookguard.errors import ConfigurationError
from hookguard.inbox.contract import Count, EntryState, HasInbox, Inbox, Lane
from hookguard.inbox.overdue import due_states
from hookguard.process.locks import Lock
from hookguard.process.threads import OwnThread
from hookguard.record import hides_arguments
from hookguard.store import Store
from hookguard.stores.url import sqlite_file

try:
    from prometheus_client import Metric
    from prometheus_client.core import GaugeMetricFamily
    from prometheus_client.registry import Collector
except ImportError:
    raise ImportError("hookguard.metrics.inbox needs prometheus-client: pip install 'hookguard-webhooks[metrics]'") from None

__all__ = ["InboxCollector"]

_log = logging.getLogger("hookguard.metrics")


class InboxCollector(Collector):
    """Register it: ``REGISTRY.register(InboxCollector("sqlite:///hookguard.sqlite3"))``.

    ``store`` is a store that keeps deliveries, or its URL or mapping as in the settings. After ``timeout`` seconds the scrape
    goes on without the gauges, and ``hookguard_inbox_scrape_error`` is 1. Raises ConfigurationError for a store without an inbox,
    and for an asynchronous one.
    """

    @hides_arguments
    def __init__(self, store: Union[Store, str, Mapping[str, Any]], *, timeout: float = 2.0) -> None:
        if not timeout > 0:
            raise ConfigurationError(f"timeout is {timeout}; give seconds, more than 0")
        url = store.get("url") if isinstance(store, Mapping) else store
        missing = _missing_file(url) if isinstance(url, str) and "://" in url else ""
        found = store_from(store)
        if missing:  # it may be right: the application creates its file with the first delivery
            _log.warning("the inbox for the metrics is empty: %s Give the collector the application's own store", missing)
        if not isinstance(found, HasInbox):
            raise ConfigurationError(f"{found!r} keeps no deliveries, so it has no inbox: use a store that has one")
        inbox = found.inbox()
        if inspect.iscoroutinefunction(inbox.counts):
            raise ConfigurationError(
                f"{found!r} is asynchronous, and belongs to the event loop that serves deliveries: give the URL of the same"
                " database with a blocking driver, such as postgresql://… or redis://…"
            )
        self._inbox = cast("Inbox", inbox)
        self._timeout = timeout
        self._lock = Lock()
        self._counting: _Counting | None = None
        self._failed = False

    def describe(self) -> Iterator[Metric]:
        """Return the metrics without values, so that registering counts nothing."""
        yield from _families()

    def collect(self) -> Iterator[Metric]:
        """Count the entries. Raises nothing: a store that is down must not hide the other metrics."""
        counts = self._ask()
        entries, oldest, error = _families()
        error.add_metric([], float(counts is None))
        lanes: dict[Lane, dict[EntryState, Count]] = {}
        for count in counts or ():
            lanes.setdefault(count.lane, {})[count.state] = count
        due = due_states(self._inbox)
        for lane, states in lanes.items():
            for state in EntryState:
                number = states[state].number if state in states else 0
                entries.add_metric([lane.endpoint, lane.part, state.name.lower()], number)
            oldest.add_metric(list(lane), max([0.0, *(states[state].overdue for state in due & states.keys())]))
        yield from (entries, oldest, error)

    def _ask(self) -> list[Count] | None:
        """Return the counts; None if the inbox does not answer in time. Concurrent scrapes share one question."""
        try:
            with self._lock:
                asked = self._counting
                if asked is None or not asked.thread.is_alive():
                    asked = self._counting = _Counting(self._inbox)
                    asked.thread.start()
            asked.thread.join(self._timeout)
            counts, why = asked.counts, asked.why
        except RuntimeError:  # the process may start no more threads now
            counts, why = None, "no thread could be started"
        if counts is None and not self._failed:
            _log.warning("the inbox could not be counted for its metrics: %s", why)
        self._failed = counts is None
        return counts


def _missing_file(url: str) -> str:
    """Return why a SQLite file is probably not the application's: it is not there. Empty for any other URL."""
    path = sqlite_file(url)
    if path is None or path == ":memory:" or Path(path).exists():
        return ""
    return f"there was no file {Path(path).absolute()}."


class _Counting:
    """One question to the inbox, in a thread that nobody has to wait for."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self.thread = OwnThread(self._count, "hookguard-metrics")
        self.counts: list[Count] | None = None
        self.why = "it did not answer in time"

    def _count(self) -> None:
        try:
            self.counts = self._inbox.counts()
        except Exception as error:
            self.why = str(error)


def _families() -> tuple[GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily]:
    """Return the three gauges, without values."""
    return (
        GaugeMetricFamily("hookguard_inbox_entries", "Entries of the inbox", labels=["endpoint", "part", "state"]),
        GaugeMetricFamily(
            "hookguard_inbox_oldest_due_seconds", "Seconds for which the oldest due entry has waited", labels=["endpoint", "part"]
        ),
        GaugeMetricFamily("hookguard_inbox_scrape_error", "1 if the inbox could not be counted, otherwise 0"),
    )
