"""The same webhook in every framework, behind checks of host, scheme and CSRF: ``EVERY_KIND`` says which, for a worker's process.

The handler does what the event says, and writes what the framework says of the request.
"""

import hashlib
import json
import os
import sys
import types

from hookguard import GiveUp

HOST = "shop.example"
SECRET = "a-secret-that-is-long-enough"
FOLDER = os.environ.get("EVERY_FOLDER", "")
STORE = os.environ.get("EVERY_STORE", f"sqlite:///{FOLDER}/inbox.sqlite3")
ENDPOINT = {"secrets": [SECRET], "inbox": {"tries": 2, "first": 60}}
PATH = "/hooks/stripe"

KINDS = (
    "flask",
    "flask_async",
    "flask_protect",
    "django_wsgi",
    "django_wsgi_async",
    "django_asgi",
    "django_asgi_async",
    "starlette_route",
    "starlette_paths",
    "fastapi_paths",
    "fastapi_dependency",
    "fastapi_route_class",
    "litestar",
)


def handle(event, request):
    """Return the status and the headers of the answer."""
    asked = event.json()
    facts = [event.id, event.attempt, *request, hashlib.sha256(event.body).hexdigest()[:8], event.headers.get("x-kept")]
    with open(f"{FOLDER}/runs", "a") as runs:  # noqa: PTH123 - one write, appended whole
        runs.write(json.dumps(facts) + "\n")
    if asked.get("gives_up"):
        raise GiveUp("gone")
    if asked.get("raises"):
        raise RuntimeError("the handler's own mistake")
    if asked.get("fails", 0) >= event.attempt:
        return 503, {"Retry-After": "0"}
    return asked.get("status", 204), {}


def flask():
    return _flask(asynchronous=False, whole=False)


def flask_async():
    return _flask(asynchronous=True, whole=False)


def flask_protect():
    return _flask(asynchronous=False, whole=True)


def _flask(*, asynchronous, whole):
    from flask import Blueprint, Flask, redirect, request
    from flask_wtf.csrf import CSRFProtect

    from hookguard_flask import HookGuard, get_current_webhook

    app = Flask("every")
    app.config |= {
        "SECRET_KEY": "x",
        "TRUSTED_HOSTS": [HOST],
        "HOOKGUARD_ENDPOINTS": {"stripe": ENDPOINT},
        "HOOKGUARD_STORE": STORE,
    }
    CSRFProtect(app)
    hooks = HookGuard(app)

    @app.before_request
    def only_https():
        return None if request.is_secure else redirect(request.url.replace("http:", "https:", 1))

    def facts():
        return request.host, request.scheme, request.path, request.query_string.decode(), request.remote_addr

    def view():
        status, headers = handle(get_current_webhook(), facts())
        return "", status, headers

    async def async_view():
        return view()

    routes = Blueprint("hooks", __name__)
    guard = (lambda found: found) if whole else hooks.guard("stripe")
    routes.post(PATH, endpoint="stripe")(guard(async_view if asynchronous else view))
    if whole:
        hooks.protect(routes, "stripe")
    app.register_blueprint(routes)
    return app, hooks


def _django(*, asynchronous, gateway):
    from django.conf import settings

    sys.modules["every_urls"] = urls = types.ModuleType("every_urls")
    settings.configure(
        SECRET_KEY="x",
        ALLOWED_HOSTS=[HOST],
        SECURE_SSL_REDIRECT=True,
        ROOT_URLCONF="every_urls",
        DATABASES={},
        USE_TZ=True,
        INSTALLED_APPS=["hookguard_django"],
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
        ],
        HOOKGUARD={"ENDPOINTS": {"stripe": ENDPOINT}, "STORE": STORE},
    )
    import django

    django.setup()
    from django.http import HttpResponse
    from django.urls import path

    from hookguard_django import webhook

    def facts(request):
        return request.get_host(), request.scheme, request.path, request.META["QUERY_STRING"], request.META["REMOTE_ADDR"]

    def view(request):
        status, headers = handle(request.webhook, facts(request))
        return HttpResponse(status=status, headers=headers)

    async def async_view(request):
        return view(request)

    urls.urlpatterns = [path(PATH[1:], webhook("stripe")(async_view if asynchronous else view))]
    if gateway == "asgi":
        from django.core.asgi import get_asgi_application

        return get_asgi_application(), _of_django()
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application(), _of_django()


