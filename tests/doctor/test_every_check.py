"""Each check reports a broken application by its id, and is silent on a sound one."""

import base64
import logging
import os
import time
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

for _name in ("flask", "fastapi", "django", "sqlalchemy", "cryptography", "jwt", "httpx"):
    pytest.importorskip(_name, reason="the applications of these tests are in every framework")

from checked_apps import django_project, django_views, endpoint, fastapi_app, flask_app, secret
from django_site import configure
from inboxes import SETTINGS
from key_server import Authority, https_server, trusting

configure()

from django.db import connections
from django.http import HttpResponse
from django.urls import path
from werkzeug.middleware.proxy_fix import ProxyFix

from hookguard import Claim, ClaimStatus, Endpoint, MemoryStore, Preset, Secret, SQLiteStore, Verifier, presets
from hookguard.doctor import CHECKS, examine
from hookguard.facts import Fact
from hookguard.schemes.jws import KeySet
from hookguard.schemes.jwt import FieldOf, PublishedJwtScheme
from hookguard.stores.fitness import check_clock
from hookguard_django import webhook
from hookguard_django.models import WebhookEvent
from hookguard_django.stores import CacheStore, ORMStore, ORMTransactionStore

pytestmark = [
    pytest.mark.filterwarnings("ignore:a webhook secret has only:hookguard.errors.WeakSecretWarning"),
    pytest.mark.filterwarnings("ignore:endpoint .* (rejects timestamps|has a lease|remembers events):UserWarning"),
]

OURS = "hookguard_django.middleware.WebhookMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
DAY = 86400


@dataclass
class Place:
    folder: Path
    patch: Any

    @property
    def file(self):
        return self.folder / "claims.sqlite3"


def view(request):
    return HttpResponse()


def require_login(request):
    return None if getattr(request, "user", None).is_authenticated else HttpResponse(status=302)


class Eats:
    """A WSGI middleware that reads the body."""

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        environ["wsgi.input"].read()
        return self.app(environ, start_response)


class Keeps:
    """A WSGI middleware that keeps the Flask object beside what it wraps."""

    def __init__(self, app):
        self.app = app
        self.wsgi_app = app.wsgi_app

    def __call__(self, environ, start_response):
        return self.wsgi_app(environ, start_response)


class EatsASGI:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        await receive()
        await self.app(scope, receive, send)


class EatsDjango:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.read()
        return self.get_response(request)


class LoginDjango(EatsDjango):
    def __call__(self, request):
        return self.get_response(request) if request.user.is_authenticated else HttpResponse(status=302)


class Passes:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)


class CSRFMiddleware(Passes):
    pass


class GunzipRequestMiddleware(Passes):
    pass


class EveryClaimAcquired(SQLiteStore):
    def claim(self, key, **asked):
        return Claim(ClaimStatus.ACQUIRED)


class Ahead(SQLiteStore):
    def check(self):
        return check_clock("the database", 90.0)


def wraps(kind):
    def make(app, hooks):
        app.wsgi_app = kind(app.wsgi_app)

    return make


def adds(kind, **options):
    """Add a middleware: a class, or the name of one of Starlette's."""

    def make(app, hooks):
        from starlette.middleware.gzip import GZipMiddleware
        from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware
        from starlette.middleware.trustedhost import TrustedHostMiddleware

        named = {"gzip": GZipMiddleware, "redirect": HTTPSRedirectMiddleware, "hosts": TrustedHostMiddleware}
        app.add_middleware(named.get(kind, kind), **options)

    return make


def logs_nothing(place):
    place.patch.setattr(logging.getLogger("hookguard"), "disabled", True)
    return flask_app(place.folder)


def autopsy_is(value):
    def make(place):
        place.patch.setenv("HOOKGUARD_AUTOPSY", value)
        return flask_app(place.folder)

    return make


def autopsies_log_nothing(place):
    place.patch.setattr(logging.getLogger("hookguard.autopsy"), "disabled", True)
    return flask_app(place.folder)


