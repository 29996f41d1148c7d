"""Events on their whole way over Django's own database: answered, stored, taken by a worker, handled by the project's view."""

import asyncio
import os
import subprocess
import sys
import threading
import unittest
from pathlib import Path

import pytest

pytest.importorskip("django")

from django_site import configure, site

configure()

from django.db import connections, transaction
from django.http import HttpResponse
from django.test import TestCase
from django.urls import path
from django_deliveries import SECRET, post, settings, stripe
from django_shop import ALIASES, Effect, close_shop, open_shop
from django_tables import close_database, open_database, wait_for_disk

from hookguard.testing import work_off
from hookguard.work.worker import Worker
from hookguard_django import webhook
from hookguard_django import work as project
from hookguard_django.stores import ORMStore

INBOX = {"SECRETS": [SECRET], "INBOX": {"first": 0.01, "tries": 3}}


@pytest.fixture(params=ALIASES)
def alias(request):
    open_shop(request.param)
    wait_for_disk(request.param)
    yield request.param
    close_shop(request.param)


def shop(alias, view, *, atomic_requests=False, **more):
    """A project with a view for an endpoint with an inbox."""
    connections.settings[alias]["ATOMIC_REQUESTS"] = atomic_requests
    given = settings(ORMStore(alias))
    given["ENDPOINTS"] = {"stripe": INBOX, "direct": {"SECRETS": [SECRET], "PRESET": "stripe"}}
    return site(path("hook", webhook("stripe")(view)), HOOKGUARD=given, **more)


def states(alias):
    return {entry.event_id: (entry.state.name, entry.attempt) for entry in ORMStore(alias).inbox().find(limit=100)}


def synchronous(ran, fails):
    def view(request):
        ran.append((request.webhook.id, request.webhook.attempt))
        return HttpResponse(status=500 if request.webhook.id in fails and request.webhook.attempt == 1 else 204)

    return view


def asynchronous(ran, fails):
    view = synchronous(ran, fails)

    async def awaited(request):
        return view(request)

    return awaited


@pytest.mark.parametrize("kind", [synchronous, asynchronous])
def test_a_view_is_answered_first_and_runs_later(alias, kind):
    ran = []
    with shop(alias, kind(ran, {"evt_2"})):
        answers = [post(stripe(event)) for event in ("evt_1", "evt_2", "evt_1")]
        assert [(answer.status_code, answer.get("Hookguard-Duplicate")) for answer in answers] == [
            (200, None),
            (200, None),
            (200, "1"),
        ]
        assert ran == []
        assert [outcome.outcome for outcome in work_off()] == ["handled", "failed", "handled"]
    assert ran == [("evt_1", 1), ("evt_2", 1), ("evt_2", 2)]
    assert states(alias) == {"evt_1": ("DONE", 1), "evt_2": ("DONE", 2)}


def work(asgi=False):
    """Let a real worker drain the inbox, in threads of its own."""
    app = project.application(asgi=asgi)
    return asyncio.run(Worker(app, project.open_lanes(app), at_once=4, drain=True).run())


def test_under_atomic_requests_a_run_that_fails_leaves_nothing_and_the_next_is_committed(alias):
    def view(request):
        assert connections[alias].in_atomic_block
        Effect(event_id=request.webhook.id).save(using=alias)
        if request.webhook.attempt == 1:
            raise RuntimeError("the handler's own mistake")
        return HttpResponse()

    with shop(alias, view, atomic_requests=True):
        assert [post(stripe(f"evt_{number}")).status_code for number in range(4)] == [200] * 4
        summary = work()
        # An event that failed is due again in a moment; a worker that drains may end before that.
        while summary.outcomes["handled"] < 4:
            summary.outcomes += work().outcomes
    connections.settings[alias]["ATOMIC_REQUESTS"] = False
    assert (summary.outcomes["failed"], summary.outcomes["handled"]) == (4, 4)
    assert sorted(Effect.objects.using(alias).values_list("event_id", flat=True)) == [f"evt_{number}" for number in range(4)]
    assert set(states(alias).values()) == {("DONE", 2)}


@pytest.mark.parametrize("asgi", [False, True], ids=["wsgi", "asgi"])
def test_no_run_finds_a_connection_that_another_one_left_open(alias, asgi):
    found, threads = [], set()

    def view(request):
        threads.add(threading.current_thread())
        found.append(connections[alias].connection)
        Effect.objects.using(alias).count()
        return HttpResponse()

    with shop(alias, view):
        for number in range(12):
            post(stripe(f"evt_{number}"))
        assert work(asgi).outcomes["handled"] == 12
    assert asgi or len(threads) < 12  # by ASGI, Django gives each request a thread of its own
    assert found == [None] * 12


