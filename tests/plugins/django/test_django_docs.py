"""The page of the manual: its files put into a project that django-admin has just made, checked, tested and run."""

import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

pytest.importorskip("django")

import servers
from pages import ROOT, blocks, shell
from running import free_port, post, serving

from hookguard import presets
from hookguard_django import checks, signals

PAGE = blocks("docs/django.md")
TRANSACTIONAL = blocks("docs/transactional.md")
STORES = blocks("docs/stores/django.md")
TEXT = (ROOT / "docs" / "django.md").read_text("utf-8")
SECRET = "whsec_that-only-this-project-has"


@pytest.fixture
def project(tmp_path):
    run(tmp_path, "-m", "django", "startproject", "mysite", ".")
    for name, block in PAGE.items():
        if name.startswith("mysite/"):
            block.write(tmp_path)
    return tmp_path


def add(project, text):
    """Put a line of a page at the end of the settings."""
    with (project / "mysite" / "settings.py").open("a") as settings:
        settings.write(f"\n{text}\n")


def run(folder, *words, expected=0):
    environment = {**os.environ, "STRIPE_SECRET": SECRET}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == expected, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.runs("docs/django.md", "mysite/settings.py", "mysite/hooks.py", "mysite/urls.py", "mysite/tests.py")
@pytest.mark.parametrize("settings", ["", "DATABASES['default']['ATOMIC_REQUESTS'] = True"], ids=["plain", "ATOMIC_REQUESTS"])
def test_the_pages_project_passes_its_checks_and_its_tests(project, settings):
    add(project, settings)
    assert "no issues" in run(project, "manage.py", "check")
    assert not (project / "hookguard.sqlite3").exists()
    assert "Ran 1 test" in run(project, "manage.py", "test")


@pytest.mark.runs("docs/django.md", "Views you cannot change")
def test_the_pages_middleware(project):
    add(project, PAGE["Views you cannot change"].printed())
    assert "no issues" in run(project, "manage.py", "check")


@pytest.mark.runs("docs/django.md", "mysite/more_hooks.py", "mysite/rest_hooks.py")
def test_the_other_views_of_the_page_answer(project):
    pytest.importorskip("rest_framework")
    (project / "mysite" / "urls.py").write_text(
        "from django.urls import path\nfrom mysite import more_hooks, rest_hooks\n"
        "urlpatterns = [path('function', more_hooks.stripe), path('class', more_hooks.Stripe.as_view()),"
        " path('rest', rest_hooks.stripe)]\n"
    )
    assert "no issues" in run(project, "manage.py", "check")
    run(project, "manage.py", "migrate")
    (project / "deliver.py").write_text(
        "import os, django\nos.environ['DJANGO_SETTINGS_MODULE'] = 'mysite.settings'\ndjango.setup()\n"
        "from django.test import Client\nfrom hookguard import presets\n"
        "for number, path in enumerate(('function', 'class', 'rest')):\n"
        f'    delivery = presets.STRIPE.sign(b\'{{"id": "evt_%d"}}\' % number, {SECRET!r})\n'
        "    client = Client(headers={'host': 'localhost'})\n"
        "    answer = client.post(f'/{path}', delivery.body, 'application/json', headers=delivery.headers)\n"
        "    print(path, answer.status_code)\n"
    )
    assert re.findall(r"^(\w+) (\d+)$", run(project, "deliver.py"), re.MULTILINE) == [
        ("function", "202"),
        ("class", "202"),
        ("rest", "200"),
    ]


