"""``hookguard explain --endpoint``: the cause by the settings of a real application in each framework."""

import json
import time

import pytest

for _name in ("click", "flask", "fastapi", "django"):
    pytest.importorskip(_name, reason="the command is run on an application in every framework")

from pages import shell

from hookguard import presets
from hookguard.cli.inputs import dump_delivery

BODY = b'{"id": "evt_1", "type": "invoice.paid"}'
LIVE, TEST, OTHER = "whsec_" + "Lq7" * 11, "whsec_" + "Tz4" * 11, "whsec_" + "Oo9" * 11
ENDPOINTS = {
    "billing": {"preset": "stripe", "secrets": [LIVE]},
    "billing-test": {"preset": "stripe", "secrets": [TEST]},
    "board": {"preset": "trello", "secrets": ["a-trello-secret-0042"], "public_url": "https://shop.example/hooks/board"},
}

FLASK = """
from flask import Flask
from hookguard_flask import HookGuard

app = Flask(__name__)
app.config["HOOKGUARD_ENDPOINTS"] = {endpoints}
app.config["HOOKGUARD_STORE"] = "memory://"
hooks = HookGuard(app)
"""
FASTAPI = """
from fastapi import FastAPI
from hookguard_starlette import HookGuard

hooks = HookGuard({endpoints}, store="memory://")
app = FastAPI()
"""
DJANGO = """
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["hookguard_django"]
ROOT_URLCONF = "main"
SECRET_KEY = "only-for-tests"
HOOKGUARD = {{"ENDPOINTS": {endpoints}, "STORE": "sqlite:///claims.sqlite3"}}
urlpatterns = []
"""
WSGI = "from django.core.wsgi import get_wsgi_application\n\napplication = get_wsgi_application()\n"

#: Framework: the module, the option, and the environment.
APPS = {
    "flask": (FLASK, "--app main:app", {}),
    "fastapi": (FASTAPI, "--app main:app", {}),
    "the HookGuard is named": (FASTAPI + "\nmore = HookGuard({{}})\n", "--app main:app --hooks main:hooks", {}),
    "django": (DJANGO, "", {"DJANGO_SETTINGS_MODULE": "main"}),
    "django's wsgi": (DJANGO, "--app wsgi:application", {"DJANGO_SETTINGS_MODULE": "main"}),
}


def run(folder, delivery, words, *, app=APPS["flask"], endpoints=ENDPOINTS):
    module, option, environment = app
    (folder / "main.py").write_text(module.format(endpoints=repr(endpoints)))
    (folder / "wsgi.py").write_text(WSGI)
    (folder / "saved.json").write_text(dump_delivery(delivery))
    return shell(f"python -m hookguard.cli explain saved.json {option} {words}", folder, **environment)


def signed(secret=LIVE, **more):
    return presets.STRIPE.sign(BODY, secret, **more)


@pytest.mark.parametrize("framework", APPS)
def test_secret_of_another_endpoint_is_named_in_every_framework(framework, tmp_path):
    done = run(tmp_path, signed(TEST), "--endpoint billing --json", app=APPS[framework])
    found = json.loads(done.stdout)
    assert (done.returncode, found["verdict"], found["refusal"]) == (1, "explained", "signature_mismatch")
    assert [each["code"] for each in found["findings"]] == ["other_endpoint"]
    assert "'billing-test'" in found["findings"][0]["detail"]
    assert LIVE[6:] not in done.stdout
    assert TEST[6:] not in done.stdout


def test_genuine_delivery_of_any_age_exits_with_0(tmp_path):
    done = run(tmp_path, signed(timestamp=1_700_000_000), "--endpoint billing")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "genuine")


def test_age_is_checked_at_the_given_moment(tmp_path):
    done = run(tmp_path, signed(timestamp=1_700_000_000), "--endpoint billing --at 1700500000")
    assert done.returncode == 1
    assert "delivered_late (fact)" in done.stdout


def test_forgery_exits_with_3(tmp_path):
    assert run(tmp_path, signed(OTHER), "--endpoint billing").returncode == 3


def test_url_is_that_of_the_settings(tmp_path):
    delivery = presets.TRELLO.sign(BODY, "a-trello-secret-0042", url="https://shop.example/hooks/board")
    assert run(tmp_path, delivery._replace(url="http://10.0.0.7/hooks/board"), "--endpoint board").returncode == 0
    behind = presets.TRELLO.sign(BODY, "a-trello-secret-0042", url="http://shop.example/hooks/board")
    done = run(tmp_path, behind, "--endpoint board")
    assert done.returncode == 1
    assert "url_scheme (proved)" in done.stdout


def test_endpoint_behind_a_gateway_is_examined(tmp_path):
    gateway = {"behind": "hookdeck", "gateway_secrets": ["a-secret-of-the-gateway-7"]}
    endpoints = {"billing": {"preset": "stripe", "secrets": [LIVE], **gateway}}
    done = run(tmp_path, signed(timestamp=time.time()), "--endpoint billing", endpoints=endpoints)
    assert done.returncode == 1, done.stdout
    assert "gateway_bypassed (proved)" in done.stdout


LOOKUP = """
def find(path, headers):
    from hookguard import Tenant

    return Tenant("acme", [{secret!r}]) if path == "/hooks/acme" else None
"""


def test_secret_of_the_tenant_is_looked_up(tmp_path):
    (tmp_path / "tenants.py").write_text(LOOKUP.format(secret=OTHER))
    endpoints = {**ENDPOINTS, "tenants": {"preset": "stripe", "secrets": {"lookup": "tenants.find"}}}
    genuine = signed(OTHER)._replace(url="https://shop.example/hooks/acme")
    done = run(tmp_path, genuine, "--endpoint tenants", endpoints=endpoints)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "genuine"), done.stdout
    foreign = signed(LIVE)._replace(url="https://shop.example/hooks/acme")
    done = run(tmp_path, foreign, "--endpoint tenants", endpoints=endpoints)
    assert (done.returncode, "no_match" in done.stdout) == (3, True), done.stdout
    done = run(tmp_path, genuine._replace(url="https://shop.example/x"), "--endpoint tenants", endpoints=endpoints)
    assert (done.returncode, "knows no tenant for this delivery" in done.stdout) == (2, True), done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--endpoint biling", "did you mean 'billing'?"),
        ("--endpoint nothing-like-it", "the endpoints are 'billing', 'billing-test', 'board'"),
        ("--endpoint billing --secret x", "--endpoint has the secrets of its settings"),
        ("--endpoint billing --unknown", "--unknown goes with neither"),
        ("stripe", "--app and --hooks go with --endpoint"),
    ],
)
def test_wrong_words_are_a_usage_error(words, message, tmp_path):
    done = run(tmp_path, signed(), words)
    assert done.returncode == 2
    assert message in " ".join(done.stdout.split())


def test_application_must_be_named(tmp_path):
    done = run(tmp_path, signed(), "--endpoint billing", app=(FLASK, "", {"DJANGO_SETTINGS_MODULE": ""}))
    assert done.returncode == 2
    assert "name the application: --app module:name" in done.stdout


@pytest.mark.parametrize("framework", ["flask", "fastapi", "django"])
def test_mistake_in_the_settings_is_a_usage_error(framework, tmp_path):
    done = run(tmp_path, signed(), "--endpoint billing", app=APPS[framework], endpoints={"billing": {"preset": "strip"}})
    assert done.returncode == 2, done.stdout
    assert "Traceback" not in done.stdout
    assert "strip" in done.stdout
