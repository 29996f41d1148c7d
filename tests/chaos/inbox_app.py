"""The receiver and the worker that are killed: one application with an inbox.

``python inbox_app.py`` is a worker whose lease is short. ``CHAOS_WRONG`` makes it one of the workers that are known to be wrong.
"""

import os
import random
import signal
import sqlite3
import time

from flask import Flask

from hookguard.stores.sqlite.inbox import SQLiteInbox
from hookguard_flask import HookGuard, current_webhook

FOLDER = os.environ["CHAOS_FOLDER"]
LEASE = float(os.environ.get("CHAOS_LEASE", "3"))
FILE = f"{FOLDER}/inbox.sqlite3"
effects = os.open(f"{FOLDER}/effects", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
begun = os.open(f"{FOLDER}/begun", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
app = Flask("chaos")


class TakenMeansDone(SQLiteInbox):
    """Deletes what it hands out, as several queues do."""

    def take(self, lane, **options):
        held = super().take(lane, **options)
        for each in held:
            self.complete(each.key, token=each.token, settings=options["settings"])
        return held


class CrashesAreTries(SQLiteInbox):
    """Hands out immediately what a dead worker held, and gives up after five tries of any kind."""

    def take(self, lane, **options):
        with sqlite3.connect(FILE, timeout=20) as connection:
            connection.execute(
                "UPDATE hookguard_inbox SET token = NULL, state = CASE WHEN attempt >= 5 THEN 3 ELSE 0 END,"
                " due_at = CASE WHEN attempt >= 5 THEN NULL ELSE due_at END WHERE state = 1 AND due_at <= ?",
                (time.time(),),
            )
        connection.close()
        return super().take(lane, **options)


WRONG = {"taken-means-done": TakenMeansDone, "crashes-are-tries": CrashesAreTries}
app.config["HOOKGUARD_ENDPOINTS"] = {
    "stripe": {"secrets": [os.environ["CHAOS_SECRET"]], "inbox": {"first": 0.2, "longest_wait": 1.0}}
}
app.config["HOOKGUARD_STORE"] = {"url": os.environ.get("CHAOS_STORE", f"sqlite:///{FILE}"), "timeout": 10}
hooks = HookGuard(app)


@app.post("/guarded")
@hooks.guard("stripe")
def guarded():
    """Take a moment, do it, take another: a kill may come at any point."""
    os.write(begun, f"{os.getpid()}\n".encode())
    time.sleep(random.uniform(0, 0.15))
    if current_webhook.type == "poison":
        os.kill(os.getpid(), signal.SIGKILL)
    os.write(effects, f"{current_webhook.id} {os.getpid()}\n".encode())
    time.sleep(random.uniform(0, 0.15))
    return "", 204


if __name__ == "__main__":
    from hookguard.work.process import work
    from hookguard.work.worker import Worker

    lanes = app.extensions["hookguard"].open_lanes(app)
    if wrong := WRONG.get(os.environ.get("CHAOS_WRONG", "")):
        for lane in lanes:
            lane.inbox.__class__ = wrong
            lane._awaited = None  # the side for event loops is another class
    work(Worker(app, lanes, at_once=8, lease=LEASE, drain="CHAOS_DRAIN" in os.environ))