@pytest.mark.runs("docs/django.md", "shop/models.py", "shop/hooks.py", "A secret for each tenant")
def test_the_pages_tenants_have_a_secret_each(project):
    run(project, "manage.py", "startapp", "shop")
    for name in ("shop/models.py", "shop/hooks.py"):
        PAGE[name].write(project)
    add(project, PAGE["A secret for each tenant"].printed())
    add(project, "INSTALLED_APPS += ['shop']\nALLOWED_HOSTS = ['testserver']")
    (project / "mysite" / "urls.py").write_text(
        "from django.urls import path\nfrom shop import hooks\nurlpatterns = [path('hooks/github/<slug:slug>', hooks.pushed)]\n"
    )
    run(project, "manage.py", "check")
    run(project, "manage.py", "makemigrations", "shop")
    run(project, "manage.py", "migrate")
    (project / "deliver.py").write_text(
        "import os, django\nos.environ['DJANGO_SETTINGS_MODULE'] = 'mysite.settings'\ndjango.setup()\n"
        "from django.test import Client\nfrom hookguard import presets\nfrom shop.models import Shop\n"
        f"Shop.objects.create(slug='acme', webhook_secret={SECRET!r})\n"
        f"Shop.objects.create(slug='other', webhook_secret={SECRET[::-1]!r})\n"
        f"delivery = presets.GITHUB.sign(b'{{}}', {SECRET!r}, id='d-1')\n"
        "for slug in ('acme', 'other', 'nobody'):\n"
        "    answer = Client().post(f'/hooks/github/{slug}', delivery.body, 'application/json',"
        " headers=delivery.headers)\n"
        "    print(slug, answer.status_code)\n"
    )
    assert re.findall(r"^(\w+) (\d+)$", run(project, "deliver.py"), re.MULTILINE) == [
        ("acme", "200"),
        ("other", "401"),
        ("nobody", "401"),
    ]


@pytest.mark.runs("docs/django.md", "mysite/settings.py", "mysite/hooks.py", "mysite/urls.py")
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


@pytest.mark.runs("docs/django.md", "Database transactions")
def test_the_pages_line_for_transactional_mode(project):
    add(project, PAGE["Database transactions"].printed())
    assert "no issues" in run(project, "manage.py", "check")


def make_shop(folder, more=""):
    """Make the project of the page on transactional mode."""
    run(folder, "-m", "django", "startproject", "mysite", ".")
    run(folder, "manage.py", "startapp", "shop")
    for block in TRANSACTIONAL.values():
        if block.path:
            block.write(folder)
    add(folder, more)
    run(folder, "manage.py", "makemigrations", "shop")
    run(folder, "manage.py", "migrate")
    assert "no issues" in run(folder, "manage.py", "check", "--database", "default")


@pytest.mark.runs("docs/transactional.md", "mysite/settings.py", "shop/models.py", "shop/views.py", "mysite/urls.py")
def test_the_project_of_the_page_on_transactional_mode(tmp_path):
    make_shop(tmp_path)
    port = free_port()
    with serving(tmp_path, ["-u", "manage.py", "runserver", "--noreload", str(port)], port, {"STRIPE_SECRET": SECRET}) as (
        url,
        _,
    ):
        paid = presets.STRIPE.sign(b'{"id": "evt_1", "type": "invoice.paid", "data": {"object": {"id": "in_1"}}}', SECRET)
        odd = presets.STRIPE.sign(b'{"id": "evt_2", "type": "invoice.paid", "data": {"object": {}}}', SECRET)
        assert [post(f"{url}/hooks/stripe", delivery) for delivery in (paid, paid, odd)] == [204, 200, 500]
    work = "from shop.views import ship_payments; ship_payments(print); ship_payments(print)"
    assert run(tmp_path, "manage.py", "shell", "--no-imports", "-c", work).split() == ["in_1"]
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as database:
        assert database.execute("SELECT invoice FROM shop_payment").fetchall() == [("in_1",)]
        assert database.execute("SELECT event_id, state FROM hookguard_event").fetchall() == [("evt_1", 2)]


@pytest.mark.runs("docs/transactional.md", "Django, from an inbox")
def test_the_same_project_with_an_inbox(tmp_path):
    make_shop(tmp_path, TRANSACTIONAL["Django, from an inbox"].printed())
    paid = presets.STRIPE.sign(b'{"id": "evt_1", "type": "invoice.paid", "data": {"object": {"id": "in_1"}}}', SECRET)
    odd = presets.STRIPE.sign(b'{"id": "evt_2", "type": "invoice.paid", "data": {"object": {}}}', SECRET)
    port = free_port()
    command = ["-u", "manage.py", "runserver", "--noreload", str(port)]
    with serving(tmp_path, command, port, {"STRIPE_SECRET": SECRET}) as (url, _):
        assert [post(f"{url}/hooks/stripe", delivery) for delivery in (paid, paid, odd)] == [200] * 3
    said = run(tmp_path, "manage.py", "hookguard_work", "--drain")
    assert "1 handled" in said
    assert "1 failed" in said
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as database:
        assert database.execute("SELECT invoice FROM shop_payment").fetchall() == [("in_1",)]
        assert database.execute("SELECT event_id, state FROM hookguard_inbox").fetchall() == [("evt_1", 2), ("evt_2", 0)]


