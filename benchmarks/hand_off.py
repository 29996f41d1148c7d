"""The tasks that an engine loses when its worker is killed with SIGKILL: the engine alone, as it is shipped, without hookguard.

    python benchmarks/hand_off.py [ENGINE …]

It sends tasks of 0.3 s, kills the worker with all of its processes twice, starts it again each time, and waits until no task has ended
for 60 s. It needs the extra `engines`, Redis, PostgreSQL and RabbitMQ on loopback, and empties the database of Redis that
``HOOKGUARD_TEST_REDIS`` names. The same kills with hookguard's hand-off are in ``tests/handoff/test_engines.py``.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import redis

sys.path[:0] = [str(Path(__file__).parents[1] / "tests" / folder) for folder in ("handoff", "support")]
from engine_rig import Example  # noqa: E402 - it is beside the tests

TASKS, KILLS, QUIET = 20, 2, 60
REDIS = os.environ.get("HOOKGUARD_TEST_REDIS", "redis://127.0.0.1:6379/15")
RABBITMQ = os.environ.get("HOOKGUARD_TEST_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672/")
POSTGRESQL = os.environ.get("HOOKGUARD_TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/test")

HEAD = """
import asyncio, os, sys, time
from orders import note

def work(number):
    note("begins", number, 1)
    time.sleep(0.3)
    note("ends", number, 1)
