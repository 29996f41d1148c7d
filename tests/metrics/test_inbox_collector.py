"""The gauges of an inbox come from its store when they are scraped, and a store that is down breaks no scrape."""

import threading
from typing import Any
from uuid import uuid4

import pytest

pytest.importorskip("prometheus_client")
pytest.importorskip("flask")

import servers
from metered import SECRET, deliver, flask_shop, opened, store_of, value
from prometheus_client import generate_latest
from waiting import until

from hookguard import ConfigurationError, Endpoint, Guard, MemoryStore, SQLiteStore, StoreUnavailable, Verifier, presets
from hookguard.config import store_from
from hookguard.inbox.contract import Lane
from hookguard.inbox.settings import InboxSettings
from hookguard.metrics.inbox import InboxCollector
from hookguard.testing import work_off


@pytest.fixture
def shop(tmp_path, registry):
    app = flask_shop(tmp_path, [], inbox={"tries": 1})
    registry.register(InboxCollector(store_of(app)))
    return app


def entries(registry, state):
    return value(registry, "inbox_entries", endpoint="stripe", part="", state=state)


def opened_at(path):
    store = SQLiteStore(path)
    opened.append(store)
    return store


def test_entries_are_counted_by_state(shop, registry):
    for number in range(3):
        deliver(shop, f"evt_{number}")
    assert (entries(registry, "waiting"), entries(registry, "done")) == (3, 0)
    deliver(shop, "evt_3", status=500)
    work_off(shop)
    assert [entries(registry, state) for state in ("waiting", "held", "done", "dead")] == [0, 0, 3, 1]
    assert value(registry, "inbox_scrape_error") == 0


def test_the_oldest_due_entry_is_measured_until_it_is_taken(tmp_path, registry):
    store = opened_at(tmp_path / "hooks.sqlite3")
    registry.register(InboxCollector(store))
    inbox = store.inbox()
    endpoint = Endpoint(Verifier("stripe", SECRET), name="stripe", inbox=True)
    Guard(endpoint, store).run(presets.STRIPE.sign(b'{"id": "evt_1"}', SECRET), lambda event: None)

    def oldest():
        return value(registry, "inbox_oldest_due_seconds", endpoint="stripe", part="")

    first = oldest()
    while oldest() == first:  # the clock of the store goes on
        pass
    assert first < oldest()
    [held] = inbox.take(Lane("stripe"), limit=1, lease=60, settings=InboxSettings())
    assert oldest() == 0
    inbox.release(held.key, token=held.token, after=3600, reason="later", settings=InboxSettings())
    assert (oldest(), entries(registry, "waiting")) == (0, 1)


@pytest.fixture
def url(request, tmp_path):
    """The URL of a server."""
    if request.param != "Redis":
        servers.needs(request.param)
        yield {"PostgreSQL": servers.POSTGRESQL, "MariaDB": servers.MARIADB}[request.param]
        return
    pytest.importorskip("redis")
    from redis_servers import starting

    with starting(tmp_path) as start:
        yield start("--appendonly", "yes", "--appendfsync", "always").url


@pytest.mark.parametrize("url", ["Redis", "PostgreSQL", "MariaDB"], indirect=True)
def test_the_inbox_of_a_server_is_counted(url, registry):
    store: Any = store_from(url)
    name = f"metered-{uuid4().hex[:12]}"  # others may use the same database
    endpoint = Endpoint(Verifier("stripe", SECRET), name=name, inbox=True)
    registry.register(InboxCollector(store, timeout=60))
    try:
        Guard(endpoint, store).run(presets.STRIPE.sign(b'{"id": "evt_1"}', SECRET), lambda event: None)
        assert value(registry, "inbox_entries", endpoint=name, part="", state="waiting") == 1
        assert value(registry, "inbox_scrape_error") == 0
        store.inbox().drop([each.key for each in store.inbox().find(endpoint=name, limit=9)], reason="the test ends", by="test")
        assert value(registry, "inbox_entries", endpoint=name, part="", state="waiting") == 0
    finally:
        store.close()


class Stuck:
    """A store in SQLite whose counts wait, until the test lets them go, or fail."""

    def __init__(self, store, error=None):
        self._store = store
        self._error = error
        self.free = threading.Event()
        self.asked = 0

    def claim(self, *args, **kwargs):
        return self._store.claim(*args, **kwargs)

    def inbox(self):
        return self

    def take(self, *args, **kwargs):
        return self._store.inbox().take(*args, **kwargs)

    def counts(self):
        self.asked += 1
        if self._error is not None:
            raise self._error
        assert self.free.wait(60)
        return self._store.inbox().counts()


def test_a_store_that_does_not_answer_is_waited_for_only_for_the_timeout(tmp_path, registry, caplog):
    stuck = Stuck(opened_at(tmp_path / "hooks.sqlite3"))
    registry.register(InboxCollector(stuck, timeout=0.05))
    assert value(registry, "inbox_scrape_error") == 1
    assert value(registry, "inbox_scrape_error") == 1
    assert until(lambda: stuck.asked), "its thread may begin late"
    assert stuck.asked == 1, "a second question would wait as well"
    assert caplog.text.count("could not be counted") == 1
    stuck.free.set()
    assert until(lambda: value(registry, "inbox_scrape_error") == 0)


def test_a_store_that_is_down_hides_no_other_metric(tmp_path, registry, caplog):
    from hookguard.metrics.prometheus import PrometheusObserver

    registry.register(InboxCollector(Stuck(opened_at(tmp_path / "hooks.sqlite3"), StoreUnavailable("it is down"))))
    deliver(flask_shop(tmp_path, [PrometheusObserver(registry)]))
    scraped = generate_latest(registry).decode()
    assert "hookguard_inbox_scrape_error 1.0" in scraped
    assert 'hookguard_deliveries_total{endpoint="stripe",outcome="handled"' in scraped
    assert "it is down" in caplog.text


def test_registering_asks_nothing(tmp_path, registry):
    stuck = Stuck(opened_at(tmp_path / "hooks.sqlite3"))
    registry.register(InboxCollector(stuck))
    assert stuck.asked == 0
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        registry.register(InboxCollector(stuck))


def test_a_store_without_an_inbox_is_named():
    with pytest.raises(ConfigurationError, match="MemoryStore.* keeps no deliveries"):
        InboxCollector(MemoryStore())


def test_an_asynchronous_store_needs_a_blocking_one_beside_it():
    pytest.importorskip("asyncpg")
    with pytest.raises(ConfigurationError, match="is asynchronous"):
        InboxCollector("postgresql+asyncpg://127.0.0.1/nowhere")


def test_a_file_that_was_not_there_is_warned_of(tmp_path, monkeypatch, caplog):
    def opening(given):
        opened.append(store_from(given))
        return opened[-1]

    monkeypatch.setattr("hookguard.metrics.inbox.store_from", opening)  # to close the store after the test
    file = tmp_path / "mistyped.sqlite3"
    for given in (f"sqlite:///{file}", {"url": f"sqlite:///{file}"}):
        InboxCollector(given)
    assert [each.levelname for each in caplog.records if each.name == "hookguard.metrics"] == ["WARNING"], "the second finds it"
    assert f"there was no file {file}" in caplog.text


def test_a_timeout_is_positive(tmp_path):
    with pytest.raises(ConfigurationError, match="timeout is 0"):
        InboxCollector(opened_at(tmp_path / "hooks.sqlite3"), timeout=0)
