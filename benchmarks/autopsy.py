"""The cost of an autopsy: where a cause is found, for a forgery, and on the path of a rejected request.

    python benchmarks/autopsy.py [--rounds 15]

All of it is CPU time of one thread. The first two are of the searching thread, because the search runs beside the requests. The
third is of the requests' thread: ``Guard.run`` of a forged delivery with autopsies, without, and without once more. The three take
turns request by request, in shuffled order, because a busy machine slows down for milliseconds. Each round compares the medians of
200 requests, and the median of the rounds' ratios counts. The ratio of the second guard without autopsies shows how far the machine
is to be trusted: it should be within 0.005 of 1.
"""

import argparse
import json
import logging
import random
import statistics
import time
from dataclasses import replace

from hookguard import Endpoint, Guard, MemoryStore, Secret, Verifier, presets
from hookguard.autopsy import LIVE, explain
from hookguard.headers import Headers

SECRET = "whsec_GpbHODqYsK2jn1fwRv2119uNETI485Tg"
BOUNDS = replace(LIVE, seconds=10.0)


def delivery(preset, size):
    """Return a genuine delivery with JSON of about this size, as many senders write it."""
    lines = [{"sku": f"A-{number}", "qty": number, "title": "café / <b> & co"} for number in range(size // 58)]
    body = json.dumps({"id": "evt_1", "type": "invoice.paid", "lines": lines}, separators=(",", ":")).encode()
    return presets.get(preset).sign(body, SECRET, id="evt_1", url="https://example.com/hooks?tenant=7")


def broken(signed):
    """Yield deliveries with one cause each."""
    body, headers = signed.body, signed.headers
    yield "body written by Python", signed._replace(body=json.dumps(json.loads(body)).encode())
    yield (
        "body written by JavaScript",
        signed._replace(body=json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode()),
    )
    yield "line break added", signed._replace(body=body + b"\n")
    name = next(name for name in headers if "signature" in name or "trello" in name)
    yield "signature in quotation marks", signed._replace(headers=headers | {name: f'"{headers[name]}"'})
    yield (
        "header with underscores",
        signed._replace(
            headers=Headers([*(pair for pair in headers.items() if pair[0] != name), (name.replace("-", "_"), headers[name])])
        ),
    )


def measured(verifier, given, rounds):
    """Return the median CPU time in milliseconds, and the codes."""
    times = []
    for _ in range(rounds):
        start = time.thread_time()
        found = explain(verifier, given, bounds=BOUNDS)
        times.append((time.thread_time() - start) * 1000)
    return statistics.median(times), found


def on_the_path(rounds):
    """Return the CPU time of a rejected request: microseconds without autopsies, and two ratios to that.

    The first ratio is of a second guard without autopsies, the second ratio of a guard with them.
    """
    forged = delivery("stripe", 2048)
    forged = forged._replace(body=forged.body.replace(b"invoice", b"invoise"))
    guards = {
        name: Guard(Endpoint(Verifier("stripe", [SECRET]), name=name, autopsy=name == "on"), MemoryStore())
        for name in ("off", "off-again", "on")
    }
    for _ in range(10):
        guards["on"].run(forged, lambda event: None)
    time.sleep(1)  # by now the three deliveries are examined that an endpoint may hand over
    medians = {name: [] for name in guards}
    for _ in range(rounds):
        times = {name: [] for name in guards}
        for _ in range(200):
            for name in random.sample(list(guards), len(guards)):
                guard = guards[name]
                start = time.thread_time()
                guard.run(forged, lambda event: None)
                times[name].append(time.thread_time() - start)
        for name, taken in times.items():
            medians[name].append(statistics.median(taken))
    off = medians["off"]
    again, on = (
        statistics.median(mine / base for mine, base in zip(medians[name], off, strict=True)) for name in ("off-again", "on")
    )
    return statistics.median(off) * 1e6, again, on


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    logging.getLogger("hookguard").addHandler(logging.NullHandler())
    logging.getLogger("hookguard").propagate = False
    found_times = []
    for preset in ("stripe", "github", "standard-webhooks", "trello"):
        signed = delivery(preset, 2048)
        verifier = Verifier(preset, [SECRET])
        for name, given in broken(signed):
            spent, autopsy = measured(verifier, given, rounds)
            found_times.append(spent)
            print(f"{preset:18} {name:30} {autopsy.codes[0]:22} {autopsy.calls:5} calls {spent:7.2f} ms")
        padded = Verifier(preset, [Secret.exact(SECRET.encode() + b"\n")])
        spent, autopsy = measured(padded, signed, rounds)
        found_times.append(spent)
        print(f"{preset:18} {'line break in the secret':30} {autopsy.codes[0]:22} {autopsy.calls:5} calls {spent:7.2f} ms")
    print(f"{'median where a cause is found':72} {statistics.median(found_times):7.2f} ms")
    for preset in ("stripe", "github", "standard-webhooks", "trello", "hubspot-v2", "hubspot", "contentful", "messagebird"):
        for size in (2048, 16384):
            signed = delivery(preset, size)
            forged = signed._replace(body=signed.body.replace(b"invoice", b"invoise"))
            spent, autopsy = measured(Verifier(preset, [SECRET]), forged, rounds)
            print(f"{preset:18} {f'forgery, {size} bytes':30} {autopsy.codes[0]:22} {autopsy.calls:5} calls {spent:7.2f} ms")
    spent, control, ratio = on_the_path(4 * rounds)
    print(f"a rejected request without autopsies: {spent:.1f} us; a second guard without: {control:.3f}, with: {ratio:.3f}")


if __name__ == "__main__":
    main()
