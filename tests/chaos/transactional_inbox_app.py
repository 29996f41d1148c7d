"""The receiver and the worker that are killed, in transactional mode: the effect is a row beside the inbox.

``python transactional_inbox_app.py`` is a worker whose lease is short: of the same Flask application, or with ``CHAOS_AWAITED``
(an asynchronous driver) of a Starlette application. ``CHAOS_WRONG=second-commit`` commits the effect before the completion.
"""

import asyncio
import os
import random
import time

from flask import Flask
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import sessionmaker
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from hookguard.stores.sql import AsyncSQLTransactionStore, SQLTransactionStore
from hookguard.work.process import work
from hookguard.work.worker import Worker
from hookguard_flask import HookGuard, current_webhook
from hookguard_starlette import HookGuard as AsyncHookGuard

FOLDER, URL = os.environ["CHAOS_FOLDER"], make_url(os.environ["CHAOS_STORE"])
LEASE = float(os.environ.get("CHAOS_LEASE", "3"))
AWAITED, WRONG = os.environ.get("CHAOS_AWAITED"), os.environ.get("CHAOS_WRONG") == "second-commit"
ENDPOINTS = {"stripe": {"secrets": [os.environ["CHAOS_SECRET"]], "inbox": {"first": 0.2, "longest_wait": 1.0}}}
INSERT = text("INSERT INTO effect (event_id, worker) VALUES (:event, :worker)")
begun = os.open(f"{FOLDER}/begun", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.close(os.open(f"{FOLDER}/effects", os.O_WRONLY | os.O_CREAT))  # the rig reads it: here it stays empty

sessions = sessionmaker(create_engine(URL))
store = SQLTransactionStore(sessions, timeout=20)
app = Flask("chaos")
app.config["HOOKGUARD_ENDPOINTS"] = ENDPOINTS
app.config["HOOKGUARD_STORE"] = store
hooks = HookGuard(app)


def note(event, what):
    """For the rig: who has begun, and what came of each run. A kill may come at any point."""
    os.write(begun, f"{os.getpid()} {event.id} {event.attempt} {what} {time.time():.3f}\n".encode())


def a_moment():
    return random.uniform(0, 0.15)


@app.post("/guarded")
@hooks.guard("stripe")
def guarded():
    note(current_webhook, "begins")
    time.sleep(a_moment())
    effect = {"event": current_webhook.id, "worker": os.getpid()}
    if WRONG:
        with sessions.begin() as session:
            session.execute(INSERT, effect)
    else:
        store.session.execute(INSERT, effect)
    note(current_webhook, "writes")
    time.sleep(a_moment())
    if random.random() < 0.05:
        note(current_webhook, "raises")
        raise ValueError("not this time")
    note(current_webhook, "answers")
    return "", 204


def awaited_app():
    """The same handler, awaited, and the lanes of its inbox."""
    awaited = AsyncSQLTransactionStore(async_sessionmaker(create_async_engine(URL.set(drivername=AWAITED))), timeout=20)
    its_hooks = AsyncHookGuard(ENDPOINTS, store=awaited)

    async def handle(request):
        event = request.state.webhook
        note(event, "begins")
        await asyncio.sleep(a_moment())
        await awaited.session.execute(INSERT, {"event": event.id, "worker": os.getpid()})
        note(event, "writes")
        await asyncio.sleep(a_moment())
        status = 500 if random.random() < 0.05 else 204
        note(event, f"answers {status}")
        return Response(status_code=status)

    made = Starlette(routes=[Route("/guarded", handle, methods=["POST"], middleware=[its_hooks.middleware("stripe")])])
    return made, its_hooks.open_lanes(made)


if __name__ == "__main__":
    application, lanes = awaited_app() if AWAITED else (app, app.extensions["hookguard"].open_lanes(app))
    work(Worker(application, lanes, at_once=4, lease=LEASE))