def test_an_event_is_not_answered_inside_of_a_transaction_that_may_be_rolled_back(alias, caplog):
    ran = []
    with shop(alias, synchronous(ran, ())):
        with transaction.atomic(using=alias):
            answer = post(stripe("evt_1"))
            transaction.set_rollback(True, using=alias)
        assert (answer.status_code, answer["Retry-After"]) == (503, answer["Retry-After"])
        assert "put @webhook outside of @transaction.atomic" in caplog.text
        assert states(alias) == {}
        assert post(stripe("evt_1")).status_code == 200
    assert states(alias) == {"evt_1": ("WAITING", 0)}


@pytest.mark.parametrize("alias", ["postgresql", "sqlite"], indirect=True)
def test_a_direct_endpoint_that_is_used_first_does_not_hide_that_the_disk_is_not_waited_for(alias):
    """The check of a store is made once in a process, at the first delivery of any endpoint."""
    wait_for_disk(alias, waits=False)
    with shop(alias, synchronous([], ())):
        from django.conf import settings as django_settings

        view = webhook("direct")(lambda request: HttpResponse())
        django_settings.ROOT_URLCONF.urlpatterns.append(path("direct", view))
        assert post(stripe("evt_1"), "/direct").status_code == 503
        assert post(stripe("evt_1")).status_code == 503
    assert states(alias) == {}


MANAGE = """
import sys
from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpResponse
from django.urls import path
import pymysql
pymysql.install_as_MySQLdb()
settings.configure(
    SECRET_KEY="x", ALLOWED_HOSTS=["testserver"], ROOT_URLCONF=__name__, USE_TZ=True, INSTALLED_APPS=["hookguard_django"],
    DATABASES={{"default": {database!r}}},
    HOOKGUARD={{"ENDPOINTS": {{"stripe": {{"SECRETS": [{secret!r}], "INBOX": True}}}}}},
)
import django
django.setup()
from hookguard_django import webhook
def view(request):
    sys.stdout.write(f"ran {{request.webhook.id}}\\n")
    return HttpResponse(status=204)
urlpatterns = [path("hook", webhook("stripe")(view))]
if __name__ == "__main__":
    execute_from_command_line(sys.argv)
from django.core.wsgi import get_wsgi_application
app = get_wsgi_application()
import hookguard_django.work as hooks
"""


@pytest.mark.parametrize(
    "command",
    [
        ["manage.py", "hookguard_work", "--drain"],
        ["-m", "hookguard.cli", "work", "manage:app", "--hooks", "manage:hooks", "--drain"],
    ],
    ids=["manage.py", "hookguard work"],
)
def test_both_commands_work_on_the_project_s_database(alias, command, tmp_path):
    pytest.importorskip("click")
    with shop(alias, synchronous([], ())):
        assert [post(stripe(event)).status_code for event in ("evt_1", "evt_2")] == [200, 200]
    names = ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT")
    database = {name: str(connections.settings[alias][name]) for name in names}
    (tmp_path / "manage.py").write_text(MANAGE.format(database=database, secret=SECRET))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(__file__).parents[3])])}
    done = subprocess.run(
        [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(done.stdout.split("\n")[:2]) == ["ran evt_1", "ran evt_2"]
    assert states(alias) == {"evt_1": ("DONE", 1), "evt_2": ("DONE", 1)}


def test_a_test_case_s_own_transaction_holds_the_event_and_its_run():
    """``work_off`` runs in the test's thread, so that a TestCase rolls everything back."""
    ran = []

    class InboxTests(TestCase):
        def test_an_event_is_handled(self):
            assert post(stripe("evt_1")).status_code == 200
            assert post(stripe("evt_1"))["Hookguard-Duplicate"] == "1"
            assert [outcome.outcome for outcome in work_off()] == ["handled"]
            assert states("default") == {"evt_1": ("DONE", 1)}

    open_database("default")
    with shop("default", synchronous(ran, ())):
        result = unittest.TestResult()
        unittest.TestSuite([InboxTests("test_an_event_is_handled")]).run(result)
        assert result.wasSuccessful(), result.errors + result.failures
    assert ran == [("evt_1", 1)]
    assert states("default") == {}
    close_database("default")
