"""No spelling of a path leads an unsigned delivery to a handler, in any framework and router that the docs name.

Targets are made from a guarded path by what senders and attackers can do to it, and handed to each application as each kind of
server does: the servers differ in what they make of a target.
"""

import asyncio
import io
from functools import partial
from urllib.parse import unquote, unquote_to_bytes, urlsplit

import pytest

for _framework in ("django", "fastapi", "flask", "litestar", "quart", "starlette"):
    pytest.importorskip(_framework, reason="the frameworks that the docs name are not installed")

import django_site
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.test import override_settings
from django.urls import path as django_path
from django.urls import re_path
from fastapi import APIRouter, Depends, FastAPI
from flask import Blueprint, Flask, request
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from litestar import Litestar, Request, post
from litestar.middleware import DefineMiddleware
from quart import Quart
from quart import request as quart_request
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

import hookguard_flask
import hookguard_starlette
from hookguard import Tenant, presets
from hookguard_django import webhook

django_site.configure()

SECRET = "a-secret-that-is-long-enough"
BODY = b'{"ref": "refs/heads/main"}'
GUARDED = "/hooks/github"
RAN = []


# Changes to a path


def escaped(text):
    return "".join(f"%{byte:02X}" for byte in text.encode())


@st.composite
def targets(draw, guarded=GUARDED):
    """A spelling of the guarded path, or of one below or above it."""
    letters = []
    for letter in guarded:
        changed = draw(st.sampled_from(["", "", "", "", "", "", "", "case", "escape", "twice", "slashes"]))
        if changed == "case":
            letters.append(letter.swapcase())
        elif changed == "escape":
            letters.append(escaped(letter))
        elif changed == "twice":
            letters.append(escaped(letter).replace("%", "%25"))
        elif changed == "slashes" and letter == "/":
            letters.append(draw(st.sampled_from(["//", "/./", "/x/../", "\\", "/%2e/", "%2f/"])))
        else:
            letters.append(letter)
    spelled = "".join(letters)
    if draw(st.integers(0, 3)) == 0:
        spelled = spelled.removeprefix("/")
    begins = ["", "", "", "", "/api", "/api/", "http://x", "http://x/api", "a:", "//x", "/x/..", "/en", "http://x//", "x://y/z?"]
    ends = [
        "",
        "",
        "",
        "/",
        "//",
        "%0A",
        "%0a/",
        "%00",
        "%20",
        ";x=1",
        "/.",
        "/x/..",
        "?a=1",
        "#a",
        "%23a",
        "%3Fa",
        "/#",
        "?#/../",
    ]
    return draw(st.sampled_from(begins)) + spelled + draw(st.sampled_from(ends))


# How servers read a target


def scope_of(target, headers, root="", *, parsed=False, prefixed=False):
    """As hypercorn and uvicorn with h11 do; ``parsed`` like a server that reads the absolute form; ``prefixed`` like uvicorn."""
    if parsed and "://" in target:
        parts = urlsplit(target)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    raw, _, query = target.partition("?")
    before = root if prefixed else ""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": before + unquote(raw),
        "raw_path": (before + raw).encode(),
        "query_string": query.encode(),
        "root_path": root,
        "headers": [(b"host", b"x"), (b"content-length", b"%d" % len(BODY)), *headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }


ASGI_SERVERS = {
    "as it came": {},
    "parsed": {"parsed": True},
    "below a root path": {"root": "/api"},
    "behind a root path": {"root": "/api", "prefixed": True},
}


def call_asgi(app, scope):
    sent, answered = [], asyncio.Event()
    parts = [{"type": "http.request", "body": BODY, "more_body": False}]

    async def receive():
        if parts:
            return parts.pop()
        await answered.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            answered.set()

    async def run():
        try:
            await app(scope, receive, send)
        except Exception:
            return 500
        return next((message["status"] for message in sent if "status" in message), 0)

    return asyncio.run(run())


def environ_of(target, headers, *, exact=True, script=""):
    """As gunicorn and Werkzeug do, and with ``exact=False`` like servers that do not hand the target over."""
    parts = urlsplit(target.partition("#")[0] if "://" in target else "http://x/" + target.partition("#")[0].removeprefix("/"))
    raw, query = parts.path, parts.query
    if target.startswith("//"):
        raw, query = target.partition("#")[0].partition("?")[::2]
    if script and raw.startswith(script):
        raw = raw.removeprefix(script)
    else:
        script = ""
    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": script,
        "PATH_INFO": unquote_to_bytes(raw).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "x",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        # Frameworks and the WSGI reference rebuild URLs from this header.
        "HTTP_HOST": "x",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(BODY)),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(BODY),
        "wsgi.errors": io.StringIO(),
        "wsgi.version": (1, 0),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    environ.update({"HTTP_" + name.decode().upper().replace("-", "_"): value.decode() for name, value in headers})
    if exact:
        environ["RAW_URI"] = target
    return environ


