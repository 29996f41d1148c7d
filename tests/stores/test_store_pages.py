"""The pages on Redis and on a store of one's own, run as they are printed."""

import sys

import pytest
import servers
from pages import blocks, shell

from hookguard import MemoryStore
from hookguard.config import Settings


@pytest.mark.runs("docs/stores/redis.md", "Redis and Valkey", "Redis and Valkey 2", "Redis and Valkey 3", "Redis and Valkey 4")
def test_the_stores_of_redis_are_made_and_a_user_of_the_page_may_do_all_they_need():
    redis = pytest.importorskip("redis")
    servers.needs("Redis")
    from hookguard.stores.redis import AsyncRedisStore, RedisStore

    page = blocks("docs/stores/redis.md")
    assert isinstance(page["Redis and Valkey"].run()["store"], AsyncRedisStore)
    assert isinstance(page["Redis and Valkey 2"].run()["store"], RedisStore)
    given = {**page["Redis and Valkey 3"].run()["HOOKGUARD"], "ENDPOINTS": {"stripe": {"SECRETS": ["whsec_0123456789abcdef"]}}}
    made = Settings(given, where="docs", default_store=MemoryStore).store
    assert isinstance(made, RedisStore)
    server = redis.Redis.from_url(servers.REDIS)
    try:
        assert server.execute_command(
            page["Redis and Valkey 4"].printed().replace("ACL SETUSER hookguard", "ACL SETUSER hookguard-page")
        )
        store = RedisStore.from_url(servers.REDIS.replace("redis://", "redis://hookguard-page:password@"))
        # A Redis for tests need not keep a file.
        assert all("no append-only file" in finding for finding in store.check())
        store.close()
    finally:
        server.execute_command("ACL", "DELUSER", "hookguard-page")
        server.close()


@pytest.mark.runs("docs/stores/redis.md", "An inbox", "An inbox 2", "An inbox 3")
def test_a_server_and_a_user_of_the_page_may_keep_an_inbox(tmp_path):
    pytest.importorskip("redis")
    from redis_servers import Server

    from hookguard.inbox.contract import Kept, Lane, Put, PutStatus
    from hookguard.inbox.settings import InboxSettings
    from hookguard.store import StoreKey
    from hookguard.stores.redis import RedisStore

    page = blocks("docs/stores/redis.md")
    assert page["An inbox 2"].run()["store"].inbox().survives == "process", "until a check has seen more"
    (tmp_path / "redis.conf").write_text(page["An inbox"].printed())
    server = Server(tmp_path, conf=tmp_path / "redis.conf")
    try:
        for block in ("Redis and Valkey 4", "An inbox 3"):
            server.ask(*page[block].printed().split())
        store = RedisStore.from_url(server.url.replace("redis://", "redis://hookguard:password@"), timeout=20.0)
        inbox, settings = store.inbox(), InboxSettings(keep=0)
        assert (store.check(), inbox.survives) == ([], "power")
        event = Kept(key=StoreKey("s", "1"), endpoint="pay", event_type="t", head="{}", body=b"{}", retention=60, line="a" * 64)
        assert inbox.put([event]) == [Put(PutStatus.STORED)]
        (held,) = inbox.take(Lane("pay"), limit=5, lease=30, settings=settings)
        assert inbox.release(held.key, token=held.token, after=0, reason="no", settings=settings)
        (held,) = inbox.take(Lane("pay"), limit=5, lease=30, settings=settings)
        assert inbox.extend(held.key, token=held.token, lease=60)
        assert inbox.give_up(held.key, token=held.token, reason="no", settings=settings)
        assert inbox.put([event]) == [Put(PutStatus.AGAIN)]
        (held,) = inbox.take(Lane("pay"), limit=5, lease=30, settings=settings)
        assert inbox.complete(held.key, token=held.token, settings=settings)
        assert len(inbox.find(limit=5)) == len(inbox.counts()) == inbox.prune(limit=5) == 1
        assert store.forget(event.key) is True
        store.close()
    finally:
        server.close()


@pytest.mark.runs("docs/stores.md", "test_my_store.py")
def test_a_store_of_ones_own_is_proved_by_the_contract(tmp_path):
    blocks("docs/stores.md")["test_my_store.py"].write(tmp_path)
    (tmp_path / "my_store.py").write_text(f"from hookguard import {MemoryStore.__name__} as MyStore\n")
    done = shell(f'"{sys.executable}" -m pytest -q -p no:cacheprovider test_my_store.py', tmp_path)
    assert (done.returncode, " passed" in done.stdout) == (0, True), done.stdout
