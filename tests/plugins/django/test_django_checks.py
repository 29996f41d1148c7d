import functools
import logging
import subprocess
import sys

import pytest

pytest.importorskip("django")

from django_deliveries import SECRET, settings
from django_site import configure, site

configure()

from django.core.checks import run_checks
from django.db import connections
from django.http import HttpResponse
from django.test import override_settings
from django.urls import include, path

from hookguard import MemoryStore, SQLiteStore
from hookguard_django import WebhookView, webhook
from hookguard_django.checks import check_urls
from hookguard_django.models import WebhookEvent
from hookguard_django.stores import CacheStore, ORMStore, ORMTransactionStore

OURS = "hookguard_django.middleware.WebhookMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"


@pytest.fixture
def store(tmp_path):
    return SQLiteStore(tmp_path / "claims.sqlite3")


@webhook("stripe")
def good(request):
    return HttpResponse()


class Hook(WebhookView):
    endpoint = "stripe"

    def received(self, request, event):
        return HttpResponse()


def found(*patterns, deploy=False, **overrides):
    with site(*patterns, **overrides):
        return {
            message.id: message for message in run_checks(include_deployment_checks=deploy) if message.id.startswith("hookguard.")
        }


def test_nothing_to_say_about_a_good_project(store):
    patterns = [path("hook", good), path("class", Hook.as_view()), path("page/", lambda request: HttpResponse())]
    assert found(*patterns, HOOKGUARD=settings(store), APPEND_SLASH=True) == {}
    assert found(HOOKGUARD={}) == {}


@pytest.mark.parametrize(
    ("hooks", "why"),
    [
        ([], "must be a mapping"),
        ({"ENDPOINT": {}}, "did you mean 'endpoints'"),
        ({"ENDPOINTS": {"stripe": {"SECRETS": [""]}}}, "the secret is empty"),
        ({"ENDPOINTS": {"stripe": {"SECRETS": [None]}}}, "environment variable unset"),
        ({"ENDPOINTS": {"strpe": {"SECRETS": [SECRET]}}}, "did you mean 'stripe'"),
        ({"ENDPOINTS": {}, "STORE": "mongodb://"}, "sqlite:///"),
        ({"ENDPOINTS": {}, "PATHS": {"/x": "y"}}, "no webhook endpoint"),
    ],
)
def test_e001_the_setting_is_wrong(hooks, why):
    message = found(HOOKGUARD=hooks)["hookguard.E001"]
    assert why in message.msg
    assert SECRET not in message.msg


def test_a_check_leaves_no_store_behind(tmp_path):
    given = settings()
    del given["STORE"]
    others = ["django.contrib.contenttypes", "django.contrib.auth"]
    for apps in (["hookguard_django", *others], others):
        assert found(HOOKGUARD=given, BASE_DIR=tmp_path, INSTALLED_APPS=apps) == {}
    assert list(tmp_path.iterdir()) == []
    assert "BASE_DIR" in found(HOOKGUARD=given, INSTALLED_APPS=others)["hookguard.E001"].msg


def test_w002_djangos_own_limit_is_smaller(store):
    message = found(HOOKGUARD=settings(store, MAX_BODY=3_000_000))["hookguard.W002"]
    assert "DATA_UPLOAD_MAX_MEMORY_SIZE" in message.hint
    for limit in (None, 3_000_000):
        assert found(HOOKGUARD=settings(store, MAX_BODY=3_000_000), DATA_UPLOAD_MAX_MEMORY_SIZE=limit) == {}


def test_w003_claims_in_memory():
    assert "sqlite:////" in found(HOOKGUARD=settings(MemoryStore()))["hookguard.W003"].hint


def test_w004_a_wrapper_that_loses_the_exemption(store):
    def careless(view):
        def wrapper(request):
            return view(request)

        wrapper.hookguard_endpoint = view.hookguard_endpoint
        return wrapper

    def careful(view):
        @functools.wraps(view)
        def wrapper(request):
            return view(request)

        return wrapper

    message = found(path("sub/", include([path("hook", careless(good))])), HOOKGUARD=settings(store))["hookguard.W004"]
    assert "'sub/hook'" in message.msg
    assert found(path("hook", careful(good)), HOOKGUARD=settings(store)) == {}


def test_w004_a_class_whose_method_is_decorated(store):
    from django.utils.decorators import method_decorator
    from django.views import View

    class Inside(View):
        @method_decorator(webhook("stripe"))
        def post(self, request):
            return HttpResponse()

    assert "hookguard.W004" in found(path("hook", Inside.as_view()), HOOKGUARD=settings(store))


def test_w004_a_urlconf_that_cannot_be_imported(store):
    with override_settings(ROOT_URLCONF="no.such.urls", HOOKGUARD=settings(store)):
        assert "could not be read" in check_urls()[0].msg


def test_w005_a_slash_at_the_end(store):
    assert "redirect" in found(path("hook/", good), HOOKGUARD=settings(store), APPEND_SLASH=True)["hookguard.W005"].msg
    assert found(path("hook/", good), HOOKGUARD=settings(store), APPEND_SLASH=False) == {}


