"""The same handler in each framework: alone, with the check by hand, and guarded.

Each function returns the calls of one framework by name, and how many requests a call makes. The first four are a route for
webhooks; the last two are a route without a webhook, in an application without hookguard and in one with it.
"""

import asyncio
import tempfile

from gateways import BATCH, SECRET, Remember, asgi, genuine, wsgi

from hookguard import MemoryStore

#: An event is forgotten immediately, so that every call is a new one.
ENDPOINTS = {"github": {"secrets": [SECRET], "retention": 1e-6}}

REMEMBERED, CHECKED, GUARDED, PLAIN, OTHER, OTHER_BESIDE = (
    "the check and a dict behind a lock, by hand",
    "the check alone, by hand",
    "guarded: verify, claim, complete",
    "the view alone",
    "no webhook, in an app without hookguard",
    "no webhook, in an app with hookguard",
)


def flask():
    """Flask, by WSGI."""
    from flask import Flask, request

    from hookguard_flask import HookGuard

    seen = Remember()

    def plain():
        return "", 204

    def checked():
        return ("", 204) if genuine(request.get_data(), request.headers.get("X-Hub-Signature-256")) else ("", 401)

    def remembered():
        if not genuine(request.get_data(), request.headers.get("X-Hub-Signature-256")):
            return "", 401
        return ("", 204) if seen.first(request.headers["X-GitHub-Delivery"]) else ("", 200)

    def other():
        return "", 204

    def make(view, *, guard=False, path="/hook"):
        app = Flask("bench")
        if guard:
            app.config.update(HOOKGUARD_ENDPOINTS=ENDPOINTS, HOOKGUARD_STORE=MemoryStore())
            view = HookGuard(app).guard("github")(view)
        app.post("/hook")(view)
        app.post("/other")(other)
        return wsgi(app, path)

    return {
        REMEMBERED: make(remembered),
        CHECKED: make(checked),
        GUARDED: make(plain, guard=True),
        PLAIN: make(plain),
        OTHER: make(plain, path="/other"),
        OTHER_BESIDE: make(plain, guard=True, path="/other"),
    }, 1


def django():
    """Django, by WSGI."""
    from django.conf import settings

    settings.configure(
        SECRET_KEY="x",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        DATABASES={},
        LOGGING_CONFIG=None,
        MIDDLEWARE=[],
        HOOKGUARD={"ENDPOINTS": ENDPOINTS, "STORE": MemoryStore(), "PATHS": {"/by-path": "github"}},
    )
    import django as package

    package.setup()
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpResponse
    from django.urls import path

    from hookguard_django import webhook

    seen = Remember()

    def plain(request):
        return HttpResponse(status=204)

    def by_path(request):
        return HttpResponse(status=204)

    def checked(request):
        return HttpResponse(status=204 if genuine(request.body, request.headers.get("X-Hub-Signature-256")) else 401)

    def remembered(request):
        if not genuine(request.body, request.headers.get("X-Hub-Signature-256")):
            return HttpResponse(status=401)
        return HttpResponse(status=204 if seen.first(request.headers["X-GitHub-Delivery"]) else 200)

    views = {"plain": plain, "checked": checked, "remembered": remembered, "guarded": webhook("github")(plain)}
    urlpatterns.extend(path(name, view) for name, view in views.items())
    urlpatterns.append(path("by-path", by_path))
    bare = WSGIHandler()
    settings.MIDDLEWARE = ["hookguard_django.middleware.WebhookMiddleware"]
    beside = WSGIHandler()
    return {
        REMEMBERED: wsgi(bare, "/remembered"),
        CHECKED: wsgi(bare, "/checked"),
        GUARDED: wsgi(bare, "/guarded"),
        PLAIN: wsgi(bare, "/plain"),
        OTHER: wsgi(bare, "/plain"),
        OTHER_BESIDE: wsgi(beside, "/plain"),
    }, 1


urlpatterns: list = []


def starlette_apps(store="memory"):
    """Return Starlette applications by the name of their row."""
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    from hookguard_starlette import HookGuard

    seen = Remember()

    async def plain(request):
        return Response(status_code=204)

    async def checked(request):
        return Response(status_code=204 if genuine(await request.body(), request.headers.get("x-hub-signature-256")) else 401)

    async def remembered(request):
        if not genuine(await request.body(), request.headers.get("x-hub-signature-256")):
            return Response(status_code=401)
        return Response(status_code=204 if seen.first(request.headers["x-github-delivery"]) else 200)

    hooks = HookGuard(ENDPOINTS, store=MemoryStore() if store == "memory" else f"sqlite:///{tempfile.mkdtemp()}/claims.sqlite3")

    def make(view, *middleware):
        routes = [Route("/hook", view, methods=["POST"], middleware=list(middleware)), Route("/other", plain, methods=["POST"])]
        return Starlette(routes=routes)

    beside = make(plain)
    beside.add_middleware(hooks.Middleware, paths={"/hook": "github"})
    return {
        REMEMBERED: make(remembered),
        CHECKED: make(checked),
        GUARDED: make(plain, hooks.middleware("github")),
        PLAIN: make(plain),
        OTHER: make(plain),
        OTHER_BESIDE: beside,
    }


def fastapi_apps():
    """Return FastAPI applications by the name of their row."""
    from fastapi import Depends, FastAPI, HTTPException, Request

    from hookguard_starlette import HookGuard

    seen = Remember()

    async def check(request: Request):
        if not genuine(await request.body(), request.headers.get("x-hub-signature-256")):
            raise HTTPException(401)

    async def remember(request: Request):
        await check(request)
        if not seen.first(request.headers["x-github-delivery"]):
            raise HTTPException(200)

    hooks = HookGuard(ENDPOINTS, store=MemoryStore())

    def make(*dependencies, middleware=None):
        app = FastAPI()
        if middleware is not None:
            app.add_middleware(middleware)

        @app.post("/hook", status_code=204, dependencies=[Depends(dependency) for dependency in dependencies])
        async def hook() -> None:
            pass

        @app.post("/other", status_code=204)
        async def other() -> None:
            pass

        return app

    return {
        REMEMBERED: make(remember),
        CHECKED: make(check),
        GUARDED: make(hooks.event("github"), middleware=hooks.Middleware),
        PLAIN: make(),
        OTHER: make(),
        OTHER_BESIDE: make(hooks.event("github"), middleware=hooks.Middleware),
    }


def starlette():
    """Starlette, by ASGI."""
    return _called(starlette_apps()), BATCH


def fastapi():
    """FastAPI with a dependency, by ASGI."""
    return _called(fastapi_apps()), BATCH


def _called(apps):
    loop = asyncio.new_event_loop()
    return {name: asgi(app, loop, "/other" if name in (OTHER, OTHER_BESIDE) else "/hook") for name, app in apps.items()}
