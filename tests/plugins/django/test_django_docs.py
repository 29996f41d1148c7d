"""The page of the manual: its files put into a project that django-admin has just made, checked, tested and run."""

import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("django")

from running import free_port, post, serving

from hookguard import presets
from hookguard_django import checks, signals

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "django.md").read_text("utf-8")
SECRET = "whsec_shown-in-the-dashboard"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def blocks():
    """The page's files by name."""
    return {found[1]: block for block in BLOCKS if (found := re.match(r"# (mysite/\S+?\.py)", block))}


@pytest.fixture
def project(tmp_path):
    run(tmp_path, "-m", "django", "startproject", "mysite", ".")
    for name, block in blocks().items():
        path = tmp_path / name
        path.write_text((path.read_text("utf-8") if name.endswith("settings.py") else "") + block, "utf-8")
    return tmp_path


def run(folder, *words, expected=0):
    environment = {**os.environ, "STRIPE_SECRET": SECRET}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == expected, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_pages_project_passes_its_checks_and_its_tests(project):
    assert "no issues" in run(project, "manage.py", "check")
    assert not (project / "hookguard.sqlite3").exists()
    assert "Ran 1 test" in run(project, "manage.py", "test")


def test_the_pages_middleware(project):
    with (project / "mysite" / "settings.py").open("a") as settings:
        settings.write(next(block for block in BLOCKS if "MIDDLEWARE.insert" in block))
    assert "no issues" in run(project, "manage.py", "check")


def test_its_other_views_can_be_routed(project):
    (project / "mysite" / "urls.py").write_text(
        "from django.urls import path\nfrom mysite import more_hooks\n"
        "urlpatterns = [path('hooks/stripe', more_hooks.stripe), path('class', more_hooks.Stripe.as_view())]\n"
    )
    assert "no issues" in run(project, "manage.py", "check")


def test_the_pages_project_serves(project):
    run(project, "manage.py", "migrate")
    port = free_port()
    with serving(project, ["-u", "manage.py", "runserver", "--noreload", str(port)], port, {"STRIPE_SECRET": SECRET}) as (
        url,
        printed,
    ):
        paid = presets.STRIPE.sign(b'{"id": "evt_1", "type": "invoice.paid", "data": {"object": {"id": "in_1"}}}', SECRET)
        deliveries = (paid, paid, paid._replace(body=b"{}"))
        assert [post(f"{url}/hooks/stripe", delivery) for delivery in deliveries] == [204, 200, 401]
    assert "".join(printed).count("ship it: in_1") == 1


def test_the_pages_line_for_transactional_mode(project):
    with (project / "mysite" / "settings.py").open("a") as settings:
        settings.write(next(block for block in BLOCKS if block.startswith('HOOKGUARD["STORE"]')))
    assert "no issues" in run(project, "manage.py", "check")


def test_the_project_of_the_page_on_transactional_mode(tmp_path):
    page = (DOCS / "transactional.md").read_text("utf-8")
    run(tmp_path, "-m", "django", "startproject", "mysite", ".")
    run(tmp_path, "manage.py", "startapp", "shop")
    for block in re.findall(r"```python\n(.*?)```", page.partition("## Django")[2], re.DOTALL):
        path = tmp_path / re.match(r"# (\S+?\.py)", block)[1]
        path.write_text((path.read_text("utf-8") if path.name == "settings.py" else "") + block, "utf-8")
    run(tmp_path, "manage.py", "makemigrations", "shop")
    run(tmp_path, "manage.py", "migrate")
    assert "no issues" in run(tmp_path, "manage.py", "check", "--database", "default")
    port = free_port()
    with serving(tmp_path, ["-u", "manage.py", "runserver", "--noreload", str(port)], port, {"STRIPE_SECRET": SECRET}) as (
        url,
        printed,
    ):
        paid = presets.STRIPE.sign(b'{"id": "evt_1", "type": "invoice.paid", "data": {"object": {"id": "in_1"}}}', SECRET)
        odd = presets.STRIPE.sign(b'{"id": "evt_2", "type": "invoice.paid", "data": {"object": {}}}', SECRET)
        assert [post(f"{url}/hooks/stripe", delivery) for delivery in (paid, paid, odd)] == [204, 200, 500]
    assert "".join(printed).count("ship it: 1") == 1
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as database:
        assert database.execute("SELECT invoice FROM shop_payment").fetchall() == [("in_1",)]
        assert database.execute("SELECT event_id, state FROM hookguard_event").fetchall() == [("evt_1", 2)]


def test_the_page_on_stores_has_lines_that_work(tmp_path):
    from hookguard_django.stores import CacheStore, ORMStore

    page = (DOCS / "stores" / "django.md").read_text("utf-8")
    found = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(block.replace("{...}", "{}"), found)
        assert isinstance(found["HOOKGUARD"]["STORE"], (ORMStore, CacheStore))


def test_the_migration_says_what_the_model_says(project):
    assert "No changes detected" in run(project, "manage.py", "makemigrations", "hookguard", "--check", "--dry-run")


def test_the_tables_name_what_there_is():
    assert set(re.findall(r"^\| `hookguard\.(\w+)`", PAGE, re.MULTILINE)) == set(re.findall(r"([EWI]\d{3})", checks.__doc__))
    named = set(re.findall(r"^\| `(webhook_\w+)`", PAGE, re.MULTILINE))
    assert named == {name for name in signals.__all__ if name.startswith("webhook_")}
