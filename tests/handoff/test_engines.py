"""The examples of the page on the hand-off, as printed: each with its real engine, whose worker is killed in the middle."""

import os
import secrets
import shlex
import subprocess
import sys
from shutil import which
from urllib.parse import urlsplit

import pytest
import servers
from engine_rig import Example, needs_engine
from pages import blocks

for needed in ("flask", "fastapi", "click"):
    pytest.importorskip(needed)

PAGE = blocks("docs/hand-off.md")


@pytest.fixture
def folder(tmp_path):
    return tmp_path


@pytest.fixture
def redis(monkeypatch):
    """The URL of an empty database of Redis."""
    servers.needs("Redis")
    client = pytest.importorskip("redis").Redis.from_url(servers.REDIS)
    client.flushdb()
    yield servers.REDIS
    client.flushdb()
    client.close()


@pytest.fixture
def rabbitmq():
    """The URL of a virtual host of RabbitMQ that no other test uses."""
    servers.needs("RabbitMQ")
    program = shlex.split(os.environ.get("HOOKGUARD_TEST_RABBITMQCTL", "rabbitmqctl"))
    if which(program[0]) is None:
        servers.missing("rabbitmqctl is missing: it makes a virtual host for this test")
    name, user = f"test_{secrets.token_hex(6)}", urlsplit(servers.RABBITMQ).username or "guest"

    def control(*words):
        done = subprocess.run([*program, "-q", *words], capture_output=True, text=True, timeout=60, check=False)
        return done.returncode == 0 or servers.missing(f"rabbitmqctl {words[0]} failed: {done.stderr or done.stdout}")

    control("add_vhost", name)
    control("set_permissions", "-p", name, user, ".*", ".*", ".*")
    yield urlsplit(servers.RABBITMQ)._replace(path=f"/{name}").geturl()
    control("delete_vhost", name)


