"""Engines that would run a task in the calling process, or never, are rejected when the application starts."""

from functools import partial

import pytest
from engine_rig import needs_engine

from hookguard import ConfigurationError
from hookguard.inbox.settings import InboxSettings


def rejected(hand_off, says):
    with pytest.raises(ConfigurationError) as caught:
        InboxSettings.of({"hand_off": hand_off})
    assert says in str(caught.value)


def accepted(hand_off):
    assert InboxSettings.of({"hand_off": hand_off}).hand_off is hand_off


def celery_task(**settings):
    app = needs_engine("celery").Celery("shop", set_as_current=False, **settings)

    @app.task(ignore_result=True)
    def run_webhook(key):
        raise AssertionError(key)

    return run_webhook


def test_celery_that_runs_tasks_eagerly_is_rejected():
    task = celery_task(broker="redis://127.0.0.1:6379/0")
    accepted(task.delay)
    task.app.conf.task_always_eager = True
    rejected(
        task.delay, "Celery's task_always_eager is on, and runs tasks in this process, so no other worker would run the event"
    )


def test_celery_with_a_broker_in_memory_is_rejected():
    rejected(celery_task(broker="memory://").delay, "Celery's broker is memory://")


def test_celery_task_in_place_of_its_method_is_rejected():
    rejected(
        celery_task(broker="redis://127.0.0.1:6379/0"), "hand_off is the task itself, and calling it would run it in this process"
    )


def test_dramatiq_s_stub_broker_is_rejected():
    dramatiq = needs_engine("dramatiq")
    from dramatiq.brokers.stub import StubBroker

    actor = dramatiq.actor(lambda key: None, broker=StubBroker(middleware=[]), actor_name="run_webhook")
    rejected(actor.send, "Dramatiq's StubBroker keeps messages in this process")
    rejected(actor, "give its method send")


def test_huey_in_its_immediate_mode_or_in_memory_is_rejected(tmp_path):
    huey = needs_engine("huey")

    def task(made):
        return made.task()(lambda key: None)

    accepted(task(huey.SqliteHuey("shop", filename=str(tmp_path / "huey.sqlite3"))))
    rejected(task(huey.SqliteHuey("shop", filename=str(tmp_path / "two.sqlite3"), immediate=True)), "Huey's immediate is on")
    rejected(task(huey.MemoryHuey("shop")), "Huey's memory storage keeps tasks in this process")
    rejected(task(huey.BlackHoleHuey("shop")), "Huey's BlackHoleStorage drops every task")


def test_rq_s_queue_that_is_not_asynchronous_is_rejected():
    rq = needs_engine("rq")
    connection = pytest.importorskip("redis").Redis()
    rejected(partial(rq.Queue(is_async=False, connection=connection).enqueue, print), "RQ's queue has is_async=False")
    accepted(partial(rq.Queue(connection=connection).enqueue, print))


def test_taskiq_s_broker_in_memory_is_rejected():
    broker = needs_engine("taskiq").InMemoryBroker()

    @broker.task
    async def run_webhook(key: str) -> None:
        raise AssertionError(key)

    rejected(run_webhook.kiq, "taskiq's InMemoryBroker runs tasks in this process")
    rejected(run_webhook, "give its method kiq")


def test_procrastinate_s_defer_is_rejected_because_it_takes_names_only():
    procrastinate = needs_engine("procrastinate")
    testing = needs_engine("procrastinate.testing")
    jobs = procrastinate.App(connector=testing.InMemoryConnector())
    task = jobs.task(lambda key: None, name="run_webhook")
    rejected(task.defer, "such as lambda key: run_webhook.defer(key=key)")
    rejected(task, "give its method defer")


@pytest.mark.parametrize("backend", ["immediate.ImmediateBackend", "dummy.DummyBackend"])
def test_django_s_backends_for_development_are_rejected(backend):
    needs_engine("django_tasks")
    from django_site import configure

    configure()
    from django.test import override_settings
    from django_tasks import task

    with override_settings(TASKS={"default": {"BACKEND": f"django_tasks.backends.{backend}"}}):
        # A task is a function of a module.
        run_webhook = task(accepted)
        rejected(run_webhook.enqueue, f"Django's {backend.partition('.')[2]} runs")


def test_function_of_another_shape_is_rejected():
    rejected(lambda: None, "hand_off must take one argument, the entry's key")
    rejected(lambda key, other: None, "hand_off must take one argument, the entry's key")
    accepted(lambda key, other=None: None)
    accepted([].append)


@pytest.mark.parametrize("path", ["run_webhook", "shop.tasks.run_webhook", ":run", "shop:", "shop.tasks:run webhook"])
def test_path_of_another_form_is_rejected(path):
    rejected(path, "name the function as module:name")