WSGI_SERVERS = {"exact": {}, "rebuilt": {"exact": False}, "below a script name": {"script": "/api"}}


def call_wsgi(app, environ):
    seen = []
    answer = app(environ, lambda status, headers, *_: seen.append(int(status.split()[0])))
    b"".join(answer)
    getattr(answer, "close", lambda: None)()
    return seen[0]


# The applications, each with every way to guard it: handlers write down the path that was routed


def asgi_hooks(**extra):
    return hookguard_starlette.HookGuard({"github": {"secrets": [SECRET]}, **extra}, store="memory://")


async def starlette_handler(request):
    RAN.append(request.scope["path"])
    return PlainTextResponse("ran")


def starlette_route():
    hooks = asgi_hooks()
    return Starlette(routes=[Route(GUARDED, starlette_handler, methods=["POST"], middleware=[hooks.middleware("github")])])


def starlette_mount():
    routes = [Route("/github", starlette_handler, methods=["POST"])]
    return Starlette(routes=[Mount("/hooks", routes=routes, middleware=[asgi_hooks().middleware("github")])])


def starlette_paths():
    app = Starlette(routes=[Route(GUARDED, starlette_handler, methods=["POST"])])
    app.add_middleware(asgi_hooks().Middleware, paths={GUARDED: "github"})
    return app


def starlette_root_inside():
    app = Starlette(routes=[Route(GUARDED, starlette_handler, methods=["POST"])])

    async def inside(scope, receive, send):
        await app({**scope, "root_path": "/api"}, receive, send)

    return asgi_hooks().wrap(inside, paths={GUARDED: "github"})


def ignores_case():
    """Any ASGI application: one that knows no framework, undoes escapes, and ignores case and slashes."""

    async def app(scope, receive, send):
        path = unquote(unquote(scope["path"])).lower().partition(";")[0].rstrip("/ \n")
        if [step for step in path.split("/") if step not in ("", ".")][-2:] == ["hooks", "github"]:
            RAN.append(scope["path"])
        await PlainTextResponse("ran")(scope, receive, send)

    return asgi_hooks().wrap(app, paths={GUARDED: "github"})


def fastapi_dependency():
    app, hooks = FastAPI(), asgi_hooks()
    app.add_middleware(hooks.Middleware)
    app.post(GUARDED, dependencies=[Depends(hooks.event("github"))])(lambda: RAN.append("ran"))
    return app


def fastapi_route_class():
    app = FastAPI()
    router = APIRouter(route_class=asgi_hooks().route_class("github"), prefix="/hooks")
    router.post("/github")(lambda: RAN.append("ran"))
    app.include_router(router)
    return app


def fastapi_paths():
    app = FastAPI()
    app.root_path = "/api"
    app.post(GUARDED)(lambda: RAN.append("ran"))
    app.add_middleware(asgi_hooks().Middleware, paths={GUARDED: "github"})
    return app


def fastapi_wrapped():
    app = FastAPI()
    app.root_path = "/api"
    app.post(GUARDED)(lambda: RAN.append("ran"))
    return asgi_hooks().wrap(app, paths={GUARDED: "github"})


def litestar_app(**options):
    @post(GUARDED, **options)
    async def handle() -> None:
        RAN.append("ran")

    return Litestar([handle], openapi_config=None)


def litestar_route():
    return litestar_app(middleware=[DefineMiddleware(asgi_hooks().Middleware, endpoint="github")])


def litestar_paths():
    return asgi_hooks().wrap(litestar_app(), paths={GUARDED: "github"})


def quart_paths():
    app = Quart(__name__)
    app.url_map.strict_slashes = False
    app.post(GUARDED)(lambda: RAN.append("ran") or "ran")
    app.asgi_app = asgi_hooks().wrap(app.asgi_app, paths={GUARDED: "github"})
    return app


def flask_app():
    app = Flask(__name__, instance_path="/tmp")
    app.config["HOOKGUARD"] = {"endpoints": {"github": {"secrets": [SECRET]}}, "store": "memory://"}
    app.url_map.strict_slashes = False
    return app, hookguard_flask.HookGuard(app)


