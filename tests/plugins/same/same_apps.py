"""The same webhooks written for every framework: one path an endpoint, one handler for all of them.

``handle(event)`` says what to answer; in a server's process it is ``handle_and_tell`` and settings come from the environment.
"""

import json
import os

from hookguard_starlette import get_current_webhook

NAMES = ("stripe", "github", "slack", "standard-webhooks", "limited", "strict", "https", "office", "tenants", "rotated")


def flask_sync(settings, handle):
    return _flask(settings, handle, asynchronous=False)


def flask_async(settings, handle):
    return _flask(settings, handle, asynchronous=True)


def _flask(settings, handle, *, asynchronous):
    from flask import Flask

    from hookguard_flask import HookGuard, get_current_webhook

    app = Flask("same")
    app.config["HOOKGUARD"] = settings
    hooks = HookGuard(app)
    for name in settings["endpoints"]:

        def view():
            return "", handle(get_current_webhook())

        async def async_view():
            return "", handle(get_current_webhook())

        app.post(f"/hooks/{name}", endpoint=name)(hooks.guard(name)(async_view if asynchronous else view))
    return app


def django_sync(settings, handle):
    return _django_urls(settings, handle, asynchronous=False)


def django_async(settings, handle):
    return _django_urls(settings, handle, asynchronous=True)


def _django_urls(settings, handle, *, asynchronous):
    """Django's app reads settings of its own: these are its URLs."""
    from django.http import HttpResponse
    from django.urls import path

    from hookguard_django import webhook

    def make(name):
        def view(request):
            return HttpResponse(status=handle(request.webhook))

        async def async_view(request):
            return HttpResponse(status=handle(request.webhook))

        return path(f"hooks/{name}", webhook(name)(async_view if asynchronous else view))

    return [make(name) for name in settings["endpoints"]]


def _hooks(settings):
    from hookguard_starlette import HookGuard

    return HookGuard(**settings)


def starlette(settings, handle):
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    hooks = _hooks(settings)

    async def view(request):
        return Response(status_code=handle(get_current_webhook()))

    return Starlette(
        routes=[
            Route(f"/hooks/{name}", view, methods=hooks.methods(name), middleware=[hooks.middleware(name)])
            for name in settings["endpoints"]
        ]
    )


def fastapi_dependency(settings, handle):
    from fastapi import Depends, FastAPI, Response

    hooks = _hooks(settings)
    app = FastAPI()
    app.add_middleware(hooks.Middleware)

    def add(name):
        @app.api_route(f"/hooks/{name}", name=name, methods=hooks.methods(name))
        async def view(event=Depends(hooks.event(name))):
            return Response(status_code=handle(event))

    # A dependency runs the handler once, so providers of batches get the route class.
    for name in settings["endpoints"]:
        if hooks.guard_for(name).endpoint.preset.batch is None:
            add(name)
        else:
            _add_router(app, hooks, name, handle)
    return app


def fastapi_route_class(settings, handle):
    from fastapi import FastAPI

    hooks = _hooks(settings)
    app = FastAPI()
    for name in settings["endpoints"]:
        _add_router(app, hooks, name, handle)
    return app


def _add_router(app, hooks, name, handle):
    from fastapi import APIRouter, Response

    router = APIRouter(route_class=hooks.route_class(name))

    @router.post(f"/hooks/{name}", name=name)
    def view():
        return Response(status_code=handle(get_current_webhook()))

    app.include_router(router)


def litestar(settings, handle):
    from litestar import Litestar, Response, post

    hooks = _hooks(settings)

    @post([f"/hooks/{name}" for name in settings["endpoints"]])
    async def view() -> Response[None]:
        return Response(None, status_code=handle(get_current_webhook()))

    return hooks.wrap(Litestar([view]), paths={f"/hooks/{name}": name for name in settings["endpoints"]})


def quart(settings, handle):
    from quart import Quart

    hooks = _hooks(settings)
    app = Quart("same")
    for name in settings["endpoints"]:

        @app.post(f"/hooks/{name}", endpoint=name)
        async def view():
            return "", handle(get_current_webhook())

    app.asgi_app = hooks.wrap(app.asgi_app, paths={f"/hooks/{name}": name for name in settings["endpoints"]})
    return app


def handle_and_tell(event):
    """The handler in a server's process: writes what it ran to a file."""
    with open(os.environ["SAME_RAN"], "a") as ran:  # noqa: PTH123 - one write, appended whole
        ran.write(json.dumps([event.provider, event.id, event.attempt]) + "\n")
    return answer(event)


def answer(event):
    """The answer that an unsigned header of the delivery asks for, or the event of a batch for each run."""
    wanted = event.headers.get("x-then") or "204"
    if event.provider == "listed":
        wanted = str(event.json().get("then", {}).get(str(event.attempt), "204"))
    if wanted == "raise":
        raise RuntimeError("the handler's own mistake")
    if wanted == "json":
        event.json()
        return 204
    return int(wanted)


def served():
    """The app a server was asked for, by the environment."""
    kind = os.environ["SAME_KIND"]
    settings = json.loads(os.environ["SAME_SETTINGS"])
    if kind.startswith("django"):
        from django.conf import settings as django_settings

        django_settings.configure(SECRET_KEY="x", ALLOWED_HOSTS=["*"], ROOT_URLCONF="same_urls", HOOKGUARD=settings, DATABASES={})
        import sys
        import types

        sys.modules["same_urls"] = urls = types.ModuleType("same_urls")
        urls.urlpatterns = globals()[kind](settings, handle_and_tell)
        if os.environ["SAME_GATEWAY"] == "asgi":
            from django.core.asgi import get_asgi_application

            return get_asgi_application()
        from django.core.wsgi import get_wsgi_application

        return get_wsgi_application()
    return globals()[kind](settings, handle_and_tell)


if "SAME_KIND" in os.environ:
    app = served()