def _of_django():
    from hookguard_django import work

    return work


def django_wsgi():
    return _django(asynchronous=False, gateway="wsgi")


def django_wsgi_async():
    return _django(asynchronous=True, gateway="wsgi")


def django_asgi():
    return _django(asynchronous=False, gateway="asgi")


def django_asgi_async():
    return _django(asynchronous=True, gateway="asgi")


def _hooks():
    from hookguard_starlette import HookGuard

    return HookGuard({"stripe": ENDPOINT}, store=STORE)


def _asgi_facts(scope):
    host = dict(scope["headers"])[b"host"].decode()
    return host, scope["scheme"], scope["path"], scope["query_string"].decode(), scope["client"][0]


def _checks():
    from starlette.middleware import Middleware
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    async def passes(request, call_next):
        return await call_next(request)

    return [
        Middleware(TrustedHostMiddleware, allowed_hosts=[HOST]),
        Middleware(HTTPSRedirectMiddleware),
        Middleware(BaseHTTPMiddleware, dispatch=passes),
    ]


def starlette_route():
    hooks = _hooks()
    return _starlette(hooks, [hooks.middleware("stripe")], []), hooks


def starlette_paths():
    from starlette.middleware import Middleware

    hooks = _hooks()
    return _starlette(hooks, [], [Middleware(hooks.Middleware, paths={PATH: "stripe"})]), hooks


def _starlette(hooks, of_route, of_app):
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    async def view(request):
        status, headers = handle(request.state.webhook, _asgi_facts(request.scope))
        return Response(status_code=status, headers=headers)

    routes = [Route(PATH, view, methods=hooks.methods("stripe"), middleware=of_route)]
    return Starlette(routes=routes, middleware=[*_checks(), *of_app])


def fastapi_paths():
    from fastapi import FastAPI, Request, Response

    hooks = _hooks()
    app = FastAPI(middleware=_checks())
    app.add_middleware(hooks.Middleware, paths={PATH: "stripe"})

    @app.post(PATH)
    def view(request: Request):
        status, headers = handle(request.state.webhook, _asgi_facts(request.scope))
        return Response(status_code=status, headers=headers)

    return app, hooks


def fastapi_dependency():
    from fastapi import Depends, FastAPI, Request, Response

    hooks = _hooks()
    app = FastAPI(middleware=_checks())
    app.add_middleware(hooks.Middleware)

    @app.post(PATH)
    async def view(request: Request, event=Depends(hooks.event("stripe"))):
        status, headers = handle(event, _asgi_facts(request.scope))
        return Response(status_code=status, headers=headers)

    return app, hooks


def fastapi_route_class():
    from fastapi import APIRouter, FastAPI, Request, Response

    hooks = _hooks()
    app = FastAPI(middleware=_checks())
    router = APIRouter(route_class=hooks.route_class("stripe"))

    @router.post(PATH)
    def view(request: Request):
        status, headers = handle(request.state.webhook, _asgi_facts(request.scope))
        return Response(status_code=status, headers=headers)

    app.include_router(router)
    return app, hooks


def litestar():
    from litestar import Litestar, Request, Response, post
    from litestar.config.allowed_hosts import AllowedHostsConfig

    hooks = _hooks()

    @post(PATH)
    async def view(request: Request) -> Response[None]:
        status, headers = handle(request.scope["state"]["webhook"], _asgi_facts(request.scope))
        return Response(None, status_code=status, headers=headers)

    app = Litestar([view], allowed_hosts=AllowedHostsConfig(allowed_hosts=[HOST]), signature_namespace={"Request": Request})
    return hooks.wrap(app, paths={PATH: "stripe"}), hooks


if "EVERY_KIND" in os.environ:
    app, hooks = globals()[os.environ["EVERY_KIND"]]()
