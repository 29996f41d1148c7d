"""A Redis with an inbox that is killed, full, or rejects a command in the middle of a script: nothing that was answered is lost."""

import re
import signal
import threading
from contextlib import ExitStack, suppress

import pytest

pytest.importorskip("redis")

from pages import blocks
from paid_entries import LANE, kept
from redis_servers import starting

from hookguard.errors import StoreError, StoreMisconfigured, StoreUnavailable
from hookguard.inbox.contract import EntryState, PutStatus
from hookguard.inbox.settings import InboxSettings
from hookguard.stores.redis import RedisStore

SETTINGS = InboxSettings(first=1, longest_wait=1)

PAGE = blocks("docs/stores/redis.md")
#: The commands that the page allows its user: for claims, and for an inbox as well.
CLAIMS, INBOX = (re.findall(r"\+(\S+)", PAGE[block].printed()) for block in ("Redis and Valkey 4", "An inbox 3"))


@pytest.fixture
def open_store():
    """Opens stores, and closes them."""
    with ExitStack() as stack:

        def open_store(url):
            store = RedisStore.from_url(url, timeout=20.0)
            stack.callback(store.close)
            return store

        yield open_store


@pytest.fixture
def start(tmp_path, open_store):
    """Starts servers, each with a store, and sees to their end."""
    with starting(tmp_path) as start_server:

        def start(*options):
            server = start_server(*options)
            return server, open_store(server.url)

        yield start


def take(inbox, limit=10, lease=30.0):
    return inbox.take(LANE, limit=limit, lease=lease, settings=SETTINGS)


def put_until_killed(server, store, kill_after):
    """Put from several threads until the server is killed; return the numbers of the events that were answered."""
    inbox, answered, enough = store.inbox(), [], threading.Event()

    def send(first):
        for number in range(first, 1_000_000, 4):
            try:
                (put,) = inbox.put([kept(number, body=b"x" * 500)])
            except StoreUnavailable:
                return
            assert put.status is PutStatus.STORED
            answered.append(number)
            if len(answered) >= kill_after:
                enough.set()

    senders = [threading.Thread(target=send, args=(first,)) for first in range(4)]
    for sender in senders:
        sender.start()
    assert enough.wait(60)
    server.stop(signal.SIGKILL)
    for sender in senders:
        sender.join(60)
    return answered


def test_killed_server_loses_nothing_that_was_answered(start, open_store):
    server, store = start("--appendonly", "yes", "--appendfsync", "always")
    assert store.check() == []
    store._timeout = 2.0  # a sender need not wait for long
    answered = put_until_killed(server, store, 500)
    server.start()
    inbox = open_store(server.url).inbox()
    handled = []
    while found := take(inbox, 100):
        handled += [int(held.kept.key.id) for held in found]
        assert all(inbox.complete(held.key, token=held.token, settings=SETTINGS) for held in found)
    assert set(answered) <= set(handled)
    assert len(handled) == len(set(handled))
    # An event that was stored without an answer is known when its provider sends it again.
    again = inbox.put([kept(number) for number in handled])
    assert {put.status for put in again} == {PutStatus.KNOWN}


def test_killed_server_without_a_file_loses_all_so_a_check_rejects_it(start):
    server, store = start()
    inbox = store.inbox()
    with pytest.raises(StoreMisconfigured, match="set appendonly to yes"):
        store.check()
    store._timeout = 2.0
    assert put_until_killed(server, store, 50)
    server.start()
    assert take(inbox) == []


def test_full_server_stores_nothing_more_and_lets_workers_go_on(start):
    _, store = start("--appendonly", "yes", "--maxmemory", "8mb")
    inbox = store.inbox()
    stored = 0
    with pytest.raises(StoreUnavailable, match="OutOfMemory"):
        while True:
            inbox.put([kept(stored, body=b"x" * 50_000)])
            stored += 1
    assert stored > 10
    large = [kept(name, body=b"x" * 200_000) for name in "ab"]
    with pytest.raises(StoreUnavailable, match="OutOfMemory"):
        inbox.put(large)
    assert len(inbox.find(limit=1000)) == stored
    handled = []
    while found := take(inbox, 5):
        for held in found:
            assert inbox.extend(held.key, token=held.token, lease=30)
            assert inbox.complete(held.key, token=held.token, settings=InboxSettings(keep=0))
            handled.append(int(held.kept.key.id))
        inbox.prune(limit=100)
    assert sorted(handled) == list(range(stored))
    assert [put.status for put in inbox.put(large)] == [PutStatus.STORED] * 2


@pytest.mark.parametrize("missing", INBOX)
def test_command_that_is_not_allowed_loses_no_event(missing, start, open_store):
    """Rights may change while an application runs, and a worker's user may have others."""
    server, store = start("--appendonly", "yes")
    rights = [f"+{name}" for name in CLAIMS + INBOX if name != missing]
    server.ask("ACL", "SETUSER", "shop", "on", ">password", "~hookguard:*", *rights)
    inbox = store.inbox()
    limited = open_store(server.url.replace("redis://", "redis://shop:password@")).inbox()
    line = "a" * 64
    inbox.put([kept(name, line=line if name in "ab" else None) for name in "abcdef"])
    held = {each.kept.key.id: each for each in take(inbox, 3)}
    for operation in (
        lambda: limited.put([kept("new", line=line)]),
        lambda: take(limited, 1, lease=0.0),
        lambda: take(limited, 1, lease=0.0),
        lambda: limited.release(held["a"].key, token=held["a"].token, after=0, reason="no", settings=SETTINGS),
        lambda: limited.give_back(held["c"].key, token=held["c"].token),
        lambda: limited.give_up(held["d"].key, token=held["d"].token, reason="no", settings=SETTINGS),
    ):
        with suppress(StoreError):
            operation()
    again = inbox.put([kept("new", line=line)])[0].status
    assert again in (PutStatus.STORED, PutStatus.KNOWN)
    for each in held.values():
        inbox.give_back(each.key, token=each.token)
    inbox.rerun([entry.key for entry in inbox.find(state=EntryState.DEAD, limit=10)], reason="mended", by="anna")
    handled = set()
    while found := take(inbox):
        for each in found:
            assert inbox.complete(each.key, token=each.token, settings=SETTINGS)
            handled.add(each.kept.key.id)
    assert handled == {*"abcdef", "new"}