def relays_to(url, **more):
    """An endpoint that passes its events on to one target."""
    target = {"url": url, "secrets": [f"whsec_{base64.b64encode(os.urandom(24)).decode()}"], **more}
    return {"stripe": endpoint(inbox=True, relay={"targets": {"books": target}}, public_url="https://shop.example/hooks/stripe")}


KEYS, LIST = "/keys.json", "/networks"


def at_a_provider(endpoints, answer, *, trusted=True):
    """An app whose provider's keys and networks are on a real HTTPS server, asked with --online. ``answer`` fills the server."""

    def make(place):
        authority = Authority()
        context = trusting(authority if trusted else Authority())
        place.patch.setattr("hookguard.doctor.online._context", lambda: context)
        with https_server(place.folder, authority) as server:
            answer(server)
            made = endpoints(server.url)
            return flask_app(place.folder, made, routes=list(made), stages=["online"])

    return make


def pushes(url):
    """An endpoint whose keys are at a fixed address."""
    scheme = PublishedJwtScheme(algorithm="RS256", claims={"aud": FieldOf("audience")}, published=KeySet(f"{url}{KEYS}"))
    preset = Preset(name="acme", scheme=scheme, event_id=None, identity="content")
    return {"acme": {"secrets": [Secret.of(audience="https://shop.example/hooks/acme")], "preset": preset}}


def publishes(*allowed, field="hooks"):
    """An endpoint of a provider that publishes its networks, with ``allow_from``."""

    def made(url):
        facts = replace(presets.GITHUB.facts, networks=Fact(f"{url}{LIST}", url, "2026-11-30"))
        preset = replace(presets.GITHUB, name="acme", facts=facts, networks_field=field)
        return {"acme": endpoint(preset=preset, allow_from=list(allowed))}

    return made


def lists(body, **options):
    return lambda server: server.answer(LIST, body, **options)


def keys(**options):
    return lambda server: server.answer(KEYS, b'{"keys": []}', **options)


def provider_of_another_time(place):
    place.patch.setattr(BaseHTTPRequestHandler, "date_time_string", lambda *_: "Mon, 30 Nov 2020 15:00:00 GMT")
    return at_a_provider(pushes, keys())(place)


MOVED = b'{"hooks": ["192.0.2.0/24", "198.51.100.0/25", "2001:db8::/32"], "web": ["203.0.113.0/24"]}'


def writes_env(name, text):
    """An app whose secret is in a file beside it."""

    def make(place):
        place.patch.chdir(place.folder)
        Path(".env").write_text(text)
        Path(".env").chmod(0o644 if name == "readable" else 0o600)
        return flask_app(place.folder, {"github": {"secrets": ["the-secret-in-the-file-0123456789"]}})

    return make


def old_package(version):
    def make(place):
        info = place.folder / "itsdangerous-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: itsdangerous\nVersion: {version}\n")
        ours = place.folder / "hookguard_webhooks-0.1.0.dist-info"
        ours.mkdir()
        (ours / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: hookguard-webhooks\nVersion: 0.1.0\nRequires-Dist: itsdangerous>=2.2\n"
        )
        place.patch.syspath_prepend(str(place.folder))
        return flask_app(place.folder)

    return make


def without_package(name):
    def make(place):
        for each in ("cryptography", "jwt"):
            place.patch.setitem(__import__("sys").modules, each, None)
        return flask_app(place.folder, {name: {"secrets": [secret()], "preset": name}}, routes=())

    return make


