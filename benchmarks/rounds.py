"""Compare candidates fairly: interleaved in shuffled rounds, CPU time, the ratio taken inside each round.

A shared machine drifts by more than what is measured here; a ratio of neighbours in time does not.
"""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections.abc import Callable


def compare(
    candidates: dict[str, Callable[[], object]], *, rounds: int = 21, seconds: float = 0.02
) -> dict[str, tuple[float, float]]:
    """Return for each candidate its median CPU microseconds a call, and its median ratio to the first candidate."""
    floor = next(iter(candidates))
    calls = {}
    for name, call in candidates.items():
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            call()
            count += 1
        calls[name] = max(count, 3)
    taken: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name in random.sample(list(candidates), len(candidates)):
            call, count = candidates[name], calls[name]
            began = time.thread_time()
            for _ in range(count):
                call()
            taken[name].append((time.thread_time() - began) / count * 1e6)
    return {
        name: (
            statistics.median(times),
            statistics.median(mine / base for mine, base in zip(times, taken[floor], strict=True)),
        )
        for name, times in taken.items()
    }


def show(title: str, result: dict[str, tuple[float, float]]) -> None:
    """Print one comparison; the first row is the floor."""
    print(f"\n{title}")
    for name, (microseconds, ratio) in result.items():
        print(f"  {name:<58} {microseconds:>10.2f} us  {ratio:>6.2f}x")


def times_during(step: Callable[[int], Callable[[], object]], work: Callable[[], object]) -> tuple[list[float], float]:
    """Return how many milliseconds each step took while ``work`` ran, and how many seconds that took.

    ``step`` prepares the step of a number, which is not part of its time, and returns the call to time.
    """
    took: list[float] = []
    over = threading.Event()

    def run() -> None:
        number = 0
        while not over.is_set():
            number += 1
            call = step(number)
            began = time.perf_counter()
            call()
            took.append((time.perf_counter() - began) * 1000)

    running = threading.Thread(target=run)
    running.start()
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    over.set()
    running.join()
    return took, seconds
