"""Shared by the tests of the guards: each scenario is written once and runs on Guard and on AsyncGuard."""

import asyncio
from contextlib import contextmanager

from hookguard import AsyncGuard, Guard, StoreUnavailable

SECRET = "a-secret-that-is-long-enough"
NOW = 1_700_000_000.0


class Sync:
    """Guard, as it is."""

    name = "Guard"

    def __init__(self, endpoint, store):
        self.guard = Guard(endpoint, store)

    def open(self, delivery):
        return self.guard.open(delivery)

    def settle(self, receipt, **how):
        return self.guard.settle(receipt, **how)

    def next(self, receipt):
        return self.guard.next(receipt)

    def each(self, receipt, attempt):
        return self.guard.each(receipt, attempt)

    def run(self, delivery, handle):
        return self.guard.run(delivery, handle)

    @contextmanager
    def receive(self, delivery):
        with self.guard.receive(delivery) as receipt:
            yield receipt


class Async:
    """AsyncGuard, driven one call at a time."""

    name = "AsyncGuard"

    def __init__(self, endpoint, store):
        self.guard = AsyncGuard(endpoint, store)

    def open(self, delivery):
        return asyncio.run(self.guard.open(delivery))

    def settle(self, receipt, **how):
        return asyncio.run(self.guard.settle(receipt, **how))

    def next(self, receipt):
        return asyncio.run(self.guard.next(receipt))

    def each(self, receipt, attempt):
        async def awaited(receipt):
            await asyncio.sleep(0)
            return attempt(receipt)

        return asyncio.run(self.guard.each(receipt, awaited))

    def run(self, delivery, handle):
        async def awaited(event):
            await asyncio.sleep(0)
            return handle(event)

        return asyncio.run(self.guard.run(delivery, awaited))

    @contextmanager
    def receive(self, delivery):
        loop = asyncio.new_event_loop()
        entered = self.guard.receive(delivery)
        try:
            receipt = loop.run_until_complete(entered.__aenter__())
            try:
                yield receipt
            except BaseException as error:
                if not loop.run_until_complete(entered.__aexit__(type(error), error, error.__traceback__)):
                    raise
            else:
                loop.run_until_complete(entered.__aexit__(None, None, None))
        finally:
            loop.close()


class Faulty:
    """A real store whose operations fail on demand, before or after they did their work."""

    def __init__(self, store):
        self.store = store
        self.capabilities = store.capabilities
        self.before = set()
        self.after = set()
        self.calls = []

    def _call(self, name, *args, **kwargs):
        self.calls.append(name)
        if name in self.before:
            raise StoreUnavailable("the store is down")
        answer = getattr(self.store, name)(*args, **kwargs)
        if name in self.after:
            raise StoreUnavailable("the answer got lost")
        return answer

    def claim(self, key, **arguments):
        return self._call("claim", key, **arguments)

    def complete(self, key, **arguments):
        return self._call("complete", key, **arguments)

    def release(self, key, **arguments):
        return self._call("release", key, **arguments)

    def extend(self, key, **arguments):
        return self._call("extend", key, **arguments)

    def purge(self, **arguments):
        return self._call("purge", **arguments)

    def forget(self, key):
        return self._call("forget", key)


__all__ = ["NOW", "SECRET", "Async", "Faulty", "Sync"]
