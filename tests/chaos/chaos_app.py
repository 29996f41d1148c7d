"""The receiver that is killed.

The effect is one line in a file, written by one call, which a kill cannot cut in two.
"""

import os
import random
import time

from flask import Flask

from hookguard_flask import HookGuard, get_current_webhook

FOLDER = os.environ["CHAOS_FOLDER"]
effects = os.open(f"{FOLDER}/effects", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
app = Flask("chaos")


def effect(event_id):
    """Take a moment, do it, take another: a kill may come at any point."""
    time.sleep(random.uniform(0, 0.004))
    os.write(effects, f"{event_id} {os.getpid()}\n".encode())
    time.sleep(random.uniform(0, 0.004))


app.config["HOOKGUARD_ENDPOINTS"] = {"stripe": {"secrets": [os.environ["CHAOS_SECRET"]], "lease": 3}}
app.config["HOOKGUARD_STORE"] = f"sqlite:///{FOLDER}/claims.sqlite3"
hooks = HookGuard(app)


@app.post("/guarded")
@hooks.guard("stripe")
def guarded():
    effect(get_current_webhook().id)
    return "", 204