def stored(state):
    """An app whose inbox holds an event for two minutes, or a dead one."""

    def make(place):
        from hookguard import Guard

        theirs = secret()
        store = SQLiteStore(place.file)
        guard = Guard(Endpoint(Verifier("stripe", [theirs]), inbox=True), store)
        receipt = guard.open(presets.STRIPE.sign(b'{"id": "evt_1"}', theirs))
        assert receipt.reply.status == 200
        if state != "fresh":
            inbox = store.inbox()
            (entry,) = inbox.find(limit=1)
            if state == "dead":
                held = inbox.take_one(entry.key, lease=60, settings=SETTINGS)
                assert inbox.give_up(entry.key, token=held.token, reason="no such order", settings=SETTINGS)
            else:
                place.patch.setattr("hookguard.inbox.overdue.LATE", 0.0)
        store.close()
        return flask_app(place.folder, {"stripe": {"secrets": [theirs], "inbox": True}})

    return make


def in_django(store, *, table=False, drop=None, **overrides):
    """A project whose claims are in its own database, with or without its table."""

    def make(place):
        connection = connections["sqlite"]
        if table:
            with connection.schema_editor() as editor:
                editor.create_model(WebhookEvent)
        try:
            return django_project(hooks={"store": store}, **overrides)
        finally:
            if table:
                with connection.cursor() as cursor:
                    cursor.execute("DROP TABLE hookguard_event")
            connections.close_all()

    return make


def backlog(expired):
    def make(place):
        place.patch.setattr("hookguard.stores.fitness.EXPIRED", expired)
        return flask_app(place.folder, store=f"sqlite+pysqlite:///{place.file}")

    return make


def records(*, table):
    """An app whose deliveries are recorded in a database of SQLAlchemy's, with or without the table."""

    def make(place):
        from sqlalchemy import create_engine

        from hookguard.stores.sql import SQLStore, create_table

        engine = create_engine(f"sqlite:///{place.file}")
        create_table(engine, evidence=table)
        return flask_app(place.folder, {"github": endpoint(evidence=True)}, store=SQLStore(engine))

    return make


def workers(number, store=None):
    def make(place):
        place.patch.setenv("WEB_CONCURRENCY", str(number))
        return flask_app(place.folder, store=store)

    return make


def whole(endpoints=None, **options):
    return lambda place: flask_app(place.folder, endpoints, **options)


def asgi(endpoints=None, **options):
    return lambda place: fastapi_app(place.folder, endpoints, **options)


def django(endpoints=None, *patterns, **options):
    return lambda place: django_project(endpoints, *patterns, **options)


def _protects(*methods):
    def make(app, hooks):
        from flask import Blueprint

        blueprint = Blueprint("b", "b")
        blueprint.add_url_rule("/hooks/dropbox", "hook", lambda: "", methods=methods)
        hooks.protect(blueprint, "dropbox")
        app.register_blueprint(blueprint)

    return make


def _event_app(hooks):
    from fastapi import APIRouter, Depends, FastAPI

    app, router = FastAPI(), APIRouter()
    router.add_api_route("/hook", lambda: None, methods=["POST"])
    app.include_router(router, dependencies=[Depends(hooks.event(Endpoint(Verifier("github", [SAME]))))])
    return app


def _includes_event(app, hooks):
    app.router.routes += _event_app(hooks).routes


def _mounts_event(app, hooks):
    app.mount("/m", _event_app(hooks))


def _mounts_event_settled(app, hooks):
    inner = _event_app(hooks)
    inner.add_middleware(hooks.Middleware)
    app.mount("/m", inner)


def _takes_current_event(app, hooks):
    from hookguard_starlette.fastapi import CurrentEvent

    def hook(event: CurrentEvent):
        return None

    app.add_api_route("/current", hook, methods=["POST"])


def twilio(url, **more):
    return {"twilio": endpoint(public_url=url, **more)}


def dated(**dates):
    return {"github": {"secrets": [Secret(secret(), name="this-year", **dates)]}}


SAME = secret()
SOUND = whole()
HTTPS = "https://shop.example/hooks/twilio"

#: Credentials of others, put together here because a scanner of secrets would report them.
TOKENS = [
    start + secret()
    for start in ("gh" + "p_x", "gh" + "o_x", "github" + "_pat_x", "gl" + "pat-", "xox" + "b-", "xapp" + "-1-", "sk" + "-ant-")
]
TOKENS += ["AKIA" + "X7" * 8, "npm" + "_" + "x7" * 18]

