"""The cost of an autopsy: where a cause is found, for a forgery, and on the path of a rejected request.

    python benchmarks/autopsy.py [--rounds 15]

The first two are CPU time of the searching thread, because the search runs beside the requests. The third compares a guard with
autopsies and one without, in turns, by wall-clock time of ``Guard.run`` for a forged delivery.
"""

import argparse
import json
import logging
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
    """Return the time of a rejected request with autopsies, divided by that without."""
    forged = delivery("stripe", 2048)
    forged = forged._replace(body=forged.body.replace(b"invoice", b"invoise"))
    guards = [
        Guard(Endpoint(Verifier("stripe", [SECRET]), name=f"autopsy-{switch}", autopsy=switch), MemoryStore())
        for switch in (True, False)
    ]
    ratios = []
    for _ in range(rounds):
        spent = []
        for guard in guards:
            start = time.perf_counter()
            for _ in range(500):
                guard.run(forged, lambda event: None)
            spent.append(time.perf_counter() - start)
        guards.reverse()
        ratios.append(spent[0] / spent[1] if guards[1].endpoint.autopsy else spent[1] / spent[0])
    return statistics.median(ratios)


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
    for preset in ("stripe", "github", "standard-webhooks", "trello"):
        for size in (2048, 16384):
            signed = delivery(preset, size)
            forged = signed._replace(body=signed.body.replace(b"invoice", b"invoise"))
            spent, autopsy = measured(Verifier(preset, [SECRET]), forged, rounds)
            print(f"{preset:18} {f'forgery, {size} bytes':30} {autopsy.codes[0]:22} {autopsy.calls:5} calls {spent:7.2f} ms")
    print(f"a rejected request with autopsies / without: {on_the_path(rounds):.3f}")


if __name__ == "__main__":
    main()
