"""A provider, eight workers, and who kills them. Run as a program, for it forks; prints its figures as JSON.

The provider sends each event until it hears 2xx, signed again each time, and about 15 % of them twice: concurrently to two workers,
or again some time after the first was acknowledged. Workers serve one delivery at a time, each over a socket of its own. A
kill is a SIGKILL to a worker that has a delivery in its hands and has not answered it; most are aimed at a phase of the work,
the others at any. The phase is read after the worker is dead, from memory that outlives it.
"""

import gc
import heapq
import json
import mmap
import os
import pickle
import random
import select
import signal
import socket
import sys
import time
import traceback
from collections import Counter, defaultdict
from itertools import count

import databases
from receivers import ANSWERING, PHASES, RECEIVERS, RECEIVING, SECRET, VERIFYING, Worker

from hookguard import presets

WORKERS = 8
PATIENCE = 0.1  # seconds until a kill that finds nobody in its phase takes any busy worker
STALLED = 60  # seconds without a single acknowledgement, after which it is over
RETRY = 0.03  # seconds until the provider tries again; real ones take their time


class Slot:
    """A worker's place, in which another takes over when it is killed."""

    def __init__(self, place):
        self.place = place
        self.pid = 0
        self.number = 0
        self.socket = None
        self.event = None  # what it has in its hands


