"""The receiver that is killed: three ways to handle an event once, of which one is right.

The effect is one line in a file, written by one call, which a kill cannot cut in two.
"""

import os
import random
import sqlite3
import time

from flask import Flask, request

from hookguard_flask import HookGuard, get_current_webhook

FOLDER = os.environ["CHAOS_FOLDER"]
effects = os.open(f"{FOLDER}/effects", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
app = Flask("chaos")


def effect(event_id):
    """Take a moment, do it, take another: a kill may come at any point."""
    time.sleep(random.uniform(0, 0.004))
    os.write(effects, f"{event_id} {os.getpid()}\n".encode())
    time.sleep(random.uniform(0, 0.004))


def marks():
    connection = sqlite3.connect(f"{FOLDER}/marks.sqlite3", timeout=10, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE IF NOT EXISTS mark (id TEXT PRIMARY KEY)")
    return connection


app.config["HOOKGUARD_ENDPOINTS"] = {"stripe": {"secrets": [os.environ["CHAOS_SECRET"]], "lease": 3}}
app.config["HOOKGUARD_STORE"] = f"sqlite:///{FOLDER}/claims.sqlite3"
hooks = HookGuard(app)


@app.post("/guarded")
@hooks.guard("stripe")
def guarded():
    """Ours."""
    effect(get_current_webhook().id)
    return "", 204


@app.post("/mark-first")
def mark_first():
    """Most blog posts: remember the id, then run. A kill in between loses the event."""
    event_id = request.get_json()["id"]
    connection = marks()
    try:
        if connection.execute("INSERT OR IGNORE INTO mark VALUES (?)", (event_id,)).rowcount:
            effect(event_id)
    finally:
        connection.close()
    return "", 204


@app.post("/check-run-mark")
def check_run_mark():
    """The other half of them: look, run, remember. Two at once both run."""
    event_id = request.get_json()["id"]
    connection = marks()
    try:
        if connection.execute("SELECT 1 FROM mark WHERE id = ?", (event_id,)).fetchone() is None:
            effect(event_id)
            connection.execute("INSERT OR IGNORE INTO mark VALUES (?)", (event_id,))
    finally:
        connection.close()
    return "", 204