def flask_view():
    app, hooks = flask_app()
    app.post(GUARDED)(hooks.guard("github")(lambda: RAN.append("ran") or "ran"))
    return app


def flask_blueprint():
    app, hooks = flask_app()
    blueprint = Blueprint("hooks", __name__, url_prefix="/hooks")
    blueprint.post("/github")(lambda: RAN.append("ran") or "ran")
    hooks.protect(blueprint, "github")
    app.register_blueprint(blueprint)
    return app


def flask_prefix():
    app, hooks = flask_app()
    app.post(GUARDED)(lambda: RAN.append("ran") or "ran")
    hooks.protect(app, "github", prefix="/hooks/")
    return app


class Urls:
    """A URL configuration of Django."""

    def __init__(self, *patterns):
        self.urlpatterns = list(patterns)


def django_view(request, *args, **kwargs):
    RAN.append(request.path)
    return HttpResponse("ran")


def django_decorated():
    return Urls(django_path("hooks/github", webhook("github")(django_view)))


def django_paths():
    return Urls(re_path(r"(?i)^hooks/+github/?$", partial(django_view)))


ASGI = [
    starlette_route,
    starlette_mount,
    starlette_paths,
    starlette_root_inside,
    ignores_case,
    fastapi_dependency,
    fastapi_route_class,
    fastapi_paths,
    fastapi_wrapped,
    litestar_route,
    litestar_paths,
    quart_paths,
]
MANY = examples(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def runs_a_genuine_one(call, make_request):
    RAN.clear()
    call(make_request(GUARDED, genuine()))
    assert RAN


def check(call, make_request, servers, target):
    for server, options in servers.items():
        RAN.clear()
        status = call(make_request(target, [], **options))
        assert RAN == [], f"{target!r} reached the handler ({server}, {status})"


@pytest.mark.parametrize("make", ASGI, ids=lambda make: make.__name__)
def test_no_unsigned_delivery_reaches_an_asgi_handler(make):
    app = make()
    runs_a_genuine_one(partial(call_asgi, app), scope_of)

    @MANY
    @given(targets())
    def fuzz(target):
        check(partial(call_asgi, app), scope_of, ASGI_SERVERS, target)

    fuzz()


@pytest.mark.parametrize("make", [flask_view, flask_blueprint, flask_prefix], ids=lambda make: make.__name__)
def test_no_unsigned_delivery_reaches_a_flask_view(make):
    app = make()
    runs_a_genuine_one(partial(call_wsgi, app), environ_of)

    @MANY
    @given(targets())
    def fuzz(target):
        check(partial(call_wsgi, app), environ_of, WSGI_SERVERS, target)

    fuzz()


DJANGO = {"ENDPOINTS": {"github": {"SECRETS": [SECRET]}}, "STORE": "memory://", "PATHS": {GUARDED: "github"}}


def django_site(urls):
    return override_settings(
        HOOKGUARD=DJANGO, ROOT_URLCONF=urls, MIDDLEWARE=["hookguard_django.middleware.WebhookMiddleware"], ALLOWED_HOSTS=["*"]
    )


@pytest.mark.parametrize("make", [django_decorated, django_paths], ids=lambda make: make.__name__)
@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_no_unsigned_delivery_reaches_a_django_view(make, kind):
    with django_site(make()):
        app = WSGIHandler() if kind == "wsgi" else ASGIHandler()
        runs_a_genuine_one(*((partial(call_wsgi, app), environ_of) if kind == "wsgi" else (partial(call_asgi, app), scope_of)))

        @MANY
        @given(targets())
        def fuzz(target):
            if kind == "wsgi":
                check(partial(call_wsgi, app), environ_of, WSGI_SERVERS, target)
            else:
                check(partial(call_asgi, app), scope_of, ASGI_SERVERS, target)

        fuzz()


# Tenants: the lookup gets the routed path


TOLD = []


def secrets_of(path, headers):
    TOLD.append(path)
    return Tenant("shop", [SECRET])


TENANTS = {"shop": {"preset": "github", "secrets": secrets_of, "identity": "id"}}


def starlette_tenants():
    hooks = asgi_hooks(**TENANTS)
    return Starlette(routes=[Route("/{rest:path}", starlette_handler, methods=["POST"], middleware=[hooks.middleware("shop")])])


def fastapi_tenants():
    app, hooks = FastAPI(), asgi_hooks(**TENANTS)
    app.add_middleware(hooks.Middleware)
    app.post("/{rest:path}", dependencies=[Depends(hooks.event("shop"))])(lambda rest: RAN.append("/" + rest))
    return app


def litestar_tenants():
    @post("/{rest:path}", middleware=[DefineMiddleware(asgi_hooks(**TENANTS).Middleware, endpoint="shop")])
    async def handle(request: Request) -> None:
        RAN.append(request.scope["path"])

    return Litestar([handle], openapi_config=None)


def quart_tenants():
    app = Quart(__name__)

    @app.post("/<path:rest>")
    async def handle(rest):
        RAN.append(quart_request.path)
        return "ran"

    app.asgi_app = asgi_hooks(**TENANTS).wrap(app.asgi_app, "shop")
    return app


def flask_tenants():
    app = Flask(__name__, instance_path="/tmp")
    app.config["HOOKGUARD"] = {"endpoints": TENANTS, "store": "memory://"}
    hooks = hookguard_flask.HookGuard(app)

    @app.post("/<path:rest>")
    @hooks.guard("shop")
    def handle(rest):
        RAN.append(request.path)
        return "ran"

    return app


def runs_by_its_own_path(call, make_request):
    """An honest delivery to the path as it is written runs: what the others are measured by."""
    RAN.clear(), TOLD.clear()
    is_told_the_routed_path(call(make_request("/hooks/alice", genuine())))
    assert RAN


def is_told_the_routed_path(status):
    assert len(RAN) == (status < 300)
    if RAN:
        (told,), (routed,) = TOLD, RAN
        assert told.rstrip("/") == routed.rstrip("/")


def genuine():
    headers = presets.GITHUB.sign(BODY, SECRET, id=f"d-{id(object())}-{len(USED)}").headers
    USED.append(1)
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


USED = []


@pytest.mark.parametrize(
    "make", [starlette_tenants, fastapi_tenants, litestar_tenants, quart_tenants], ids=lambda make: make.__name__
)
def test_an_asgi_lookup_gets_the_routed_path(make):
    app = make()
    runs_by_its_own_path(partial(call_asgi, app), scope_of)

    @MANY
    @given(targets("/hooks/alice/x://y/hooks/bob") | targets("/hooks/alice"))
    def fuzz(target):
        for options in ({}, {"parsed": True}):
            RAN.clear(), TOLD.clear()
            is_told_the_routed_path(call_asgi(app, scope_of(target, genuine(), **options)))

    fuzz()


def test_a_flask_lookup_gets_the_routed_path():
    app = flask_tenants()
    runs_by_its_own_path(partial(call_wsgi, app), environ_of)

    @MANY
    @given(targets("/hooks/alice/x://y/hooks/bob") | targets("/hooks/alice"))
    def fuzz(target):
        for options in ({}, {"exact": False}):
            RAN.clear(), TOLD.clear()
            is_told_the_routed_path(call_wsgi(app, environ_of(target, genuine(), **options)))

    fuzz()


def test_the_host_header_does_not_change_what_a_lookup_gets():
    app = flask_tenants()
    RAN.clear(), TOLD.clear()
    environ = {**environ_of("/hooks/alice", genuine(), exact=False), "HTTP_HOST": "x/hooks/bob?"}
    call_wsgi(app, environ)
    assert TOLD in ([], ["/hooks/alice"])


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_a_django_lookup_gets_the_routed_path(kind):
    urls = Urls(re_path("^(?P<rest>.*)", webhook("shop")(django_view)))
    site = {"ENDPOINTS": {"shop": {"PRESET": "github", "SECRETS": secrets_of, "IDENTITY": "id"}}, "STORE": "memory://"}
    with override_settings(HOOKGUARD=site, ROOT_URLCONF=urls, MIDDLEWARE=[], ALLOWED_HOSTS=["*"]):
        app = WSGIHandler() if kind == "wsgi" else ASGIHandler()
        runs_by_its_own_path(*((partial(call_wsgi, app), environ_of) if kind == "wsgi" else (partial(call_asgi, app), scope_of)))

        @MANY
        @given(targets("/hooks/alice/x://y/hooks/bob") | targets("/hooks/alice"))
        def fuzz(target):
            RAN.clear(), TOLD.clear()
            if kind == "wsgi":
                status = call_wsgi(app, environ_of(target, genuine()))
            else:
                status = call_asgi(app, scope_of(target, genuine()))
            is_told_the_routed_path(status)

        fuzz()
