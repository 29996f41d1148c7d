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
from hookguard.facts import MIB
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
    # GitHub sends 25 MB, and Django's own default is 2.5 MiB.
    with site(*patterns, **{"DATA_UPLOAD_MAX_MEMORY_SIZE": 25 * MIB, **overrides}):
        return {
            message.id: message
            for message in run_checks(include_deployment_checks=deploy)
            if message.id.startswith("hookguard.") and not expected(message)
        }


def expected(message):
    """Whether the message is about the endpoints of these tests, which share a secret, and most of which have no view."""
    return message.id == "hookguard.S4" or "no route leads to endpoint" in message.msg


def test_a_good_project_has_no_findings(store):
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
def test_c1_the_setting_is_wrong(hooks, why):
    (message,) = found(HOOKGUARD=hooks).values()
    assert message.id in ("hookguard.C1", "hookguard.S1")
    assert why in message.msg
    assert SECRET not in message.msg


def test_a_check_leaves_no_store_behind(tmp_path):
    given = settings()
    del given["STORE"]
    others = ["django.contrib.contenttypes", "django.contrib.auth"]
    for apps in (["hookguard_django", *others], others):
        assert found(HOOKGUARD=given, BASE_DIR=tmp_path, INSTALLED_APPS=apps) == {}
    assert list(tmp_path.iterdir()) == []
    assert "BASE_DIR" in found(HOOKGUARD=given, INSTALLED_APPS=others)["hookguard.C1"].msg


def test_w3_djangos_own_limit_is_smaller(store):
    message = found(HOOKGUARD=settings(store, MAX_BODY=3_000_000), DATA_UPLOAD_MAX_MEMORY_SIZE=2_999_999)["hookguard.W3"]
    assert "DATA_UPLOAD_MAX_MEMORY_SIZE" in message.hint
    for limit in (None, 3_000_000):
        assert found(HOOKGUARD=settings(store, MAX_BODY=3_000_000), DATA_UPLOAD_MAX_MEMORY_SIZE=limit) == {}


def test_w3_the_provider_sends_more_than_django_reads_by_default(store):
    endpoints = {"github": {"SECRETS": [SECRET]}}
    message = found(HOOKGUARD={"ENDPOINTS": endpoints, "STORE": store}, DATA_UPLOAD_MAX_MEMORY_SIZE=2_621_440)["hookguard.W3"]
    assert "'github' accepts bodies of 26214400 bytes, and DATA_UPLOAD_MAX_MEMORY_SIZE only 2621440" in message.msg


def test_w3_django_reads_fewer_form_fields(store):
    mailgun = {"ENDPOINTS": {"mailgun": {"SECRETS": [SECRET]}}, "STORE": store}
    message = found(HOOKGUARD=mailgun, DATA_UPLOAD_MAX_NUMBER_FIELDS=999)["hookguard.W3"]
    assert "DATA_UPLOAD_MAX_NUMBER_FIELDS" in message.hint
    for limit in (None, 1000):
        assert found(HOOKGUARD=mailgun, DATA_UPLOAD_MAX_NUMBER_FIELDS=limit) == {}
    # Stripe sends no forms. GitHub and Slack send the JSON in one field of a form.
    assert found(HOOKGUARD=settings(store), DATA_UPLOAD_MAX_NUMBER_FIELDS=999) == {}


def test_m4_claims_in_memory():
    assert "sqlite:////" in found(HOOKGUARD=settings(MemoryStore()))["hookguard.M4"].hint


def test_w2_a_wrapper_that_loses_the_exemption(store):
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

    message = found(path("sub/", include([path("hook", careless(good))])), HOOKGUARD=settings(store))["hookguard.W2"]
    assert "'sub/hook'" in message.msg
    assert found(path("hook", careful(good)), HOOKGUARD=settings(store)) == {}


