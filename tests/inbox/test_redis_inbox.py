"""The contract of the inbox in Redis, blocking and awaited; and what is Redis's alone.

The servers are the tests' own: they keep a file, as an inbox needs it, and may be filled, killed and started again.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from hashlib import sha1
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("redis")

import redis
from loops import Blocked, Loop
from paid_entries import SETTINGS, kept, take
from redis_servers import LosingProxy, Server, starting
from running import free_port

from hookguard.errors import StoreMisconfigured
from hookguard.inbox.contract import EntryState, Put, PutStatus
from hookguard.inbox.settings import InboxSettings
from hookguard.store import StoreKey
from hookguard.stores.redis import AsyncRedisStore, RedisStore, inbox_calls, scripts
from hookguard.testing import InboxContract

KINDS = ("blocking", "awaited")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A Redis that keeps a file."""
    server = Server(tmp_path_factory.mktemp("redis"), "--appendonly", "yes")
    yield server
    server.close()


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """The only node of a cluster."""
    server = cluster(tmp_path_factory.mktemp("cluster"))
    yield server
    server.close()


class RedisInbox(InboxContract):
    """The contract, with stores on the server of the module."""

    kind: Any = RedisStore
    prefix = "hookguard"

    @pytest.fixture(autouse=True)
    def _server(self, server):
        server.ask("FLUSHALL")
        self.url = server.url
        super().setup_method()
        yield
        self.do(self.store.close())

    def setup_method(self):
        """The fixture makes the store, on its server."""

    def make_store(self, clock):
        return self.kind.from_url(self.url, timeout=20.0, prefix=self.prefix, clock=clock)


class TestRedisInbox(RedisInbox):
    pass


class TestAsyncRedisInbox(RedisInbox):
    kind = AsyncRedisStore

    @classmethod
    def setup_class(cls):
        cls.loop = Loop()

    @classmethod
    def teardown_class(cls):
        cls.loop.close()

    def do(self, result):
        return self.loop.run(result) if hasattr(result, "__await__") else result


class TestRedisInboxOnANodeOfACluster(RedisInbox):
    """All keys of a prefix in braces are on one node."""

    prefix = "{shop}"

    @pytest.fixture
    def server(self, node):
        return node


