"""A process that is killed at one step of the writer: ``killed_writer.py PATH STEP COUNT VARIANT SYNCHRONOUS``.

It prints the number of each job that was acknowledged, and is killed the COUNT-th time that it comes to STEP.
"""

import asyncio
import os
import signal
import sys

import writers
from writers import good, make

from hookguard.stores.sqlite import writer as module
from hookguard.stores.sqlite.waiting import Waiting

STEPS = ["take", "look", "begin", "BEGIN", "INSERT", "COMMIT", "committed", "answer", "answered"]


def main(path, step, count, variant, synchronous):
    database, writer = make(path, timeout=60, synchronous=synchronous)
    left = int(count)

    def reached(name):
        nonlocal left
        if name == step:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(place, name, before, after=None):
        call = getattr(place, name)

        def killed(*arguments):
            reached(before)
            result = call(*arguments)
            reached(after)
            return result

        setattr(place, name, killed)

    if variant != "right":
        module.write_all = getattr(writers, variant)
    around(Waiting, "take", "take")
    around(Waiting, "begin", "begin")
    around(Waiting, "answer", "answer", "answered")
    around(module, "look", "look")
    around(module, "write_all", None, "committed")
    # Called before each statement runs.
    database.here().connection.set_trace_callback(lambda sql: reached(sql.split()[0]))

    async def task(first):
        for number in range(first, first + 1000, 20):
            await writer.submit(good(number), single=number % 2 == 0)
            os.write(1, f"{number}\n".encode())

    async def tasks():
        await asyncio.gather(*(task(first) for first in range(20)))

    asyncio.run(tasks())


if __name__ == "__main__":
    main(*sys.argv[1:])