def test_w2_a_class_whose_method_is_decorated(store):
    from django.utils.decorators import method_decorator
    from django.views import View

    class Inside(View):
        @method_decorator(webhook("stripe"))
        def post(self, request):
            return HttpResponse()

    assert "hookguard.W2" in found(path("hook", Inside.as_view()), HOOKGUARD=settings(store))


def test_w2_a_urlconf_that_cannot_be_imported(store):
    with override_settings(ROOT_URLCONF="no.such.urls", HOOKGUARD=settings(store)):
        assert "could not be read" in check_urls()[0].msg


def test_u2_a_slash_at_the_end(store):
    assert "redirect" in found(path("hook/", good), HOOKGUARD=settings(store), APPEND_SLASH=True)["hookguard.U2"].msg
    assert found(path("hook/", good), HOOKGUARD=settings(store), APPEND_SLASH=False) == {}


def test_u4_paths_without_the_middleware(store):
    guarded = {**settings(store), "PATHS": {"/hooks/plain": "stripe"}}
    assert "reach these views" in found(HOOKGUARD=guarded, MIDDLEWARE=[CSRF])["hookguard.U4"].msg
    assert "hookguard.U4" not in found(HOOKGUARD=guarded, MIDDLEWARE=[OURS, CSRF])


def test_w2_the_middleware_comes_too_late(store):
    assert "hookguard.W2" in found(HOOKGUARD=settings(store), MIDDLEWARE=[CSRF, OURS])
    assert found(HOOKGUARD=settings(store), MIDDLEWARE=[OURS, CSRF]) == {}


def test_o1_the_logger_is_switched_off(store):
    """Disable existing loggers, as LOGGING does."""
    logging.getLogger("hookguard").disabled = True
    try:
        assert "disable_existing_loggers" in found(HOOKGUARD=settings(store))["hookguard.O1"].hint
    finally:
        logging.getLogger("hookguard").disabled = False


