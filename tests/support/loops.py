"""An event loop in a thread of its own, for asynchronous stores whose connections must not change loops."""

import asyncio
import inspect
import threading


class Loop:
    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, awaitable):
        """Run it to its end, from whatever thread."""
        return asyncio.run_coroutine_threadsafe(awaitable, self.loop).result(60)

    def close(self):
        self.run(self.loop.shutdown_default_executor())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class Blocked:
    """An awaited object's blocking side."""

    def __init__(self, awaited, loop):
        self._awaited, self._loop = awaited, loop

    def __getattr__(self, name):
        found = getattr(self._awaited, name)
        if name == "inbox":
            return lambda: Blocked(found(), self._loop)
        if not inspect.iscoroutinefunction(found):
            return found
        return lambda *given, **named: self._loop.run(found(*given, **named))

    def close(self):
        """Not yet."""
