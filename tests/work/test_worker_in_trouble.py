"""The worker when handlers block, hang or exit, when its store is down, and when an entry has killed workers before."""

import asyncio
import logging
import sqlite3
import sys
import threading
import time

import inboxes
import pytest
from inboxes import SECRET, Box

from hookguard import InBody, SQLiteStore
from hookguard.inbox.contract import Lane
from hookguard.inbox.settings import InboxSettings
from hookguard.stores.sqlite.inbox import AwaitedSQLiteInbox
from hookguard.work import looks
from hookguard.work.process import work
from hookguard.work.worker import Worker
from hookguard_starlette import HookGuard

SETTINGS = InboxSettings()


class Site:
    """An ASGI application with an inbox, whose handler is a coroutine function of the event."""

    def __init__(self, folder, handle, timeout=5.0):
        self.file = folder / "inbox.sqlite3"
        self.box = Box(self.file)
        self.seen = []
        store = SQLiteStore(self.file, timeout=timeout)
        endpoint = {"secrets": [SECRET], "inbox": {"first": 60}}
        self.hooks = HookGuard({"stripe": endpoint}, store=store, observers=[self.seen.append])

        async def app(scope, receive, send):
            assert scope["type"] == "http", "no lifespan"
            await handle(scope["state"]["webhook"])
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

        self.app = self.hooks.wrap(app, paths={"/hooks/stripe": "stripe"})

    def worker(self, **options):
        return Worker(self.app, self.hooks.open_lanes(self.app), **{"drain": True, **options})

    def outcomes(self):
        return {(outcome.event_id, outcome.outcome) for outcome in self.seen}

    def take_elsewhere(self):
        """Do as another worker would."""
        return self.box.inbox.take(Lane("stripe"), limit=9, lease=30, settings=SETTINGS)


def test_exit_in_a_task_of_a_handler_does_not_end_the_worker(tmp_path, caplog):
    async def leave():
        sys.exit(3)

    async def handle(event):
        if event.id == "exits":
            await asyncio.create_task(leave())

    site = Site(tmp_path, handle)
    site.box.put("exits")
    site.box.put("fine")
    work(site.worker())
    assert site.outcomes() == {("exits", "failed"), ("fine", "handled")}
    assert "a task of the application raised SystemExit: the worker goes on" in caplog.text


def test_handler_that_blocks_the_event_loop_keeps_its_lease(tmp_path):
    taken = []

    async def handle(event):
        time.sleep(1.5)  # noqa: ASYNC251 - the mistake
        taken.extend(site.take_elsewhere())

    site = Site(tmp_path, handle)
    site.box.put("evt_1")
    work(site.worker(lease=0.6))
    assert taken == []
    assert site.outcomes() == {("evt_1", "handled")}


def test_handler_that_runs_too_long_loses_its_lease_and_its_place(tmp_path, caplog):
    taken, began = [], asyncio.Event()

    async def handle(event):
        if event.id == "next":
            began.set()
        else:
            await began.wait()  # the next event has this one's place
            while not taken:
                await asyncio.sleep(0.05)
                taken.extend(site.take_elsewhere())

    site = Site(tmp_path, handle)
    site.box.put("long")
    site.box.put("next")
    work(site.worker(lease=0.6, longest_run=0.1, at_once=1))
    assert [(held.kept.key.id, held.crashes) for held in taken] == [("long", 1)]
    assert site.outcomes() == {("next", "handled"), ("long", "lease_lost")}
    assert "has run for longer than longest_run" in caplog.text


def test_handler_that_outlasts_the_grace_is_cancelled_and_left_to_its_lease(tmp_path):
    async def handle(event):
        site.running.stop()
        await asyncio.sleep(60)

    site = Site(tmp_path, handle)
    key = site.box.put("evt_1")
    site.running = site.worker(grace=0.2, drain=False)
    summary = work(site.running)
    assert summary.left == 1
    assert site.outcomes() == {("evt_1", "abandoned")}
    assert site.box.state(key) == "HELD"


class Lock:
    """Another process that writes to the file for some time."""

    def __init__(self, file, seconds):
        self.connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self.connection.execute("BEGIN IMMEDIATE")
        self.timer = threading.Timer(seconds, self.free)
        self.timer.start()

    def free(self):
        self.connection.execute("ROLLBACK")
        self.connection.close()


def hold_completions(monkeypatch, wait):
    """Await ``wait()`` before each completion is written."""
    real = AwaitedSQLiteInbox.complete

    async def complete(inbox, key, **options):
        await wait()
        return await real(inbox, key, **options)

    monkeypatch.setattr(AwaitedSQLiteInbox, "complete", complete)