def test_n1_https_behind_a_proxy(store):
    hooks = settings(store, REQUIRE_HTTPS=True)
    assert "SECURE_PROXY_SSL_HEADER" in found(HOOKGUARD=hooks, deploy=True)["hookguard.N1"].hint
    assert found(HOOKGUARD=hooks) == {}
    behind = {"deploy": True, "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}
    assert "hookguard.N1" not in found(HOOKGUARD=hooks, **behind)
    assert found(HOOKGUARD={"ENDPOINTS": 7}, deploy=True).keys() == {"hookguard.C1"}


@pytest.mark.parametrize(
    ("store", "promises"),
    [
        (ORMStore("postgresql"), "claims by leases, the server's clock"),
        (ORMStore("sqlite"), "claims by leases, the host's clock"),
        (ORMTransactionStore("mysql"), "claims in the handler's own transaction"),
    ],
)
def test_m0_what_the_store_promises(store, promises):
    message = found(HOOKGUARD=settings(store), deploy=True)["hookguard.M0"]
    assert promises in message.msg
    assert "hookguard.M0" not in found(HOOKGUARD={}, deploy=True)


@pytest.mark.parametrize(
    ("store", "check", "why"),
    [
        (CacheStore(), "M6", "loses events"),
        ("hookguard_django.stores.CacheStore", "M6", "loses events"),
        (CacheStore("elsewhere"), "C1", "CACHES has no usable 'elsewhere'"),
        (ORMStore("elsewhere"), "C1", "DATABASES has no 'elsewhere'"),
    ],
)
def test_a_store_that_cannot_be_used_is_reported(store, check, why):
    assert why in found(HOOKGUARD=settings(store))[f"hookguard.{check}"].msg


def test_c1_an_orm_store_without_the_app():
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


UNINSTALLED = """
import sys
from django.conf import settings
settings.configure(INSTALLED_APPS=["django.contrib.contenttypes"], HOOKGUARD={{"STORE": {store!r},
    "ENDPOINTS": {{"stripe": {{"SECRETS": ["a-secret-that-is-long-enough"]}}}}}}, ROOT_URLCONF="__main__", ALLOWED_HOSTS=["*"],
    DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}})
import django
django.setup()
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from hookguard import presets
from hookguard_django import webhook
from hookguard_django.stores import ORMStore, ORMTransactionStore
lease, transaction = ORMStore(), ORMTransactionStore()
view = webhook("stripe")(lambda request: HttpResponse())
urlpatterns = [path("hook", view)]
delivery = presets.STRIPE.sign(b'{{"id": "evt_1"}}', "a-secret-that-is-long-enough")
print(Client().post("/hook", delivery.body, "application/json", headers=delivery.headers).status_code)
"""


@pytest.mark.parametrize("store", ["hookguard_django.stores.ORMStore", "hookguard_django.stores.ORMTransactionStore"])
def test_a_guarded_view_is_not_made_while_the_app_of_its_store_is_not_installed(store):
    # No check of ours is registered then, which would say it.
    code = UNINSTALLED.format(store=store)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ConfigurationError: settings.HOOKGUARD: the table of" in done.stderr
    assert 'add "hookguard_django" to INSTALLED_APPS' in done.stderr


@pytest.mark.parametrize("store", ["__main__.lease", "__main__.transaction"])
def test_a_store_of_ones_own_whose_app_is_not_installed_is_503(store):
    code = UNINSTALLED.format(store=store)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "503\n"
    assert "store_misconfigured: the table of events belongs to an app that is not installed" in done.stderr


@webhook("stripe")
async def awaited(request):
    return HttpResponse()


async def plain(request):
    return HttpResponse()


class BlockingStoreAdapter(WebhookView):
    endpoint = "stripe"

    async def received(self, request, event):
        return HttpResponse()


def test_c2_an_asynchronous_view_in_transactional_mode():
    hooks = settings(ORMTransactionStore())
    for pattern in (path("hook", awaited), path("hook", BlockingStoreAdapter.as_view())):
        message = found(pattern, HOOKGUARD=hooks)["hookguard.C2"]
        assert "'hook'" in message.msg
        assert "write the view with def" in message.msg
    assert found(path("hook", good), path("class", Hook.as_view()), HOOKGUARD=hooks) == {}
    guarded = found(path("hook", plain), HOOKGUARD={**hooks, "PATHS": {"/hook": "stripe"}}, MIDDLEWARE=[OURS])
    assert guarded.keys() == {"hookguard.C2"}
    assert found(path("hook", plain), HOOKGUARD=hooks, MIDDLEWARE=[OURS]) == {}


def test_c2_a_view_that_does_not_await_and_a_store_that_is_awaited():
    class AsyncStore(MemoryStore):
        async def claim(self, *arguments, **named):
            return super().claim(*arguments, **named)

    message = found(path("hook", good), HOOKGUARD=settings(AsyncStore()))["hookguard.C2"]
    assert "is asynchronous" in message.msg
    assert "hookguard.C2" not in found(path("hook", awaited), HOOKGUARD=settings(AsyncStore()))


@pytest.mark.parametrize(
    ("hooks", "named"),
    [
        ({"ENDPOINTS": {"stripe": {"SECRETS": [None]}, "github": {"SECRETS": [None]}}}, ["'stripe'", "'github'"]),
        (settings("mongodb://"), ["mongodb://"]),
        (settings(CacheStore()), ["loses events"]),
    ],
    ids=["secrets", "store", "promises"],
)
def test_a_mistake_is_reported_once_and_not_again_for_each_view(hooks, named):
    with site(path("one", good), path("two", awaited), path("plain", plain), HOOKGUARD={**hooks, "PATHS": {"/plain": "stripe"}}):
        messages = [message for message in run_checks() if message.id.startswith("hookguard.")]
    assert len(messages) == len(named)
    assert all(name in message.msg for name, message in zip(named, messages, strict=True))


def test_an_endpoint_outside_the_settings_is_reported_too(store, tmp_path):
    @webhook("strpe")
    def view(request):
        return HttpResponse()

    folder = tmp_path / "project"
    folder.mkdir()
    in_a_file = {"BASE_DIR": folder, "INSTALLED_APPS": ["django.contrib.contenttypes", "django.contrib.auth"]}
    without_store = {name: value for name, value in settings().items() if name != "STORE"}
    for overrides in ({"HOOKGUARD": settings(store)}, {"HOOKGUARD": without_store, **in_a_file}):
        assert "did you mean 'stripe'" in found(path("hook", view), **overrides)["hookguard.C2"].msg
    assert "no webhook endpoint" in found(path("hook", view), HOOKGUARD={})["hookguard.C2"].msg
    assert list(folder.iterdir()) == []


def looked(store, *databases):
    with site(HOOKGUARD=settings(store), DATA_UPLOAD_MAX_MEMORY_SIZE=25 * MIB):
        messages = [message for message in run_checks(databases=databases) if message.id.startswith("hookguard.")]
    return {message.id: message for message in messages if not expected(message)}


def test_m2_the_table_is_missing():
    for store in (ORMStore("sqlite"), ORMTransactionStore("sqlite")):
        assert "migrate hookguard --database sqlite" in looked(store, "sqlite")["hookguard.M2"].hint
        assert "hookguard.M2" not in looked(store, "default")
        assert "hookguard.M2" not in looked(store)


def test_m1_the_database_is_down():
    connections["postgresql"].close()
    right = connections["postgresql"].settings_dict["PORT"]
    connections["postgresql"].settings_dict["PORT"] = 1
    try:
        assert "does not answer" in looked(ORMStore("postgresql"), "postgresql")["hookguard.M1"].msg
    finally:
        connections["postgresql"].settings_dict["PORT"] = right


def test_m3_and_m8_report_the_problems_of_the_table(monkeypatch):
    with connections["sqlite"].schema_editor() as editor:
        editor.create_model(WebhookEvent)
    assert looked(ORMStore("sqlite"), "sqlite") == {}
    monkeypatch.setattr("hookguard.stores.fitness.EXPIRED", 0)
    assert "hookguard_prune" in looked(ORMStore("sqlite"), "sqlite")["hookguard.M8"].msg
    with connections["sqlite"].cursor() as cursor:
        cursor.execute("DROP INDEX hookguard_event_expiry")
    assert "no index" in looked(ORMTransactionStore("sqlite"), "sqlite")["hookguard.M3"].msg
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


def test_m7_transactional_mode_where_no_model_is_written():
    hooks = settings(ORMTransactionStore())
    message = found(HOOKGUARD=hooks, DATABASE_ROUTERS=[Elsewhere()])["hookguard.M7"]
    assert "'sqlite'" in message.msg
    assert found(HOOKGUARD=settings(ORMTransactionStore("postgresql")), DATABASE_ROUTERS=[Elsewhere()]) == {}
    assert found(HOOKGUARD=settings(ORMStore()), DATABASE_ROUTERS=[Elsewhere()]) == {}
    assert found(HOOKGUARD=hooks) == {}


def test_u3_a_path_that_leads_to_no_view(store):
    patterns = [path("hook", plain), path("sub/", include([path("hook", good)]))]
    paths = {"/hook": "stripe", "/hook/": "stripe", "/sub/hook": "github"}
    messages = found(*patterns, HOOKGUARD=settings(store, PATHS=paths), MIDDLEWARE=[OURS])
    assert messages.keys() == {"hookguard.U3"}
    assert "'/hook/'" in messages["hookguard.U3"].msg
    del paths["/hook/"]
    assert (
        "'stripe' and 'github'" in found(*patterns, HOOKGUARD=settings(store, PATHS=paths), MIDDLEWARE=[OURS])["hookguard.U3"].msg
    )
    del paths["/sub/hook"]
    assert found(*patterns, HOOKGUARD=settings(store, PATHS=paths), MIDDLEWARE=[OURS]) == {}