def test_e004_paths_without_the_middleware(store):
    guarded = {**settings(store), "PATHS": {"/hooks/plain": "stripe"}}
    assert "reach these views" in found(HOOKGUARD=guarded, MIDDLEWARE=[CSRF])["hookguard.E004"].msg
    assert "hookguard.E004" not in found(HOOKGUARD=guarded, MIDDLEWARE=[OURS, CSRF])


def test_w006_the_middleware_comes_too_late(store):
    assert "hookguard.W006" in found(HOOKGUARD=settings(store), MIDDLEWARE=[CSRF, OURS])
    assert found(HOOKGUARD=settings(store), MIDDLEWARE=[OURS, CSRF]) == {}


def test_w007_the_logger_is_switched_off(store):
    """What LOGGING does to loggers that were there before it."""
    logging.getLogger("hookguard").disabled = True
    try:
        assert "disable_existing_loggers" in found(HOOKGUARD=settings(store))["hookguard.W007"].hint
    finally:
        logging.getLogger("hookguard").disabled = False


def test_w010_https_behind_a_proxy(store):
    hooks = settings(store, REQUIRE_HTTPS=True)
    assert "SECURE_PROXY_SSL_HEADER" in found(HOOKGUARD=hooks, deploy=True)["hookguard.W010"].hint
    assert found(HOOKGUARD=hooks) == {}
    behind = {"deploy": True, "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}
    assert "hookguard.W010" not in found(HOOKGUARD=hooks, **behind)
    assert found(HOOKGUARD={"ENDPOINTS": 7}, deploy=True).keys() == {"hookguard.E001"}


@pytest.mark.parametrize(
    ("store", "promises"),
    [
        (ORMStore("postgresql"), "claims by leases, the server's clock"),
        (ORMStore("sqlite"), "claims by leases, the host's clock"),
        (ORMTransactionStore("mysql"), "claims in the handler's own transaction"),
    ],
)
def test_i001_what_the_store_promises(store, promises):
    message = found(HOOKGUARD=settings(store), deploy=True)["hookguard.I001"]
    assert promises in message.msg
    assert "hookguard.I001" not in found(HOOKGUARD={}, deploy=True)


@pytest.mark.parametrize(
    ("store", "why"),
    [
        (CacheStore(), "loses events"),
        ("hookguard_django.stores.CacheStore", "loses events"),
        (CacheStore("elsewhere"), "CACHES has no usable 'elsewhere'"),
        (ORMStore("elsewhere"), "DATABASES has no 'elsewhere'"),
    ],
)
def test_e001_a_store_that_cannot_be(store, why):
    assert why in found(HOOKGUARD=settings(store))["hookguard.E001"].msg


def test_e001_an_orm_store_without_the_app():
    apps = ["django.contrib.contenttypes", "django.contrib.auth"]
    # Whether it was installed is asked when the model is imported, which in this process it was.
    code = f"""
from django.conf import settings
settings.configure(INSTALLED_APPS={apps}, HOOKGUARD={{"STORE": "hookguard_django.stores.ORMStore", "ENDPOINTS": {{}}}},
    DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}})
import django
django.setup()
from hookguard_django.checks import check_settings
print(check_settings())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'add "hookguard_django" to INSTALLED_APPS' in done.stdout


@webhook("stripe")
async def awaited(request):
    return HttpResponse()


async def plain(request):
    return HttpResponse()


class Awaited(WebhookView):
    endpoint = "stripe"

    async def received(self, request, event):
        return HttpResponse()


def test_e002_an_asynchronous_view_in_transactional_mode():
    hooks = settings(ORMTransactionStore())
    for pattern in (path("hook", awaited), path("hook", Awaited.as_view())):
        message = found(pattern, HOOKGUARD=hooks)["hookguard.E002"]
        assert "'hook'" in message.msg
        assert "write the view with def" in message.msg
    assert found(path("hook", good), path("class", Hook.as_view()), HOOKGUARD=hooks) == {}
    guarded = found(path("hook", plain), HOOKGUARD={**hooks, "PATHS": {"/hook": "stripe"}}, MIDDLEWARE=[OURS])
    assert guarded.keys() == {"hookguard.E002"}
    assert found(path("hook", plain), HOOKGUARD=hooks, MIDDLEWARE=[OURS]) == {}


def test_e002_a_view_that_does_not_await_and_a_store_that_is_awaited():
    class AsyncStore(MemoryStore):
        async def claim(self, *arguments, **named):
            return super().claim(*arguments, **named)

    message = found(path("hook", good), HOOKGUARD=settings(AsyncStore()))["hookguard.E002"]
    assert "is asynchronous" in message.msg
    assert "hookguard.E002" not in found(path("hook", awaited), HOOKGUARD=settings(AsyncStore()))


@pytest.mark.parametrize(
    ("hooks", "named"),
    [
        ({"ENDPOINTS": {"stripe": {"SECRETS": [None]}, "github": {"SECRETS": [None]}}}, ["'stripe'", "'github'"]),
        (settings("mongodb://"), ["mongodb://"]),
        (settings(CacheStore()), ["loses events"]),
    ],
    ids=["secrets", "store", "promises"],
)
def test_e001_is_said_once_and_names_everything_and_not_again_for_each_view(hooks, named):
    with site(path("one", good), path("two", awaited), path("plain", plain), HOOKGUARD={**hooks, "PATHS": {"/plain": "stripe"}}):
        messages = [message for message in run_checks() if message.id.startswith("hookguard.E00")]
    assert [message.id for message in messages] == ["hookguard.E001"]
    assert all(name in messages[0].msg for name in named)


def test_an_endpoint_that_is_not_in_the_settings_is_told_too(store, tmp_path):
    @webhook("strpe")
    def view(request):
        return HttpResponse()

    folder = tmp_path / "project"
    folder.mkdir()
    in_a_file = {"BASE_DIR": folder, "INSTALLED_APPS": ["django.contrib.contenttypes", "django.contrib.auth"]}
    without_store = {name: value for name, value in settings().items() if name != "STORE"}
    for overrides in ({"HOOKGUARD": settings(store)}, {"HOOKGUARD": without_store, **in_a_file}):
        assert "did you mean 'stripe'" in found(path("hook", view), **overrides)["hookguard.E002"].msg
    assert "no webhook endpoint" in found(path("hook", view), HOOKGUARD={})["hookguard.E002"].msg
    assert list(folder.iterdir()) == []


def looked(store, *databases):
    with site(HOOKGUARD=settings(store)):
        return {message.id: message for message in run_checks(databases=databases) if message.id.startswith("hookguard.")}


def test_w008_the_table_is_missing():
    for store in (ORMStore("sqlite"), ORMTransactionStore("sqlite")):
        assert "migrate hookguard --database sqlite" in looked(store, "sqlite")["hookguard.W008"].hint
        assert "hookguard.W008" not in looked(store, "default")
        assert "hookguard.W008" not in looked(store)


def test_w008_the_database_is_down():
    connections["postgresql"].close()
    right = connections["postgresql"].settings_dict["PORT"]
    connections["postgresql"].settings_dict["PORT"] = 1
    try:
        assert "does not answer" in looked(ORMStore("postgresql"), "postgresql")["hookguard.W008"].msg
    finally:
        connections["postgresql"].settings_dict["PORT"] = right


def test_e003_and_w009_what_a_look_at_the_table_finds(monkeypatch):
    with connections["sqlite"].schema_editor() as editor:
        editor.create_model(WebhookEvent)
    assert looked(ORMStore("sqlite"), "sqlite") == {}
    monkeypatch.setattr("hookguard.stores.trial.EXPIRED", 0)
    assert "hookguard_prune" in looked(ORMStore("sqlite"), "sqlite")["hookguard.W009"].msg
    with connections["sqlite"].cursor() as cursor:
        cursor.execute("DROP INDEX hookguard_event_expiry")
    assert "no index" in looked(ORMTransactionStore("sqlite"), "sqlite")["hookguard.E003"].msg
    with connections["sqlite"].cursor() as cursor:
        cursor.execute("DROP TABLE hookguard_event")
    connections.close_all()


def test_migrating_and_testing_do_not_look(monkeypatch):
    """The one makes the table, the other has a database of its own."""
    for command in ("migrate", "test"):
        monkeypatch.setattr(sys, "argv", ["manage.py", command])
        assert looked(ORMStore("sqlite"), "sqlite") == {}


class Elsewhere:
    def db_for_write(self, model, **hints):
        return "sqlite" if model is WebhookEvent else "postgresql"


def test_w011_transactional_mode_where_no_model_is_written():
    hooks = settings(ORMTransactionStore())
    message = found(HOOKGUARD=hooks, DATABASE_ROUTERS=[Elsewhere()])["hookguard.W011"]
    assert "'sqlite'" in message.msg
    assert found(HOOKGUARD=settings(ORMTransactionStore("postgresql")), DATABASE_ROUTERS=[Elsewhere()]) == {}
    assert found(HOOKGUARD=settings(ORMStore()), DATABASE_ROUTERS=[Elsewhere()]) == {}
    assert found(HOOKGUARD=hooks) == {}


def test_w012_a_path_that_leads_to_no_view(store):
    patterns = [path("hook", plain), path("sub/", include([path("hook", good)]))]
    paths = {"/hook": "stripe", "/hook/": "stripe", "/sub/hook": "github"}
    messages = found(*patterns, HOOKGUARD=settings(store, PATHS=paths), MIDDLEWARE=[OURS])
    assert messages.keys() == {"hookguard.W012"}
    assert "'/hook/'" in messages["hookguard.W012"].msg
    del paths["/hook/"]
    assert found(*patterns, HOOKGUARD=settings(store, PATHS=paths), MIDDLEWARE=[OURS]) == {}