#: Id: pairs of a broken application and a sound one that differs from it in one thing.
CASES = {
    "C1": [
        (whole({"github": endpoint(leese=60)}), SOUND),
        (asgi({"github": endpoint(leese=60)}), asgi()),
        (django({"github": endpoint(leese=60)}, path("hook", view)), django()),
        (
            whole({"github": endpoint(inbox={"hand_off": "no.such.module:task"})}),
            whole({"github": endpoint(inbox={"hand_off": "builtins:print"})}),
        ),
        (whole(HOOKGUARD_SILENCED_CHECKS={"S99": "no such check"}), whole(HOOKGUARD_SILENCED_CHECKS={"S4": "one account"})),
    ],
    "C2": [
        (django(None, path("hook", webhook("gihub")(view))), django()),
        (
            lambda place: django_project(None, path("hook", webhook("github")(_awaited)), hooks={"store": ORMTransactionStore()}),
            django(),
        ),
        (asgi(middleware=False), asgi(middleware=True)),
        (asgi(middleware=False, make=_includes_event), asgi(make=_includes_event)),
        (asgi(middleware=False, make=_mounts_event), asgi({}, middleware=False, make=_mounts_event_settled)),
        (asgi({}, middleware=False, make=_takes_current_event), asgi(make=_takes_current_event)),
    ],
    "S1": [
        (whole({"github": {"secrets": ["Tr0ub4dor&3"]}}), SOUND),
        (whole({"github": {"secrets": [None]}}), SOUND),
        (whole({"github": {"secrets": []}}), SOUND),
    ],
    "S2": [
        (whole({"github": {"secrets": ["It's a Secret to Everybody"]}}), SOUND),
        (whole({"github": {"secrets": ["a-secret-of-your-own-choosing"]}}), SOUND),
        (whole({"stripe": {"secrets": [f"sk_live_{secret()}"]}}), whole({"stripe": {"secrets": [f"whsec_{secret()}"]}})),
        (whole({"github": {"secrets": ["${GITHUB_SECRET}"]}}), SOUND),
        *((whole({"stripe": {"secrets": [token]}}), SOUND) for token in TOKENS),
    ],
    "S3": [
        (whole({"github": {"secrets": [f"GITHUB_SECRET={secret()}"]}}), SOUND),
        (whole({"github": {"secrets": [f"{secret()}\n{secret()}"]}}), SOUND),
        (whole({"github": {"secrets": [f" {secret()}"]}}), SOUND),
        (whole({"github": {"secrets": [f'"{secret()}"']}}), SOUND),
    ],
    "S4": [
        (whole({"github": {"secrets": [SAME]}, "stripe": {"secrets": [SAME]}}), SOUND),
        (asgi({"github": {"secrets": [SAME, SAME]}}), asgi({"github": {"secrets": [SAME, secret()]}})),
    ],
    "S5": [
        (whole(dated(not_after=time.time() - 60)), whole(dated(not_after=time.time() + 90 * DAY))),
        (whole(dated(not_before=time.time() + DAY)), whole(dated(not_before=time.time() - DAY))),
        (whole(dated(not_after=time.time() + DAY)), SOUND),
    ],
    "S6": [
        (whole({"paystack": {"secrets": [f"sk_test_{secret()}"]}}), whole({"paystack": {"secrets": [f"sk_live_{secret()}"]}})),
        (
            whole({"paystack": {"secrets": [f"sk_test_{secret()}"]}}),
            whole({"paystack": {"secrets": [f"sk_test_{secret()}"]}}, TESTING=True),
        ),
        (
            django({"paystack": {"secrets": [f"sk_test_{secret()}"]}}),
            django({"paystack": {"secrets": [f"sk_test_{secret()}"]}}, DEBUG=True),
        ),
        (
            asgi({"paystack": {"secrets": [f"sk_test_{secret()}"]}}),
            asgi({"paystack": {"secrets": [f"sk_test_{secret()}"]}}, make=lambda app, hooks: setattr(app, "debug", True)),
        ),
    ],
    "P1": [
        (whole({"klarna": endpoint()}, routes=["klarna"]), SOUND),
        (
            whole({"acme": endpoint(preset={"name": "acme", "header": "X-Sign"})}, routes=["acme"]),
            whole({"acme": endpoint(preset={"name": "acme", "header": "X-Sign", "event_id": "body:id"})}, routes=["acme"]),
        ),
    ],
    "P2": [(without_package("sendgrid"), without_package("github"))],
    "P3": [
        (at_a_provider(pushes, keys(status=503)), at_a_provider(pushes, keys())),
        (at_a_provider(pushes, keys(), trusted=False), at_a_provider(pushes, keys())),
        (at_a_provider(lambda _: pushes("https://localhost:1"), keys()), SOUND),
    ],
    "U1": [
        (whole({"twilio": endpoint()}, routes=["twilio"]), whole(twilio(HTTPS), routes=["twilio"])),
        (whole(twilio("http://shop.example/hooks/twilio", require_https=True), routes=["twilio"]), SOUND),
        (whole(twilio("https://shop.example/twilio"), routes=["twilio"]), whole(twilio(HTTPS), routes=["twilio"])),
        (asgi(twilio("https://shop.example/twilio")), asgi(twilio("https://shop.example/api/hooks/twilio"))),
        (django(twilio("https://shop.example/twilio")), django(twilio(HTTPS))),
    ],
    "U2": [
        (
            whole(make=lambda app, hooks: app.add_url_rule("/s/", "s", hooks.guard("stripe")(lambda: ""), methods=["POST"])),
            whole(make=lambda app, hooks: app.add_url_rule("/s", "s", hooks.guard("stripe")(lambda: ""), methods=["POST"])),
        ),
        (
            asgi(make=lambda app, hooks: app.mount("/m", _mounted(hooks, "/s/"))),
            asgi(make=lambda app, hooks: app.mount("/m", _mounted(hooks, "/s"))),
        ),
        (
            django(None, path("hook/", webhook("github")(view)), APPEND_SLASH=True),
            django(None, path("hook/", webhook("github")(view)), APPEND_SLASH=False),
        ),
        (
            django(twilio("http://shop.example/hooks/twilio"), SECURE_SSL_REDIRECT=True),
            django(twilio(HTTPS), SECURE_SSL_REDIRECT=True),
        ),
        (django(twilio(HTTPS), PREPEND_WWW=True), django(twilio("https://www.shop.example/hooks/twilio"), PREPEND_WWW=True)),
        (asgi(twilio("http://shop.example/hooks/twilio"), make=adds("redirect")), asgi(twilio(HTTPS), make=adds("redirect"))),
    ],
    "U3": [
        (whole(routes=["github"]), SOUND),
        (django(None, *django_views(["github"])), django()),
        (asgi(paths={"/hooks/strpe": "stripe"}), asgi(paths={"/hooks/stripe": "stripe"})),
        (
            django(hooks={"paths": {"/hoks/stripe": "stripe"}}, MIDDLEWARE=[OURS]),
            django(hooks={"paths": {"/hooks/stripe": "stripe"}}, MIDDLEWARE=[OURS]),
        ),
        (
            django(hooks={"paths": {"/hooks/stripe": "github"}}, MIDDLEWARE=[OURS]),
            django(hooks={"paths": {"/hooks/stripe": "stripe"}}, MIDDLEWARE=[OURS]),
        ),
    ],
    "U4": [
        (
            whole(make=lambda app, hooks: app.add_url_rule("/past", "past", _past(hooks), methods=["POST"])),
            whole(make=lambda app, hooks: app.add_url_rule("/other", "other", lambda: "", methods=["POST"])),
        ),
        (
            django(hooks={"paths": {"/hooks/stripe": "stripe"}}, MIDDLEWARE=[CSRF]),
            django(hooks={"paths": {"/hooks/stripe": "stripe"}}, MIDDLEWARE=[OURS, CSRF]),
        ),
    ],
    "W1": [
        (whole(make=wraps(Eats)), whole(make=wraps(ProxyFix))),
        (asgi(make=adds(EatsASGI)), asgi(make=adds(Passes))),
        (django(MIDDLEWARE=[f"{__name__}.EatsDjango"]), django(MIDDLEWARE=[f"{__name__}.LoginDjango"])),
    ],
    "W2": [
        (
            whole(make=lambda app, hooks: app.before_request(require_login)),
            whole(make=lambda app, hooks: app.before_request(lambda: None)),
        ),
        (
            whole(twilio(HTTPS), routes=["twilio"], TRUSTED_HOSTS=["www.shop.example"]),
            whole(twilio(HTTPS), routes=["twilio"], TRUSTED_HOSTS=[".shop.example"]),
        ),
        (asgi(make=adds(CSRFMiddleware)), asgi(make=adds(Passes))),
        (
            asgi(twilio(HTTPS), make=adds("hosts", allowed_hosts=["www.shop.example"])),
            asgi(twilio(HTTPS), make=adds("hosts", allowed_hosts=["*.example"])),
        ),
        (django(MIDDLEWARE=[f"{__name__}.LoginDjango"]), django(MIDDLEWARE=[f"{__name__}.EatsDjango"])),
        (django(twilio(HTTPS), ALLOWED_HOSTS=["www.shop.example"]), django(twilio(HTTPS), ALLOWED_HOSTS=[".shop.example"])),
        (
            django(hooks={"paths": {"/hooks/stripe": "stripe"}}, MIDDLEWARE=[CSRF, OURS]),
            django(hooks={"paths": {"/hooks/stripe": "stripe"}}, MIDDLEWARE=[OURS, CSRF]),
        ),
    ],
    "W3": [
        (whole(MAX_CONTENT_LENGTH=1 << 20), whole(MAX_CONTENT_LENGTH=25 << 20)),
        (django(DATA_UPLOAD_MAX_MEMORY_SIZE=1 << 20), django()),
    ],
    "W4": [(asgi(make=adds(GunzipRequestMiddleware)), asgi(make=adds("gzip")))],
    "W5": [
        (
            asgi({"dropbox": endpoint()}),
            asgi({"dropbox": endpoint()}, make=lambda app, hooks: _take(app, "GET")),
        ),
        (
            whole({"dropbox": endpoint()}, routes=[], make=_protects("POST")),
            whole({"dropbox": endpoint()}, routes=[], make=_protects("POST", "GET")),
        ),
    ],
    "N1": [
        (whole({"github": endpoint(require_https=True)}), whole({"github": endpoint(require_https=True)}, make=wraps(ProxyFix))),
        (whole({"github": endpoint(allow_from=["192.0.2.0/24"])}), SOUND),
        (
            django({"github": endpoint(require_https=True)}),
            django({"github": endpoint(require_https=True)}, SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https")),
        ),
    ],
    "N2": [
        (
            at_a_provider(publishes("192.0.2.0/24"), lists(MOVED)),
            at_a_provider(publishes("192.0.2.0/24", "198.51.100.0/24", "2001:db8::/32"), lists(MOVED)),
        ),
        (
            at_a_provider(publishes("192.0.2.0/24", field=""), lists(b"# ours\n192.0.2.0/24\n198.51.100.7\n")),
            at_a_provider(publishes("192.0.2.0/24", field=""), lists(b"# ours\n192.0.2.9, 192.0.2.10\n")),
        ),
        (
            at_a_provider(publishes("192.0.2.0/24"), lists(b"<html>moved</html>")),
            at_a_provider(publishes("192.0.2.0/24", field=None), lists(b"<html>a page for people</html>")),
        ),
        (at_a_provider(publishes("192.0.2.0/24"), lists(MOVED, status=404)), SOUND),
    ],
    "T1": [
        (provider_of_another_time, at_a_provider(pushes, keys())),
        (lambda place: flask_app(place.folder, store=Ahead(place.file)), SOUND),
    ],
    "T2": [(whole({"slack": endpoint(tolerance=60)}, routes=["slack"]), whole({"slack": endpoint()}, routes=["slack"]))],
    "L1": [
        (whole({"github": endpoint(lease=10, worker_timeout=30)}), whole({"github": endpoint(lease=30, worker_timeout=30)})),
    ],
    "L2": [(whole({"stripe": endpoint(retention=3600)}), SOUND)],
    "M0": [(SOUND, whole({}))],
    "M1": [(whole(store="redis://127.0.0.1:1/0"), SOUND)],
    "M2": [
        (in_django(ORMStore("sqlite")), in_django(ORMStore("sqlite"), table=True)),
    ],
    "M3": [(lambda place: flask_app(place.folder, store=EveryClaimAcquired(place.file)), SOUND)],
    "M4": [(whole(store="memory://"), SOUND), (asgi(store="memory://"), asgi()), (in_django(MemoryStore()), in_django(None))],
    "M5": [
        (workers(4, "memory://"), workers(4)),
        (workers(4, MemoryStore(single_process=True)), workers(1, MemoryStore(single_process=True))),
    ],
    "M6": [(in_django(CacheStore()), in_django(None))],
    "M7": [
        (
            in_django(ORMTransactionStore("sqlite"), table=True),
            in_django(ORMTransactionStore("default")),
        )
    ],
    "M8": [(backlog(0), backlog(1))],
    "M9": [(records(table=False), records(table=True))],
    "I1": [(stored("late"), stored("fresh"))],
    "I2": [(stored("dead"), stored("fresh"))],
    "R1": [
        (
            whole(relays_to("http://books.example/in", allow_http=True)),
            whole(relays_to("http://books:8000/in", allow_http=True)),
        ),
        (whole(relays_to("http://books.example/in", allow_http=True)), whole(relays_to("https://books.example/in"))),
    ],
    "R2": [
        (whole(relays_to("https://shop.example/hooks/stripe/")), whole(relays_to("https://books.example/hooks/stripe"))),
    ],
    "A1": [
        (whole({"github": endpoint(worker_timeout=30)}), whole({"github": endpoint(worker_timeout=30, inbox=True)})),
    ],
    "G1": [
        (
            whole({"stripe": {"behind": "hookdeck", "gateway_secrets": [secret()], "verify_provider": False}}),
            whole({"stripe": endpoint(behind="hookdeck", gateway_secrets=[secret()])}),
        ),
        (whole({"stripe": endpoint(behind="hookdeck")}), SOUND),
    ],
    "H1": [(whole({"github": endpoint(on_outage="open")}), SOUND)],
    "O1": [(logs_nothing, SOUND)],
    "O2": [
        (
            writes_env("readable", "SECRET=the-secret-in-the-file-0123456789\n"),
            writes_env("private", "SECRET=the-secret-in-the-file-0123456789\n"),
        ),
        (writes_env("readable", "export A=the-secret-in-the-file-0123456789"), writes_env("readable", "SECRET=another")),
    ],
    "O3": [
        (autopsy_is("0"), autopsy_is("1")),
        (whole({"github": endpoint(autopsy=False)}), whole({"github": endpoint(autopsy=True)})),
        (autopsies_log_nothing, SOUND),
    ],
    "V1": [(old_package("2.1.9"), old_package("2.10.0"))],
}


@webhook("github")
async def _awaited(request):
    return HttpResponse()


def _past(hooks):
    """The function inside a guarded view."""

    def inner():
        return ""

    hooks.guard("github")(inner)
    return inner


def _mounted(hooks, route):
    from starlette.applications import Starlette
    from starlette.routing import Route

    return Starlette(routes=[Route(route, view, methods=["POST"], middleware=[hooks.middleware("stripe")])])


def _take(app, method, instead=None):
    for route in app.routes:
        if getattr(route, "path", "").startswith("/hooks"):
            route.methods.add(method)
            route.methods.discard(instead)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path, monkeypatch)