@pytest.fixture
def postgresql():
    """The URL of a schema of PostgreSQL that no other test uses."""
    servers.needs("PostgreSQL")
    psycopg = pytest.importorskip("psycopg")
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(servers.POSTGRESQL, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    yield f"{servers.POSTGRESQL}?options=-csearch_path%3D{name}"
    with psycopg.connect(servers.POSTGRESQL, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA {name} CASCADE")


def write(folder, *names):
    for name in names:
        PAGE[name].write(folder)


def handed_off(folder, module, commands, **environment):
    """Kill the engine's worker while it runs one of three events. All are handled, and only the killed run is repeated."""
    *before, engine, worker = commands.printed().splitlines()
    example = Example(folder, module, environment)
    try:
        for command in before:
            example.run(command)
        running = example.start(engine)
        example.deliver("slow", "quick", "other")
        example.start(worker)
        example.wait(lambda: ("slow", 1) in example.runs("begins"), "the slow event begins")
        example.kill(running)
        example.pass_time()
        example.start(engine)
        example.wait(lambda: example.states() == [2, 2, 2], "all events are done")
    finally:
        example.kill_all()
    begun, ended = example.runs("begins"), example.runs("ends")
    assert [event for event, _ in ended] == ["other", "quick", "slow"]
    assert ("slow", 2) in ended
    assert {attempt for _, attempt in begun} == {1, 2}, "at most one more run, for the worker that died"


@pytest.mark.runs("docs/hand-off.md", "celery_shop.py", "Celery")
def test_celery_loses_no_event(folder, redis):
    needs_engine("celery")
    write(folder, "celery_shop.py")
    handed_off(folder, "celery_shop", PAGE["Celery"], REDIS_URL=redis)


@pytest.mark.runs("docs/hand-off.md", "dramatiq_shop.py", "Dramatiq")
def test_dramatiq_loses_no_event(folder, rabbitmq):
    needs_engine("dramatiq")
    write(folder, "dramatiq_shop.py")
    handed_off(folder, "dramatiq_shop", PAGE["Dramatiq"], RABBITMQ_URL=rabbitmq)


#: The settings that `django-admin startproject shop .` writes, as far as they matter here.
SETTINGS = """
import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "only-for-tests"
ALLOWED_HOSTS = ["shop.example"]
INSTALLED_APPS = []
MIDDLEWARE = ["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]
ROOT_URLCONF = "shop.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3", "OPTIONS": {"timeout": 30}}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
"""


@pytest.mark.runs("docs/hand-off.md", "shop/settings.py", "shop/tasks.py", "shop/urls.py", "Django tasks")
def test_django_tasks_lose_no_event(folder):
    needs_engine("django_tasks_db")
    (folder / "shop").mkdir()
    (folder / "shop" / "__init__.py").write_text("")
    (folder / "shop" / "settings.py").write_text(SETTINGS)
    (folder / "manage.py").write_text(
        "import os, sys\nfrom django.core.management import execute_from_command_line\n"
        'os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"\nexecute_from_command_line(sys.argv)\n'
    )
    settings = folder / "shop" / "settings.py"
    settings.write_text(settings.read_text() + "\n" + PAGE["shop/settings.py"].printed())
    write(folder, "shop/tasks.py", "shop/urls.py")
    example = Example(folder, "shop", {})
    example.run([sys.executable, "manage.py", "migrate"])
    example.run([sys.executable, "manage.py", "check"])
    handed_off(folder, "shop", PAGE["Django tasks"])


@pytest.mark.runs("docs/hand-off.md", "procrastinate_shop.py", "procrastinate")
def test_procrastinate_loses_no_event(folder, postgresql):
    needs_engine("procrastinate")
    write(folder, "procrastinate_shop.py")
    handed_off(folder, "procrastinate_shop", PAGE["procrastinate"], DATABASE_URL=postgresql)


@pytest.mark.runs("docs/hand-off.md", "taskiq_shop.py", "taskiq")
def test_taskiq_loses_no_event(folder, rabbitmq):
    needs_engine("taskiq")
    needs_engine("taskiq_aio_pika")
    write(folder, "taskiq_shop.py")
    handed_off(folder, "taskiq_shop", PAGE["taskiq"], RABBITMQ_URL=rabbitmq)


@pytest.mark.runs("docs/hand-off.md", "arq_shop.py", "arq")
def test_arq_loses_no_event(folder, redis):
    needs_engine("arq")
    write(folder, "arq_shop.py")
    handed_off(folder, "arq_shop", PAGE["arq"], REDIS_URL=redis)


@pytest.mark.runs("docs/hand-off.md", "rq_shop.py", "RQ")
def test_rq_loses_no_event(folder, redis):
    needs_engine("rq")
    write(folder, "rq_shop.py")
    handed_off(folder, "rq_shop", PAGE["RQ"], REDIS_URL=redis)


@pytest.mark.runs("docs/hand-off.md", "huey_shop.py", "Huey")
def test_huey_loses_no_event(folder):
    needs_engine("huey")
    write(folder, "huey_shop.py")
    handed_off(folder, "huey_shop", PAGE["Huey"])


#: How many keys wait in the queue of an engine on Redis.
QUEUED = {"celery": ("LLEN", "celery"), "arq": ("ZCARD", "arq:queue"), "rq": ("LLEN", "rq:queue:webhooks")}


@pytest.mark.parametrize("engine", QUEUED)
def test_a_broker_that_forgets_all_loses_no_event(folder, engine, request):
    """Redis is killed while two keys wait in it and nothing of them is on its disk. An event that comes meanwhile is not lost either."""
    needs_engine(engine)
    from redis_servers import Server

    (folder / "redis").mkdir()
    broker = Server(folder / "redis")
    request.addfinalizer(broker.close)
    write(folder, f"{engine}_shop.py")
    *before, running, worker = PAGE[{"celery": "Celery", "arq": "arq", "rq": "RQ"}[engine]].printed().splitlines()
    example = Example(folder, f"{engine}_shop", {"REDIS_URL": broker.url})
    try:
        for command in before:
            example.run(command)
        example.start(worker)
        example.deliver("one", "two")
        example.wait(lambda: broker.ask(*QUEUED[engine]) == 2, "both keys wait in the broker")
        broker.stop()
        example.deliver("three")
        broker.start()
        assert broker.ask(*QUEUED[engine]) == 0, "the control: nothing of them is left"
        example.pass_time()
        example.start(running)
        example.wait(lambda: example.states() == [2, 2, 2], "all events are done")
    finally:
        example.kill_all()
    assert example.runs("ends") == [("one", 1), ("three", 1), ("two", 1)]
