"""The cost of a guarded route behind a server: the server's own CPU time for each delivery.

    python benchmarks/server.py [--rounds 15] [--store memory|sqlite]

uvicorn serves the same Starlette application in four processes, one for each row of plugins.py. Each round sends 200 deliveries
over 8 connections to each of them, in shuffled order; the server says how much CPU time its process took. Requests a second
would measure the client as well, which shares the cores.
"""

import argparse
import asyncio
import logging
import random
import socket
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

import frameworks
from gateways import BODY, sign
from rounds import show

ROWS = (frameworks.REMEMBERED, frameworks.CHECKED, frameworks.GUARDED, frameworks.PLAIN)
DELIVERIES, CONNECTIONS = 200, 8
LINES = ["POST /hook HTTP/1.1", *(f"{name}: {value}" for name, value in sign().items()), "", ""]
HOOK = "\r\n".join(LINES).encode() + BODY
CPU = b"GET /cpu HTTP/1.1\r\nhost: localhost\r\n\r\n"


def serve(row, store):
    """Run one row's application on a free port, and print the port."""
    import uvicorn
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    warnings.simplefilter("ignore")
    logging.getLogger("hookguard").setLevel(logging.CRITICAL)
    app = frameworks.starlette_apps(store)[row]
    app.router.routes.append(Route("/cpu", lambda request: PlainTextResponse(str(time.process_time()))))
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False)).run(sockets=[listening])


async def ask(reader, writer, request):
    """Send one request, and return the response's status and body."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    return int(head[9:12]), await reader.readexactly(length)


async def cpu(port):
    """Return the CPU seconds that a server has taken."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    _, seconds = await ask(reader, writer, CPU)
    writer.close()
    return float(seconds)


async def deliver(port):
    """Send the deliveries of one round."""

    async def connection():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(DELIVERIES // CONNECTIONS):
            status, _ = await ask(reader, writer, HOOK)
            assert status == 204, status
        writer.close()

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))


async def measure(ports, rounds):
    """Return each row's median microseconds a delivery, and its median ratio to the first row."""
    taken = {row: [] for row in ports}
    for number in range(rounds + 1):
        for row in random.sample(list(ports), len(ports)):
            began = await cpu(ports[row])
            await deliver(ports[row])
            if number:  # the first round warms up
                taken[row].append((await cpu(ports[row]) - began) / DELIVERIES * 1e6)
    floor = taken[ROWS[0]]
    return {
        row: (statistics.median(times), statistics.median(mine / base for mine, base in zip(times, floor, strict=True)))
        for row, times in taken.items()
    }


def main():
    """Start the servers, measure, and stop them."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=15)
    arguments.add_argument("--store", choices=("memory", "sqlite"), default="memory")
    arguments.add_argument("--serve", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.serve:
        serve(given.serve, given.store)
        return
    command = [sys.executable, str(Path(__file__)), "--store", given.store, "--serve"]
    servers = {row: subprocess.Popen([*command, row], stdout=subprocess.PIPE, text=True) for row in ROWS}
    try:
        ports = {row: int(server.stdout.readline()) for row, server in servers.items()}
        show(f"Starlette behind uvicorn, {given.store} store: CPU time of the server", asyncio.run(measure(ports, given.rounds)))
    finally:
        for server in servers.values():
            server.terminate()


if __name__ == "__main__":
    main()
