"""A Django project with an inbox in its own database, whose receivers and workers are killed; see inbox_app.py.

``python django_inbox_app.py`` is a worker, and with arguments the project's ``manage.py``. ``CHAOS_DATABASE`` is its database.
With ``CHAOS_TRANSACTIONAL`` the effect is a row beside the inbox, as in transactional_inbox_app.py; ``CHAOS_WRONG=second-commit``
commits it before the completion.
"""

import json
import os
import random
import sys
import time
from contextlib import suppress

from django.conf import settings
from django.http import HttpResponse
from django.urls import path

FOLDER = os.environ["CHAOS_FOLDER"]
LEASE = float(os.environ.get("CHAOS_LEASE", "3"))
TRANSACTIONAL, WRONG = "CHAOS_TRANSACTIONAL" in os.environ, os.environ.get("CHAOS_WRONG") == "second-commit"
KIND = "ORMTransactionStore" if TRANSACTIONAL and not WRONG else "ORMStore"
effects = os.open(f"{FOLDER}/effects", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
begun = os.open(f"{FOLDER}/begun", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

with suppress(ImportError):  # see django_site.py
    import pymysql

    pymysql.install_as_MySQLdb()
settings.configure(
    SECRET_KEY="x",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    INSTALLED_APPS=["hookguard_django"],
    DATABASES={"default": json.loads(os.environ["CHAOS_DATABASE"]) | {"ATOMIC_REQUESTS": True}},
    HOOKGUARD={
        "STORE": f"hookguard_django.stores.{KIND}",
        "ENDPOINTS": {"stripe": {"SECRETS": [os.environ["CHAOS_SECRET"]], "INBOX": {"FIRST": 0.2, "LONGEST_WAIT": 1.0}}},
    },
)

import django

django.setup()

from django.core.wsgi import get_wsgi_application
from django.db import connection

from hookguard_django import webhook


def note(request, what):
    """For the rig: who has begun, and what came of each run."""
    os.write(begun, f"{os.getpid()} {request.webhook.id} {request.webhook.attempt} {what} {time.time():.3f}\n".encode())


@webhook("stripe")
def guarded(request):
    """Take a moment, do it, take another: a kill may come at any point."""
    note(request, "begins")
    time.sleep(random.uniform(0, 0.15))
    if TRANSACTIONAL:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO effect (event_id, worker) VALUES (%s, %s)", [request.webhook.id, os.getpid()])
        note(request, "writes")
    else:
        os.write(effects, f"{request.webhook.id} {os.getpid()}\n".encode())
    time.sleep(random.uniform(0, 0.15))
    if TRANSACTIONAL and random.random() < 0.05:
        note(request, "raises")
        raise ValueError("not this time")
    note(request, "answers")
    return HttpResponse(status=204)


urlpatterns = [path("guarded", guarded)]
app = get_wsgi_application()

if __name__ == "__main__":
    from django.core.management import execute_from_command_line

    from hookguard.work.process import work
    from hookguard.work.worker import Worker
    from hookguard_django.work import open_lanes

    if len(sys.argv) > 1:
        execute_from_command_line(sys.argv)
    else:
        work(Worker(app, open_lanes(app), at_once=8, lease=LEASE))
