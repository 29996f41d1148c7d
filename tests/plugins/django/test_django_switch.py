"""The one line that chooses a store, in a project of its own, checked, migrated and served by a real server."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

pytest.importorskip("django")

import servers
from running import free_port, post, serving

from hookguard import presets

SECRET = "a-secret-that-is-long-enough"

SETTINGS = """
import os
try:
    import pymysql
    pymysql.install_as_MySQLdb()
except ImportError:
    pass
{imports}
SECRET_KEY = "only-for-tests"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "urls"
INSTALLED_APPS = ["hookguard_django", "shop"]
MIDDLEWARE = []
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["FOLDER"] + "/db.sqlite3"}}}}
HOOKGUARD = {{{line}"ENDPOINTS": {{"stripe": {{"SECRETS": ["a-secret-that-is-long-enough"]}}}}}}
"""

FILES = {
    "urls.py": """
from django.http import HttpResponse
from django.urls import path
from hookguard_django import webhook
from shop.models import Payment

@webhook("stripe")
def stripe(request):
    Payment.objects.create(event=request.webhook.id)
    if request.webhook.json().get("fails"):
        raise ValueError
    return HttpResponse(status=204)

urlpatterns = [path("hook", stripe)]
""",
    "manage.py": """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
""",
    "shop/__init__.py": "",
    "shop/models.py": """
from django.db import models

class Payment(models.Model):
    event = models.CharField(max_length=80)
""",
}

#: The line in the settings, what it imports, and how many payments there are after one success and one failure.
LINES = {
    "the default": ("", "", 2),
    "transactional mode": (
        '"STORE": ORMTransactionStore(), ',
        "from hookguard_django.stores import ORMTransactionStore",
        1,
    ),
    "transactional mode by name": ('"STORE": "hookguard_django.stores.ORMTransactionStore", ', "", 1),
    "redis": (f'"STORE": "{servers.REDIS}", ', "", 2),
    "postgresql": (f'"STORE": "{servers.POSTGRESQL}", ', "", 2),
    "mysql": (f'"STORE": "{servers.MARIADB}", ', "", 2),
}


@pytest.fixture(params=LINES)
def chosen(request):
    if request.param == "redis":
        servers.needs("Redis")
        pytest.importorskip("redis")
    if request.param == "postgresql":
        servers.needs("PostgreSQL")
        pytest.importorskip("sqlalchemy")
        pytest.importorskip("psycopg")
    if request.param == "mysql":
        servers.needs("MariaDB")
        pytest.importorskip("sqlalchemy")
        pytest.importorskip("pymysql")
    return LINES[request.param]


def test_one_line_switches_the_store(chosen, tmp_path):
    line, imports, payments = chosen
    (tmp_path / "shop").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "settings.py").write_text(SETTINGS.format(line=line, imports=imports))
    environment = {**os.environ, "FOLDER": str(tmp_path)}
    environment.pop("DJANGO_SETTINGS_MODULE", None)

    def run(*words):
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    migrated = run("manage.py", "migrate", "--run-syncdb")
    assert "WARNINGS" not in migrated
    for _ in range(3):  # on a machine that is busy with other tests a server may not answer within its second
        checked = run("manage.py", "check", "--database", "default", "--deploy")
        if "hookguard.M2" not in checked:
            break
    assert "hookguard.M0" in checked
    assert not {f"hookguard.{bad}" for bad in ("C1", "C2", "M2", "M3", "M7") if f"hookguard.{bad}" in checked}

    port = free_port()
    unique = tmp_path.name.encode() + str(port).encode()
    once = presets.STRIPE.sign(b'{"id": "evt_%s"}' % unique, SECRET)
    fails = presets.STRIPE.sign(b'{"id": "evt_%s_fails", "fails": true}' % unique, SECRET)
    command = ["manage.py", "runserver", "--noreload", "--skip-checks", str(port)]
    with serving(tmp_path, command, port, {"FOLDER": str(tmp_path)}) as (url, _):
        assert [post(f"{url}/hook", delivery) for delivery in (once, once, fails)] == [204, 200, 500]
    # In lease mode a view without a transaction of its own keeps what it wrote before it failed.
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as database:
        assert database.execute("SELECT count(*) FROM shop_payment").fetchone() == (payments,)