def cluster(folder):
    """A cluster of one node."""
    server = Server(folder, "--appendonly", "yes", "--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    with redis.Redis.from_url(server.url) as client:
        client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        deadline = time.monotonic() + 30
        while client.cluster("INFO")["cluster_state"] != "ok":
            assert time.monotonic() < deadline
            time.sleep(0.02)
    return server


# --- what is not the contract's


@pytest.fixture
def serve(tmp_path):
    """Starts servers, and sees to their end."""
    with starting(tmp_path) as start:
        yield start


@pytest.fixture
def open_store(request):
    """Opens stores of either kind, and closes them."""
    with ExitStack() as stack:

        def start(url, kind="blocking", **options):
            if kind == "blocking":
                store = RedisStore.from_url(url, timeout=20.0, **options)
                stack.callback(store.close)
                return store
            loop = Loop()
            store = AsyncRedisStore.from_url(url, timeout=20.0, **options)
            stack.callback(loop.close)
            stack.callback(lambda: loop.run(store.close()))
            return Blocked(store, loop)

        yield start


@pytest.fixture
def store(server, open_store):
    server.ask("FLUSHALL")
    return open_store(server.url)


MISTAKES = {
    "completing without the token": (
        "_COMPLETE",
        "entry.token ~= ARGV[4]",
        "entry.token == ''",
        "test_another_token_settles_nothing_in_any_state",
    ),
    "counting crashes as tries": ("_RELEASE", "entry.attempt - entry.crashes", "entry.attempt", "test_crashes_use_up_no_tries"),
    "not counting a crash": ("_TAKE", "entry.crashes = entry.crashes + 1", "", "test_the_fifth_crash_is_the_last"),
    "two of a line together": (
        "_PUT",
        "entry.line and 'behind' or 'due'",
        "'due'",
        "test_only_the_first_of_a_line_is_taken",
    ),
    "a rerun beside another of its line": (
        "_TAKE",
        "state == HELD and -entry.seq or entry.seq",
        "entry.seq",
        "test_a_rerun_joins_its_line_and_never_runs_beside_another",
    ),
    "pruning too soon": (
        "_PRUNE",
        "'-inf', whole(now)",
        "'-inf', whole(now + 30000000)",
        "test_a_done_entry_is_kept_and_then_pruned",
    ),
    "storing without the claim": ("_PUT", "'state', '2'", "'state', '0'", "test_a_stored_event_is_done_for_the_claims"),
    "keeping the next of a line behind": (
        "_COMPLETE",
        "place(first[1], 'due', 'behind')",
        "",
        "test_the_next_of_a_line_follows_when_the_first_is_done_or_dead",
    ),
}


def broken(script, right, wrong):
    assert right in script.text
    text = script.text.replace(right, wrong)
    return scripts.Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_script_fails_its_case(mistake, server, monkeypatch):
    name, right, wrong, case = MISTAKES[mistake]

    def run_case():
        server.ask("FLUSHALL")
        contract = TestRedisInbox()
        contract.url = server.url
        InboxContract.setup_method(contract)
        try:
            getattr(contract, case)()
        finally:
            contract.store.close()

    run_case()
    monkeypatch.setattr(inbox_calls, name, broken(getattr(inbox_calls, name), right, wrong))
    # ValueError: more or fewer entries were taken than the case unpacks.
    with pytest.raises((AssertionError, ValueError)):
        run_case()


# --- put


def test_a_put_whose_answer_was_lost_is_stored_and_not_known(server, open_store):
    server.ask("FLUSHALL")
    proxy = LosingProxy(server.port, 0.15)
    store = open_store(proxy.url)
    answers = [store.inbox().put([kept(number), kept(number)]) for number in range(60)]
    proxy.close()
    assert proxy.lost > 5
    assert {tuple(put.status for put in pair) for pair in answers} == {(PutStatus.STORED, PutStatus.KNOWN)}
    assert len(take(open_store(server.url).inbox(), 100)) == 60


def test_another_program_s_key_stops_the_whole_put(store):
    inbox = store.inbox()
    store.client.set(store._calls.key(StoreKey("s", "2")), b"something else")
    with pytest.raises(StoreMisconfigured, match="choose another prefix"):
        inbox.put([kept(1), kept(2)])
    assert inbox.find(limit=10) == []
    assert inbox.put([kept(1)]) == [Put(PutStatus.STORED)]


def test_the_key_of_a_waiting_event_never_expires_on_its_own(store):
    key = StoreKey("s", "1")
    store.claim(key, token=b"t" * 16, fingerprint=b"", lease=60, retention=60)
    store.release(key, token=b"t" * 16)
    assert store.inbox().put([kept(1)]) == [Put(PutStatus.STORED)]
    assert store.client.ttl(store._calls.key(key)) == -1
    store.inbox().drop([key.idempotency_key], reason="a test", by="anna")
    assert 50 < store.client.ttl(store._calls.key(key)) <= 60


def test_no_name_of_the_inbox_is_the_name_of_an_event(store):
    inbox = store.inbox()
    inbox.put([kept(1, line="a" * 64), kept(2, parts=("", "audit"))])
    (held, *_) = take(inbox)
    inbox.complete(held.key, token=held.token, settings=SETTINGS)
    names = {name.decode() for name in store.client.keys("*")} - {"hookguard:s:1", "hookguard:s:2"}
    assert {name.count(":") for name in names} == {1, 3, 4}, "the name of an event has two"


def test_many_entries_are_found_changed_and_pruned_in_several_calls(store):
    inbox = store.inbox()
    inbox.put([kept(number, event_type="odd" if number % 2 else "even") for number in range(350)])
    found = inbox.find(limit=1000)
    assert [entry.event_id for entry in found] == [str(number) for number in reversed(range(350))]
    odd = inbox.find(type="odd", limit=150)
    assert [entry.event_id for entry in odd] == [str(number) for number in range(349, 50, -2)]
    last = found[-1]
    assert inbox.find(key=last.key[:20], limit=5) == [last]
    assert inbox.find(after=found[200].seq, limit=1000) == found[201:]
    nothing = InboxSettings(keep=0)
    for held in take(inbox, 250):
        assert inbox.complete(held.key, token=held.token, settings=nothing)
    assert inbox.prune(limit=220) == 220
    assert inbox.prune(limit=220) == 30
    assert inbox.drop([entry.key for entry in found], reason="a test", by="anna") == 100
    assert inbox.find(limit=1) == []
    assert inbox.counts() == []


def test_an_entry_that_was_deleted_by_hand_stops_no_other(store):
    inbox = store.inbox()
    inbox.put([kept(number) for number in range(4)])
    one, two = take(inbox, 2)
    inbox.complete(one.key, token=one.token, settings=InboxSettings(keep=0))
    for key in (one.key, two.key, kept(2).key.idempotency_key):
        assert store.client.delete(f"hookguard:inbox:entry:{key}") == 1
    assert [held.kept.key.id for held in take(inbox)] == ["3"]
    assert inbox.prune(limit=10) == 1
    assert inbox.put([kept(2)]) == [Put(PutStatus.KNOWN)]


@pytest.mark.parametrize("state", ["waiting", "held"])
def test_a_first_of_a_line_that_was_deleted_by_hand_holds_nobody_back(store, state):
    inbox, line = store.inbox(), "a" * 64
    inbox.put([kept(number, line=line) for number in range(3)])
    if state == "held":
        take(inbox, lease=0.0)
    store.client.delete(f"hookguard:inbox:entry:{kept(0).key.idempotency_key}")
    assert take(inbox) == []
    for number in ("1", "2"):
        (held,) = take(inbox)
        assert held.kept.key.id == number
        assert inbox.complete(held.key, token=held.token, settings=SETTINGS)
    assert inbox.put([kept(3, line=line)]) == [Put(PutStatus.STORED)]
    assert [held.kept.key.id for held in take(inbox)] == ["3"]


@pytest.mark.parametrize("deleted", [0, 1])
def test_a_new_event_of_a_line_removes_the_deleted_entries_before_it(store, deleted):
    inbox, line = store.inbox(), "a" * 64
    inbox.put([kept(number, line=line) for number in range(deleted + 1)])
    if deleted:
        (held,) = take(inbox)
        inbox.complete(held.key, token=held.token, settings=InboxSettings(keep=0))
        assert inbox.prune(limit=10) == 1
    store.client.delete(f"hookguard:inbox:entry:{kept(deleted).key.idempotency_key}")
    inbox.put([kept("new", line=line)])
    assert [held.kept.key.id for held in take(inbox)] == ["new"]
    assert [(count.state, count.number) for count in inbox.counts()] == [(EntryState.HELD, 1)]


def test_a_deleted_entry_is_neither_found_nor_counted_when_a_worker_missed_it(store):
    inbox = store.inbox()
    inbox.put([kept(number) for number in range(3)])
    store.client.delete(f"hookguard:inbox:entry:{kept(1).key.idempotency_key}")
    assert [entry.event_id for entry in inbox.find(limit=10)] == ["2", "0"]
    assert len(take(inbox)) == 2
    assert [(count.state, count.number) for count in inbox.counts()] == [(EntryState.HELD, 2)]


def test_concurrent_takes_share_the_entries(server, store):
    inbox = store.inbox()
    inbox.put([kept(number) for number in range(200)])
    with ThreadPoolExecutor(8) as threads:
        taken = [held for found in threads.map(lambda _: take(inbox, 10), range(30)) for held in found]
    assert sorted(int(held.kept.key.id) for held in taken) == list(range(200))


def test_a_call_touches_as_many_entries_as_it_is_asked_for(store):
    """However many wait: counted as the commands that the server ran."""
    inbox, lines = store.inbox(), ["a" * 64, None, None, None]

    def commands_of(operation):
        store.client.config_resetstat()
        operation()
        stats = store.client.info("commandstats")
        return sum(found["calls"] for name, found in stats.items() if name != "cmdstat_config|resetstat")

    def counted():
        return [
            commands_of(lambda: inbox.put([kept("new", line=lines[0])])),
            commands_of(lambda: take(inbox, 8, lease=0.0)),
            commands_of(lambda: take(inbox, 8)),
            commands_of(inbox.counts),
            commands_of(lambda: inbox.find(limit=10)),
            commands_of(lambda: inbox.prune(limit=10)),
        ]

    found = []
    for number in (100, 10_000):
        store.client.flushall()
        for first in range(0, number, 1000):
            inbox.put([kept(each, line=lines[each % 4]) for each in range(first, min(number, first + 1000))])
        counted()  # a script that the server does not know is sent
        store.client.flushall()
        for first in range(0, number, 1000):
            inbox.put([kept(each, line=lines[each % 4]) for each in range(first, min(number, first + 1000))])
        found.append(counted())
    assert found[0] == found[1]


# --- what a check finds


@pytest.mark.parametrize("kind", KINDS)
class TestCheck:
    def checked(self, open_store, server, kind, **options):
        store = open_store(server.url, kind, **options)
        inbox = store.inbox()
        return inbox, store.check()

    def test_without_a_file_answered_events_would_be_lost(self, serve, open_store, kind):
        server = serve()
        with pytest.raises(StoreMisconfigured, match=r"keeps no append-only file, .* set appendonly to yes"):
            self.checked(open_store, server, kind)
        store = open_store(server.url, kind)
        assert any("no append-only file" in remark for remark in store.check()), "claims alone may: a remark is enough"

    def test_an_evicting_server_would_delete_answered_events(self, serve, open_store, kind):
        server = serve("--appendonly", "yes", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
        with pytest.raises(StoreMisconfigured, match=r"deletes events that were answered .* Set maxmemory-policy to noeviction"):
            self.checked(open_store, server, kind)

    def test_a_file_that_is_written_each_second_outlives_the_process(self, serve, open_store, kind):
        inbox, remarks = self.checked(open_store, serve("--appendonly", "yes"), kind)
        assert inbox.survives == "process"
        assert len(remarks) == 1
        assert "appendfsync is everysec" in remarks[0]
        assert "set it to always" in remarks[0]

    def test_a_file_that_is_written_before_the_answer_outlives_a_power_cut(self, serve, open_store, kind):
        inbox, remarks = self.checked(open_store, serve("--appendonly", "yes", "--appendfsync", "always"), kind)
        assert (inbox.survives, remarks) == ("power", [])
        assert inbox.find(limit=10) == inbox.counts() == [], "the check leaves nothing"

    def test_a_rewrite_may_not_stop_the_writing(self, serve, open_store, kind):
        options = ("--appendonly", "yes", "--appendfsync", "always", "--no-appendfsync-on-rewrite", "yes")
        inbox, remarks = self.checked(open_store, serve(*options), kind)
        assert inbox.survives == "process"
        assert "no-appendfsync-on-rewrite is yes" in remarks[0]

    def test_a_replica_deserves_a_remark(self, serve, open_store, kind):
        server = serve("--appendonly", "yes", "--appendfsync", "always")
        serve("--replicaof", "127.0.0.1", str(server.port))
        deadline = time.monotonic() + 60
        with redis.Redis.from_url(server.url) as client:
            while not client.info("replication")["connected_slaves"]:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        _, remarks = self.checked(open_store, server, kind)
        assert len(remarks) == 1
        assert "if that takes over, the answered events that had not reached it are lost" in remarks[0]

    def test_a_node_of_a_cluster_needs_a_prefix_in_braces(self, node, open_store, kind):
        with pytest.raises(StoreMisconfigured, match=r"put the prefix into braces, prefix='\{hookguard\}'"):
            self.checked(open_store, node, kind)
        node.ask("FLUSHALL")
        inbox, _ = self.checked(open_store, node, kind, prefix="{hookguard}")
        assert inbox.put([kept(1)]) == [Put(PutStatus.STORED)]

    def test_a_user_without_the_permissions_of_an_inbox_is_found(self, serve, open_store, kind):
        server = serve("--appendonly", "yes")
        rights = "+evalsha +eval +time +hmget +hset +pexpire +del +ping +select +hello +client +info"
        server.ask("ACL", "SETUSER", "shop", "on", ">password", "~hookguard:*", *rights.split())
        url = server.url.replace("redis://", "redis://shop:password@")
        open_store(url, kind).check()
        store = open_store(url, kind)
        store.inbox()
        with pytest.raises(StoreMisconfigured, match="lacks a permission"):
            store.check()

    def test_a_server_that_hides_its_settings_is_taken_with_a_remark(self, serve, open_store, kind):
        server = serve("--appendonly", "yes", "--appendfsync", "always")
        server.ask("ACL", "SETUSER", "shop", "on", ">password", "~hookguard*", "+@all", "-config", "-info")
        inbox, remarks = self.checked(
            open_store, SimpleNamespace(url=server.url.replace("redis://", "redis://shop:password@")), kind
        )
        assert inbox.survives == "process"
        assert "does not show this user its appendfsync" in remarks[0]


def test_a_cluster_s_prefix_is_missed_before_anything_is_stored(node, open_store):
    inbox = open_store(node.url).inbox()
    with pytest.raises(StoreMisconfigured, match="put the prefix into braces"):
        inbox.put([kept(1)])
    assert inbox.find(limit=10) == []