class Rig:
    def __init__(self, receiver, url, events, kills, file, seed):
        self.receiver, self.url, self.file = RECEIVERS[receiver], url, file
        self.events, self.kills = events, kills
        self.chance = random.Random(seed)
        self.phases = mmap.mmap(-1, WORKERS)
        self.numbers, self.order = count(1), count()
        self.slots = [Slot(place) for place in range(WORKERS)]
        self.due = []  # (when, order, event): redeliveries and late duplicates
        self.fresh = self._fresh()
        self.acknowledged = set()
        self.killed = set()  # (worker, event): killed with this event in its hands
        self.by_phase = Counter()
        self.outcomes = Counter()
        self.rejected = {}  # by event, the reason of its last rejection
        self.deliveries = self.duplicates = self.missed = 0
        self.heard = 0.0
        self.next_kill = 0.0
        self.aim = None
        self.aimed = 0.0

    def _fresh(self):
        for number in range(self.events):
            yield number
            if self.chance.random() < 0.1:
                self.duplicates += 1
                yield number

    # --- workers

    def start(self, slot):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        number = next(self.numbers)
        self.phases[slot.place] = RECEIVING
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                ours.close()
                for other in self.slots:
                    if other.socket is not None:
                        other.socket.close()
                self._work(theirs, Worker(number, self.phases, slot.place, self.file))
                code = 0
            except BaseException:
                traceback.print_exc()  # else only the broken pipe to it is seen
            finally:
                os._exit(code)
        theirs.close()
        slot.pid, slot.number, slot.socket, slot.event = pid, number, ours, None

    def _work(self, channel, worker):
        random.seed(worker.number)
        serve = self.receiver.make(self.url, worker)
        while message := channel.recv(65536):
            worker.at(VERIFYING)
            status = serve(*pickle.loads(message))
            worker.at(ANSWERING)
            channel.send(f"{status} {worker.outcome}"[:400].encode())
            worker.at(RECEIVING)

    # --- the provider

    def send(self, slot, event):
        body = json.dumps({"id": f"evt_{event}", "type": "invoice.paid"}).encode()
        delivery = presets.STRIPE.sign(body, SECRET)
        slot.event = event
        self.deliveries += 1
        slot.socket.send(pickle.dumps((list(delivery.headers.items()), body)))

    def next_event(self):
        if self.due and self.due[0][0] <= time.monotonic():
            return heapq.heappop(self.due)[2]
        event = next(self.fresh, None)
        if event is None and self.acknowledged and len(self.killed) < self.kills:
            event = self.chance.choice(range(self.events))  # duplicates, for the kills that are still to come
            self.duplicates += 1
        return event

    def again(self, event, seconds):
        heapq.heappush(self.due, (time.monotonic() + seconds, next(self.order), event))

    def hear(self, slot):
        """Take a worker's answer; False if the worker is dead."""
        try:
            answer = slot.socket.recv(1024)
        except ConnectionResetError:
            answer = b""
        if not answer:
            return False
        event, slot.event = slot.event, None
        status, _, said = answer.decode().partition(" ")
        self.outcomes[said.partition(":")[0]] += 1
        if not status.startswith("2"):
            assert status in ("500", "503"), f"the provider would give up at {status}: {said}"
            self.rejected[event] = said
            self.again(event, RETRY)
            return True
        self.rejected.pop(event, None)
        self.heard = time.monotonic()
        if event not in self.acknowledged:
            self.acknowledged.add(event)
            if self.chance.random() < 0.05:
                self.duplicates += 1
                self.again(event, self.chance.uniform(0, 1.5))
        return True

    # --- who kills

    def kill_if_due(self):
        if len(self.killed) >= self.kills or len(self.acknowledged) < self.next_kill:
            return
        now = time.monotonic()
        if self.aim is None:
            self.aim, self.aimed = self.chance.randint(VERIFYING, ANSWERING), now
        busy = [slot for slot in self.slots if slot.event is not None]
        there = [slot for slot in busy if self.phases[slot.place] == self.aim]
        if not there and now > self.aimed + PATIENCE:
            there = busy
        if there:
            self.kill(self.chance.choice(there))

    def kill(self, slot):
        # Up to half a millisecond later, so that it meets every instant of a phase.
        wait = time.perf_counter() + self.chance.uniform(0, 0.0005)
        while time.perf_counter() < wait:
            pass
        os.kill(slot.pid, signal.SIGKILL)
        os.waitpid(slot.pid, 0)
        self.aim = None
        if self.hear(slot):
            self.missed += 1  # it had answered already
        else:
            self.by_phase[PHASES[self.phases[slot.place]]] += 1
            self.killed.add((slot.number, slot.event))
            self.next_kill = (len(self.killed) + self.chance.random()) * 0.95 * self.events / self.kills
            self.again(slot.event, RETRY / 3)
        slot.socket.close()
        self.start(slot)

    # --- all of it

    def run(self):
        self.receiver.prepare(self.url)
        gc.collect()
        gc.freeze()
        for slot in self.slots:
            self.start(slot)
        began = time.monotonic()
        self.heard = began
        while True:
            for slot in self.slots:
                if slot.event is None and (event := self.next_event()) is not None:
                    self.send(slot, event)
            busy = [slot for slot in self.slots if slot.event is not None]
            if not busy and not self.due:
                break
            assert time.monotonic() < self.heard + STALLED, f"turned away for ever: {self.rejected}; {self.outcomes}"
            wait = 0.0002 if self.aim is not None else 0.01
            for heard in select.select([slot.socket for slot in busy], [], [], wait)[0]:
                slot = next(slot for slot in self.slots if slot.socket is heard)
                assert self.hear(slot), f"worker {slot.number} died of itself in phase {PHASES[self.phases[slot.place]]}"
            self.kill_if_due()
        seconds = time.monotonic() - began
        for slot in self.slots:
            slot.socket.close()
            os.waitpid(slot.pid, 0)
        return self.judge(seconds)

    def judge(self, seconds):
        runs = defaultdict(list)
        for event, worker in databases.effects(self.url, self.file):
            runs[int(event.removeprefix("evt_"))].append(worker)
        doubled = {event: workers for event, workers in runs.items() if len(workers) > 1}
        unexplained = [
            event for event, workers in doubled.items() if any((worker, event) not in self.killed for worker in workers[:-1])
        ]
        return {
            "events": len(self.acknowledged),
            "deliveries": self.deliveries,
            "duplicates": self.duplicates,
            "kills": len(self.killed),
            "missed kills": self.missed,
            "by phase": dict(sorted(self.by_phase.items())),
            "outcomes": dict(sorted(self.outcomes.items())),
            "lost": sum(event not in runs for event in self.acknowledged),
            "doubled": len(doubled),
            "unexplained": len(unexplained),
            "not done": databases.not_done(self.url),
            "seconds": round(seconds, 1),
            "events per second": round(len(self.acknowledged) / seconds),
        }


if __name__ == "__main__":
    print(json.dumps(Rig(**json.loads(sys.argv[1])).run()))
