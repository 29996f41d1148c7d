"""Workers that are killed between a target's answer and the mark that the entry is done."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("httpx")
pytest.importorskip("uvicorn")

from receiving import receiver
from relays import to
from waiting import until

#: Events, each of which kills its first worker.
EVENTS = int(os.environ.get("HOOKGUARD_RELAY_KILLS", "4"))

WORKER = textwrap.dedent(
    """
    import asyncio, pathlib, sys
    from relays import Shop, to
    from hookguard.work.lanes import open_lanes
    from hookguard.work.worker import Worker
    from receiving import Receiver

    made = Shop(pathlib.Path(sys.argv[1]), {"billing": to(Receiver(url=sys.argv[2]))})
    asyncio.run(Worker(made.app, open_lanes(made.settings), lease=1.0, at_once=1).run())
    """
)


def test_event_of_a_killed_worker_is_sent_again_under_its_id(shop, tmp_path):
    running, killed = [], set()

    def kill(came):
        if came.headers["webhook-id"] not in killed:
            killed.add(came.headers["webhook-id"])
            os.kill(running[-1].pid, signal.SIGKILL)
            running[-1].wait()  # dead before it can hear the answer

    with receiver() as there:
        there.before = kill
        made = shop({"billing": to(there)})
        for number in range(EVENTS):
            made.deliver(number)
        try:
            while made.waiting():
                running.append(subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path), there.url], env=environment()))
                assert until(lambda: running[-1].poll() is not None or not made.waiting(), 120)
        finally:
            running[-1].kill()
            running[-1].wait()
    assert len(killed) == EVENTS
    assert all(there.ids.count(each) == 2 for each in killed)
    assert {state.name for state in made.states().values()} == {"DONE"}


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