PAIRS = [
    pytest.param(check, broken, sound, id=f"{check}-{number}")
    for check, pairs in CASES.items()
    for number, (broken, sound) in enumerate(pairs, 1)
]


@pytest.mark.parametrize(("check", "broken", "sound"), PAIRS)
def test_broken_application_is_reported_by_the_id(check, broken, sound, place):
    findings = broken(place)
    assert check in [finding.check for finding in findings], findings
    assert not [finding for finding in findings if "could not be made" in finding.sentence]


@pytest.mark.parametrize(("check", "broken", "sound"), PAIRS)
def test_sound_application_is_not_reported(check, broken, sound, place):
    findings = sound(place)
    assert check not in [finding.check for finding in findings], findings
    assert not [finding for finding in findings if "could not be made" in finding.sentence]


def _keeps_the_app(app, hooks):
    app.wsgi_app = Keeps(app)


@pytest.mark.parametrize("make", [SOUND, whole(make=_keeps_the_app), asgi()], ids=["flask", "flask in a circle", "fastapi"])
def test_sound_application_gets_only_the_note_on_its_store(make, place):
    assert [finding.check for finding in make(place)] == ["M0"]


def test_every_check_of_the_list_has_a_broken_and_a_sound_application():
    assert list(CASES) == [check.id for check in CHECKS]