"""

DJANGO = """
import django
from django.conf import settings
if not settings.configured:
    settings.configure(SECRET_KEY="x", USE_TZ=True, INSTALLED_APPS=["django_tasks", "django_tasks_db"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3", "OPTIONS": {"timeout": 30}}},
        TASKS={"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField")
    django.setup()
from django_tasks import task
@task
def run(number): work(number)
def send(number): run.enqueue(number)
if __name__ == "__main__":
    from django.core.management import execute_from_command_line
    import alone
    execute_from_command_line(sys.argv)
"""

#: Engine: the code, the commands before, and the worker.
ENGINES = {
    "celery-redis": (
        (
            'from celery import Celery\napp = Celery("alone", broker=os.environ["REDIS_URL"])\n'
            "@app.task(ignore_result=True)\ndef run(number): work(number)\nsend = run.delay\n"
        ),
        [],
        "celery --app alone worker",
    ),
    "celery-rabbitmq": (
        (
            'from celery import Celery\napp = Celery("alone", broker=os.environ["RABBITMQ_URL"])\n'
            "@app.task(ignore_result=True)\ndef run(number): work(number)\nsend = run.delay\n"
        ),
        [],
        "celery --app alone worker",
    ),
    "dramatiq-rabbitmq": (
        (
            "import dramatiq\nfrom dramatiq.brokers.rabbitmq import RabbitmqBroker\n"
            'dramatiq.set_broker(RabbitmqBroker(url=os.environ["RABBITMQ_URL"]))\n'
            "@dramatiq.actor\ndef run(number): work(number)\nsend = run.send\n"
        ),
        [],
        "dramatiq alone --processes 1 --threads 2",
    ),
    "dramatiq-redis": (
        (
            "import dramatiq\nfrom dramatiq.brokers.redis import RedisBroker\n"
            'dramatiq.set_broker(RedisBroker(url=os.environ["REDIS_URL"]))\n'
            "@dramatiq.actor\ndef run(number): work(number)\nsend = run.send\n"
        ),
        [],
        "dramatiq alone --processes 1 --threads 2",
    ),
    "django-tasks-db": (DJANGO, ["python alone.py migrate"], "python alone.py db_worker"),
    "procrastinate": (
        (
            "import procrastinate\n"
            'app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=os.environ["DATABASE_URL"]))\n'
            "@app.task\ndef run(number): work(number)\n"
            "def send(number):\n    with app.open(): run.defer(number=number)\n"
        ),
        ["procrastinate --app alone.app schema --apply"],
        "procrastinate --app alone.app worker",
    ),
    "taskiq-rabbitmq": (
        (
            'from taskiq_aio_pika import AioPikaBroker\nbroker = AioPikaBroker(os.environ["RABBITMQ_URL"])\n'
            "@broker.task\ndef run(number: int): work(number)\n"
            "async def asend(number):\n    await broker.startup(); await run.kiq(number); await broker.shutdown()\n"
            "def send(number): asyncio.run(asend(number))\n"
        ),
        [],
        "taskiq worker alone:broker --workers 1 --max-threadpool-threads 2",
    ),
    "arq": (
        (
            "from arq import create_pool\nfrom arq.connections import RedisSettings\n"
            "async def run(context, number): await asyncio.to_thread(work, number)\n"
            'class Worker:\n    functions = [run]\n    redis_settings = RedisSettings.from_dsn(os.environ["REDIS_URL"])\n    max_jobs = 2\n'
            "async def asend(number):\n    pool = await create_pool(Worker.redis_settings)\n"
            '    await pool.enqueue_job("run", number); await pool.aclose()\n'
            "def send(number): asyncio.run(asend(number))\n"
        ),
        [],
        "arq alone.Worker",
    ),
    "rq": (
        (
            "from redis import Redis\nfrom rq import Queue\n"
            'queue = Queue("alone", connection=Redis.from_url(os.environ["REDIS_URL"]))\n'
            'def send(number): queue.enqueue("alone.work", number)\n'
        ),
        [],
        'rq worker --url "$REDIS_URL" alone',
    ),
    "huey-sqlite": (
        (
            'from huey import SqliteHuey\nhuey = SqliteHuey("alone", filename="huey.sqlite3")\n'
            "@huey.task()\ndef run(number): work(number)\nsend = run\n"
        ),
        [],
        "huey_consumer alone.huey --workers 2",
    ),
}


def measure(name):
    """Return how many tasks never ended, and how many ended more than once."""
    code, before, worker = ENGINES[name]
    with tempfile.TemporaryDirectory() as folder, resources(name) as environment:
        example = Example(Path(folder), "alone", environment)
        (Path(folder) / "alone.py").write_text(HEAD + code)
        try:
            for command in before:
                example.run(command)
            example.run([sys.executable, "-c", f"import alone\nfor n in range({TASKS}): alone.send(n)"])
            for kill in range(1, KILLS + 1):
                running = example.start(worker)
                example.wait(lambda: len(example.runs("ends")) >= 3 * kill and busy(example), "tasks run")  # noqa: B023 - called before the loop goes on
                example.kill(running)
            example.start(worker)
            last, since = -1, time.monotonic()
            while time.monotonic() - since < QUIET:
                ended = [number for number, _ in example.runs("ends")]
                if len(set(ended)) == TASKS:
                    break
                if len(ended) != last:
                    last, since = len(ended), time.monotonic()
                time.sleep(0.2)
        finally:
            example.kill_all()
        ended = [number for number, _ in example.runs("ends")]
        return TASKS - len(set(ended)), len(ended) - len(set(ended))


def busy(example):
    return len(example.runs("begins")) > len(example.runs("ends"))


class resources:  # noqa: N801 - used as a function
    """Empty databases for one engine, dropped afterwards."""

    def __init__(self, name):
        self._name = f"bench_{name.replace('-', '_')}"

    def __enter__(self):
        redis.Redis.from_url(REDIS).flushdb()
        with psycopg.connect(POSTGRESQL, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {self._name} CASCADE")
            connection.execute(f"CREATE SCHEMA {self._name}")
        for words in (["add_vhost", self._name], ["set_permissions", "-p", self._name, "guest", ".*", ".*", ".*"]):
            subprocess.run(["rabbitmqctl", "-q", *words], check=True)
        return {
            "REDIS_URL": REDIS,
            "RABBITMQ_URL": urlsplit(RABBITMQ)._replace(path=f"/{self._name}").geturl(),
            "DATABASE_URL": f"{POSTGRESQL}?options=-csearch_path%3D{self._name}",
        }

    def __exit__(self, *_):
        subprocess.run(["rabbitmqctl", "-q", "delete_vhost", self._name], check=True)
        with psycopg.connect(POSTGRESQL, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA {self._name} CASCADE")


if __name__ == "__main__":
    for engine in sys.argv[1:] or ENGINES:
        lost, again = measure(engine)
        print(f"{engine}: of {TASKS} tasks and {KILLS} kills, {lost} did not end, {again} ended twice", flush=True)
