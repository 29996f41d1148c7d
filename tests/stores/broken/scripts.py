"""Mistakes in Redis's scripts: our own, one of them with something left out or put in, run by a real server."""

import os
from hashlib import sha1
from itertools import count

import servers
from redis import Redis

from hookguard.stores.redis import RedisStore

PREFIX = f"hookguard-broken-{os.getpid()}"
_numbers = count()

#: Each fault: the script's operation, the right text, and the wrong text in its place.
WRONG = {
    "nothing ever expires": ("claim", "expires_at <= now", "false"),
    "a lease is never over": ("claim", "state == '1' and lease_until > now", "state == '1'"),
    "a lease is over at once": ("claim", "state == '1' and lease_until > now", "false"),
    "the same token is rejected": ("claim", "held[2] == ARGV[2]", "false"),
    "the last fingerprint stays": ("claim", "'print', fingerprint", "'print', ARGV[3]"),
    "attempts are not counted": ("claim", "'attempt', attempt + 1)", "'attempt', 1)"),
    "an old reply stays": ("claim", "redis.call('DEL', KEYS[1])", "redis.call('HDEL', KEYS[1], 'state')"),
    "a claim vanishes with its lease": ("claim", "expires_at = lease_until + ARGV[5]", "expires_at = lease_until"),
    "takes over what is done": ("claim", "state == '2'", "state == '2' and lease_until > now"),
    "completes for any token": ("complete", "held[2] ~= ARGV[2]", "false"),
    "completes what was released": ("complete", "held[1] == '0'", "false"),
    "completes what has expired": ("complete", "tonumber(held[3]) <= now", "false"),
    "completing again prolongs": ("complete", "if held[1] == '1' then", "if true then"),
    "releases for any token": ("release", "held[2] ~= ARGV[2]", "false"),
    "releases what is done": ("release", "held[1] ~= '1'", "false"),
    "releases by deleting": (
        "release",
        "redis.call('HSET', KEYS[1], 'state', '0', 'lease', whole(now))",
        "redis.call('DEL', KEYS[1])",
    ),
    "extends for any token": ("extend", "held[2] ~= ARGV[2]", "false"),
    "extends what is over": ("extend", "held[1] ~= '1'", "false"),
    "extending forgets the retention": ("extend", " + held[3] - held[4]", ""),
}


class RedisShaped(RedisStore):
    """The store, with one of its scripts changed on its way to the server."""

    def __init__(self, clock, wrong=None):
        right = RedisStore.from_url(servers.REDIS, timeout=20)
        super().__init__(right.client, timeout=20, prefix=f"{PREFIX}-{next(_numbers)}", clock=clock)
        self._wrong = WRONG.get(wrong)

    def _changed(self, operation, call):
        if self._wrong is None or self._wrong[0] != operation:
            return call
        _, right, instead = self._wrong
        assert right in call.script.text, f"{operation}.lua has changed, and {right!r} is not in it any more"
        text = call.script.text.replace(right, instead)
        digest = sha1(text.encode(), usedforsecurity=False).hexdigest()
        return call._replace(script=call.script._replace(text=text, digest=digest))

    def claim(self, *args, **named):
        return self._with("claim", *args, **named)

    def complete(self, *args, **named):
        return self._with("complete", *args, **named)

    def release(self, *args, **named):
        return self._with("release", *args, **named)

    def extend(self, *args, **named):
        return self._with("extend", *args, **named)

    def _with(self, operation, *args, **named):
        asking = _Asking(self, operation)
        return getattr(RedisStore, operation)(asking, *args, **named)


class _Asking:
    """The store for the length of one operation, so that threads do not change each other's scripts."""

    def __init__(self, store, operation):
        self._store = store
        self._operation = operation
        self._calls = store._calls

    def _run(self, call, read):
        return self._store._run(self._store._changed(self._operation, call), read)


def forget_everything():
    with Redis.from_url(servers.REDIS) as client:
        for name in client.scan_iter(match=f"{PREFIX}-*", count=10_000):
            client.delete(name)