def test_middleware_below_one_that_keeps_the_app_is_examined(place):
    def wrap(app, hooks):
        app.wsgi_app = Eats(app.wsgi_app)
        _keeps_the_app(app, hooks)

    assert "W1" in [finding.check for finding in whole(make=wrap)(place)]


def test_circle_of_asgi_middleware_is_followed_once():
    from hookguard_starlette import HookGuard
    from hookguard_starlette.middleware import wrapped_apps

    outer = Passes(None)
    outer.app = inner = Passes(outer)
    assert list(wrapped_apps(outer)) == [outer, inner]
    assert HookGuard({"github": endpoint()}, store=MemoryStore()).describe(outer).framework == "ASGI"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            asgi({"stripe": endpoint()}, make=lambda app, hooks: _take(app, "GET", "POST")),
            "/hooks/stripe takes no POST, which every delivery uses",
        ),
        (asgi({"dropbox": endpoint()}), "/hooks/dropbox takes no GET, which the provider's challenge uses"),
    ],
)
def test_missing_method_is_named_with_its_use(make, says, place):
    assert says in [finding.sentence for finding in make(place) if finding.check == "W5"]


def test_guards_in_litestars_routes_are_not_missed():
    litestar = pytest.importorskip("litestar")
    from litestar.middleware import DefineMiddleware

    from hookguard_starlette import HookGuard

    hooks = HookGuard({"github": endpoint()}, store=MemoryStore())

    @litestar.post("/hooks/github", middleware=[DefineMiddleware(hooks.Middleware, endpoint="github")])
    async def hook() -> None:
        return None

    found = examine(hooks.describe(litestar.Litestar([hook])), ["routes"])
    assert [finding.check for finding in found] == []


def test_no_check_asks_a_provider_without_online(place):
    with https_server(place.folder, Authority()) as server:
        found = flask_app(place.folder, pushes(server.url), routes=["acme"])
        assert server.seen == []
    assert not {"P3", "N2"} & {finding.check for finding in found}


def test_each_address_is_asked_once(place):
    served = []
    made = at_a_provider(lambda url: {**pushes(url), "beta": pushes(url)["acme"]}, served.append)
    made(place)
    assert [path for _, path, _, _ in served[0].seen] == [KEYS]
