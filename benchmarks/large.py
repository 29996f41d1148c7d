"""How long one large body stops the event loop.

    python benchmarks/large.py [--mib 25]

Each row opens and settles a few deliveries with AsyncGuard and the memory store, while the loop has nothing else to do. The
longest stop is the CPU time of the loop's own thread in the longest callback that it ran: another task would have waited at
least that long. Beside it, the longest that another task really waited for its turn, which holds the wait for the interpreter's
lock and for other processes of this machine. hashlib gives that lock up while it hashes; a parser gives it up between two
objects, and not in the middle of one long text. The floor is the check by hand, as one writes it in an asynchronous view.

A body is one long text, as an upload or a document in a delivery is, or many small objects, which is the worst that a parser
can get. Of the providers, GitHub has its id in a header, and Stripe in the body, which must be parsed for it.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import json
import logging
import time
from collections.abc import Awaitable, Callable

from hookguard import AsyncGuard, Endpoint, MemoryStore, Verifier, presets

SECRET = "a-secret-that-is-long-enough"
MIB = 2**20


class Stops:
    """Measures every callback of the event loop."""

    def __enter__(self):
        self.longest = 0.0
        self._run = asyncio.Handle._run
        stops, run = self, self._run

        def measured(handle):
            began = time.thread_time()
            run(handle)
            stops.longest = max(stops.longest, time.thread_time() - began)

        asyncio.Handle._run = measured
        return self

    def __exit__(self, *_):
        asyncio.Handle._run = self._run


async def waiting(longest: list[float]) -> None:
    """Ask for a turn every millisecond, and note the longest wait."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        longest[0] = max(longest[0], time.perf_counter() - began - 0.001)


def measure(name: str, attempt: Callable[[int], Awaitable[None]], times: int = 3) -> None:
    """Print one row."""

    async def run():
        longest = [0.0]
        await attempt(0)  # what is made at the first delivery is not measured
        other = asyncio.create_task(waiting(longest))
        await asyncio.sleep(0.01)
        longest[0] = 0.0
        began = time.perf_counter()
        with Stops() as stops:
            for number in range(1, times + 1):
                await asyncio.create_task(attempt(number))  # a callback of its own, which is measured
        taken = (time.perf_counter() - began) / times
        await asyncio.sleep(0.002)
        other.cancel()
        return stops.longest, longest[0], taken

    stop, waited, taken = asyncio.run(run())
    print(f"{name:<52} {stop * 1e3:>10.2f} {waited * 1e3:>10.2f} {taken * 1e3:>12.1f}", flush=True)


def one_text(number: int, size: int) -> bytes:
    start = b'{"id":"evt_%d","type":"t","data":"' % number
    return start + b"x" * (size - len(start) - 2) + b'"}'


def small_objects(number: int, size: int) -> bytes:
    item = b'{"id":"line_1","amount":[1,2,3],"text":"xxxxxxxxxxxx"}'
    start = b'{"id":"evt_%d","type":"t","data":[' % number
    return start + b",".join([item] * ((size - len(start) - 2) // (len(item) + 1))) + b"]}"


def main() -> None:
    """Print the table."""
    logging.disable(logging.CRITICAL)
    parser = argparse.ArgumentParser()
    parser.add_argument("--mib", type=float, default=25)
    size = int(parser.parse_args().mib * MIB)
    print(f"bodies of {size / MIB:g} MiB{'':<32} {'stop ms':>10} {'waited ms':>10} {'a delivery ms':>12}")
    for kind, write in (("one text", one_text), ("small objects", small_objects)):
        bodies = [write(number, size) for number in range(4)]

        async def by_hand(number, bodies=bodies):
            assert not hmac.compare_digest(b"0" * 32, hmac.digest(SECRET.encode(), bodies[number], "sha256"))

        if kind == "one text":
            measure("hmac.digest, by hand, on the loop (floor)", by_hand)

        async def parsed(number, bodies=bodies):
            json.loads(bodies[number])

        measure(f"json.loads on the loop, {kind}", parsed)
        for provider in ("github", "stripe"):
            preset = presets.get(provider)
            signed = [preset.sign(body, SECRET, id=f"id-{number}", type="t") for number, body in enumerate(bodies)]
            for where in ("on the loop", "AsyncGuard"):
                guard = AsyncGuard(Endpoint(Verifier(preset, SECRET), max_body=2 * size), MemoryStore())
                if where == "on the loop":
                    guard._flow._beside_loop = None

                async def opened(number, guard=guard, signed=signed):
                    receipt = await guard.open(signed[number])
                    assert receipt.reply is None, receipt.error
                    await guard.settle(receipt, status=200)

                measure(f"{provider}, {kind}, {where}", opened)


if __name__ == "__main__":
    main()
