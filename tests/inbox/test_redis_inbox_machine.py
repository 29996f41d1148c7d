"""The inbox's state machine over Redis, blocking and awaited; see test_inbox_machine.py for the steps.

At the end of each example every set of the inbox must hold what its entries say: an entry that is missing in one is never taken.
"""

import pytest

pytest.importorskip("redis")

import redis
from loops import Blocked, Loop
from redis_servers import Server
from test_inbox_machine import STEPS, Reused, walk_inbox

from hookguard.stores.redis import AsyncRedisStore, RedisStore

BASE = "hookguard:inbox"
STATES = ["waiting", "held", "done", "dead"]


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path)
    yield server
    server.close()


@pytest.fixture
def client(server):
    with redis.Redis.from_url(server.url) as client:
        yield client


def sets_of(client):
    """The members of every sorted set, with their scores."""
    names = [name.decode() for name in client.keys(f"{BASE}:*") if client.type(name) == b"zset"]
    return {
        name.removeprefix(f"{BASE}:"): {member.decode(): score for member, score in client.zrange(name, 0, -1, withscores=True)}
        for name in names
    }


def sets_by_entries(client):
    """The same, by what the entries say of themselves."""
    entries = {}
    for name in client.keys(f"{BASE}:entry:*"):
        facts = {field.decode(): value for field, value in client.hgetall(name).items()}
        member = f"{int(facts['seq']):016d} {name.decode().removeprefix(f'{BASE}:entry:')}"
        entries[member] = (int(facts["seq"]), int(facts["state"]), int(facts["at"]), facts["lane"].decode(), facts.get("line"))
    expected = {}
    held_lines = {line for _, state, _, _, line in entries.values() if line and state == 1}
    for member, (seq, state, at, lane, line) in entries.items():
        expected.setdefault(f"{STATES[state]}:{lane}", {})[member] = seq
        others = [other for other, its, _, _, its_line in entries.values() if its_line == line and its == 0]
        is_first = line is None or (line not in held_lines and seq == min(others, default=seq))
        times = {0: f"due:{lane}" if is_first else f"behind:{lane}", 1: f"leases:{lane}"}.get(state, "all:prune")
        expected.setdefault(times, {})[member] = at
        if line and state <= 1:
            expected.setdefault(f"line:{line.decode()}", {})[member] = -seq if state == 1 else seq
    return expected


def maker(client, store):
    """Makes the stores of the examples: the same one, emptied."""

    class Checked(Reused):
        def close(self):
            assert sets_of(client) == sets_by_entries(client)

    def make(clock):
        client.flushall()
        store._calls._clock = clock
        return Checked(store)

    return make


def test_no_answer_differs_from_the_model(server, client):
    store = RedisStore.from_url(server.url, timeout=20)
    assert walk_inbox(maker(client, store), STEPS, deadline=None) >= STEPS > 0
    store.close()


def test_no_awaited_answer_differs_from_the_model(server, client):
    loop = Loop()
    store = AsyncRedisStore.from_url(server.url, timeout=20)

    class Shared(Blocked):
        _calls = store._calls

    assert walk_inbox(maker(client, Shared(store, loop)), STEPS, deadline=None) >= STEPS > 0
    loop.run(store.close())
    loop.close()