def test_next_event_begins_while_a_completion_is_written(tmp_path, monkeypatch):
    gate = asyncio.Event()
    hold_completions(monkeypatch, gate.wait)

    async def handle(event):
        if event.id == "second":
            gate.set()

    site = Site(tmp_path, handle)
    site.box.put("first")
    site.box.put("second")
    work(site.worker(at_once=1))
    assert site.outcomes() == {("first", "handled"), ("second", "handled")}


def test_completions_that_cannot_be_written_stop_the_taking_of_events(tmp_path, monkeypatch):
    gate, begun, most = asyncio.Event(), [], []
    hold_completions(monkeypatch, gate.wait)

    def open_gate():
        most.append(len(begun))
        gate.set()

    async def handle(event):
        begun.append(event.id)
        if len(begun) == 1:
            asyncio.get_running_loop().call_later(1.0, open_gate)

    site = Site(tmp_path, handle)
    for number in range(20):
        site.box.put(f"evt_{number}")
    work(site.worker(at_once=2))
    assert 2 <= most[0] <= 4
    assert len(site.outcomes()) == 20


def test_line_goes_on_as_soon_as_its_first_event_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr(inboxes, "SETTINGS", InboxSettings(order_by=InBody("type")))
    monkeypatch.setattr(looks, "GLANCE", 60.0)
    hold_completions(monkeypatch, lambda: asyncio.sleep(0.2))  # the look that follows a run finds nothing
    ran = []

    async def handle(event):
        ran.append(event.id)

    site = Site(tmp_path, handle)
    for name in ("first", "second", "third"):
        site.box.put(name)
    began = time.monotonic()
    work(site.worker())
    assert ran == ["first", "second", "third"]
    assert time.monotonic() - began < 50  # without a look in between


def test_completion_is_tried_again_while_the_store_is_down(tmp_path):
    async def handle(event):
        Lock(site.file, 1.5)

    site = Site(tmp_path, handle, timeout=0.1)
    key = site.box.put("evt_1")
    work(site.worker())
    assert site.outcomes() == {("evt_1", "handled")}
    assert site.box.state(key) == "DONE"


def test_completion_that_outlasts_the_lease_leaves_the_entry_to_it(tmp_path):
    async def handle(event):
        locks.append(Lock(site.file, 3.0))

    locks = []
    site = Site(tmp_path, handle, timeout=0.1)
    key = site.box.put("evt_1")
    work(site.worker(lease=0.9))
    assert site.outcomes() == {("evt_1", "unavailable")}
    (outcome,) = site.seen
    assert "it was handled, and may run once more" in outcome.reason
    locks[0].timer.join()
    assert site.box.state(key) == "HELD"


def test_worker_waits_for_a_store_that_is_down_and_logs_it_once(tmp_path, caplog):
    async def handle(event):
        pass

    site = Site(tmp_path, handle, timeout=0.1)
    site.box.put("evt_1")
    lanes = site.worker()
    lock = Lock(site.file, 1.5)
    with caplog.at_level(logging.WARNING, "hookguard.work"):
        work(lanes)
    lock.timer.join()
    assert site.outcomes() == {("evt_1", "handled")}
    said = [record.getMessage() for record in caplog.records if record.name == "hookguard.work"]
    assert len(said) == 2
    assert said[0].startswith("no events are taken, because the store does not answer; the worker goes on trying: ")
    assert said[1].startswith("the store answers again, after ")


def test_entry_that_two_workers_died_with_runs_alone(tmp_path):
    running, together = set(), []

    async def handle(event):
        running.add(event.id)
        await asyncio.sleep(0.1)
        together.append(frozenset(running))
        running.discard(event.id)

    site = Site(tmp_path, handle)
    suspects = {f"suspect_{number}": site.box.put(f"suspect_{number}") for number in range(3)}
    innocents = [f"innocent_{number}" for number in range(5)]
    for name in innocents:
        site.box.put(name)
    with sqlite3.connect(site.file) as connection:
        for key in suspects.values():
            connection.execute("UPDATE hookguard_inbox SET crashes = 2, attempt = 2 WHERE id = ?", (key,))
    connection.close()
    summary = work(site.worker())
    assert summary.outcomes == {"handled": 8}
    for name in suspects:
        assert frozenset({name}) in together
    assert [found for found in together if found & set(suspects) and len(found) > 1] == []
    assert max(map(len, together)) > 1, "the others run concurrently"


@pytest.mark.parametrize("options", [{"at_once": 0}, {"grace": -1.0}, {"grace": float("nan")}])
def test_option_that_is_not_valid_is_a_mistake(tmp_path, options):
    from hookguard import ConfigurationError

    async def handle(event):
        pass

    with pytest.raises(ConfigurationError, match=next(iter(options))):
        Site(tmp_path, handle).worker(**options)