@pytest.mark.runs("docs/stores/django.md", "The database", "The database 2")
def test_the_page_on_stores_has_lines_that_work(project):
    add(project, STORES["The database"].printed())
    add(project, "DATABASES['claims'] = {'ENGINE': 'django.db.backends.sqlite3', 'NAME': BASE_DIR / 'claims.sqlite3'}")
    assert "no issues" in run(project, "manage.py", "check")
    run(project, "manage.py", "migrate", "--database", "claims")
    assert "no issues" in run(project, "manage.py", "check", "--database", "claims")
    pruned = shell(STORES["The database 2"].printed(), project, STRIPE_SECRET=SECRET)
    assert (pruned.returncode, "0" in pruned.stdout) == (0, True), pruned.stdout


@pytest.mark.runs("docs/stores/django.md", "The inbox")
def test_an_inbox_in_the_database_of_the_page_on_stores(project):
    add(project, STORES["The inbox"].printed())
    run(project, "manage.py", "migrate")
    assert "no issues" in run(project, "manage.py", "check", "--database", "default")
    delivery = presets.STRIPE.sign(b'{"id": "evt_1", "type": "invoice.created"}', SECRET)
    port = free_port()
    command = ["-u", "manage.py", "runserver", "--noreload", str(port)]
    with serving(project, command, port, {"STRIPE_SECRET": SECRET}) as (url, _):
        assert post(f"{url}/hooks/stripe", delivery) == 200
    assert "1 handled" in run(project, "manage.py", "hookguard_work", "--drain")
    with closing(sqlite3.connect(project / "db.sqlite3")) as database:
        assert database.execute("SELECT event_id, state FROM hookguard_inbox").fetchall() == [("evt_1", 2)]
    # As many projects have it, for speed.
    add(project, "DATABASES['default']['OPTIONS'] = {'init_command': 'PRAGMA synchronous = NORMAL'}")
    assert "(hookguard.M3)" in run(project, "manage.py", "check", "--database", "default", expected=1)
    add(project, "DATABASES['hooks'] = {**DATABASES['default'], 'OPTIONS': {}}")
    add(project, "HOOKGUARD['STORE'] = __import__('hookguard_django.stores').stores.ORMStore('hooks')")
    assert "no issues" in run(project, "manage.py", "check", "--database", "hooks")


@pytest.mark.runs("docs/stores/django.md", "The cache")
def test_the_cache_of_the_page_on_stores(project):
    pytest.importorskip("redis")
    servers.needs("Redis")
    add(project, STORES["The cache"].printed())
    cache = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": servers.REDIS}
    add(project, f"CACHES = {{'default': {{'BACKEND': 'django.core.cache.backends.dummy.DummyCache'}}, 'webhooks': {cache!r}}}")
    found = run(project, "manage.py", "check", "--database", "default")
    # A Redis for tests need not keep a file.
    assert set(re.findall(r"\(hookguard\.(\w+)\)", found)) <= {"M4"}, found


def test_the_migration_says_what_the_model_says(project):
    assert "No changes detected" in run(project, "manage.py", "makemigrations", "hookguard", "--check", "--dry-run")


def test_the_tables_name_what_there_is():
    assert set(re.findall(r"^\| `hookguard\.(\w+)`", TEXT, re.MULTILINE)) == set(re.findall(r"([EWI]\d{3})", checks.__doc__))
    named = set(re.findall(r"^\| `(webhook_\w+)`", TEXT, re.MULTILINE))
    assert named == {name for name in signals.__all__ if name.startswith("webhook_")}
