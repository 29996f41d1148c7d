"""Applications in each framework, and what the doctor finds in them."""

import dataclasses
import secrets

from hookguard import ConfigurationError
from hookguard.doctor import Application
from hookguard.doctor.examine import OFFLINE, examine


def secret():
    """A secret that nobody else has."""
    return secrets.token_urlsafe(24)


def endpoint(**settings):
    return {"secrets": [secret()], **settings}


def examined(application, stages=OFFLINE):
    """The findings in an application that nobody needs any more."""
    return examine(dataclasses.replace(application, ends=True), stages)


def flask_app(folder, endpoints=None, *, routes=("github", "stripe"), make=None, store=None, stages=OFFLINE, **config):
    """A Flask app with an instance folder of its own, and a route for each of the endpoints that ``routes`` names."""
    from flask import Flask

    from hookguard_flask import HookGuard

    app = Flask("shop", instance_path=str(folder / "instance"))
    app.config["HOOKGUARD_ENDPOINTS"] = {"github": endpoint(), "stripe": endpoint()} if endpoints is None else endpoints
    app.config["HOOKGUARD_STORE"] = f"sqlite:///{folder}/claims.sqlite3" if store is None else store
    app.config.update(config)
    try:
        hooks = HookGuard(app)
        for name in routes:
            if name in app.config["HOOKGUARD_ENDPOINTS"]:
                app.add_url_rule(f"/hooks/{name}", name, hooks.guard(name)(lambda: ""), methods=["POST"])
        if make is not None:
            make(app, hooks)
    except ConfigurationError as error:  # which keeps the module from being imported
        return examined(Application(framework="Flask", mistake=error))
    return examined(hooks.describe(app), stages)


def fastapi_app(folder, endpoints=None, *, make=None, store=None, paths=None, middleware=True, **shared):
    """A FastAPI app with a route for each endpoint: the first by a dependency, the others by a route class."""
    from fastapi import APIRouter, Depends, FastAPI

    from hookguard_starlette import HookGuard

    endpoints = {"github": endpoint(), "stripe": endpoint()} if endpoints is None else endpoints
    try:
        hooks = HookGuard(endpoints, store=f"sqlite:///{folder}/claims.sqlite3" if store is None else store, **shared)
    except ConfigurationError as error:
        return examined(Application(framework="FastAPI", mistake=error))
    app = FastAPI()
    for number, name in enumerate(endpoints):
        if number == 0:
            app.add_api_route(f"/hooks/{name}", lambda: None, methods=["POST"], dependencies=[Depends(hooks.event(name))])
        else:
            router = APIRouter(route_class=hooks.route_class(name), prefix="/hooks")
            router.add_api_route(f"/{name}", lambda: None, methods=["POST"])
            app.include_router(router)
    if middleware:
        app.add_middleware(hooks.Middleware, **({"paths": paths} if paths else {}))
    if make is not None:
        make(app, hooks)
    return examined(hooks.describe(app))


def django_project(endpoints=None, *patterns, hooks=None, **overrides):
    """A Django project with these settings; without patterns, with a view for each endpoint."""
    from django_site import site

    from hookguard_django.doctor import describe

    endpoints = {"github": endpoint(), "stripe": endpoint()} if endpoints is None else endpoints
    given = {"endpoints": endpoints, **(hooks or {})}
    with site(
        *(patterns or django_views(endpoints)), **{"DATA_UPLOAD_MAX_MEMORY_SIZE": 25 << 20, "HOOKGUARD": given, **overrides}
    ):
        return examine(describe())


def django_views(endpoints):
    from django.http import HttpResponse
    from django.urls import path

    from hookguard_django import webhook

    return [path(f"hooks/{name}", webhook(name)(lambda request: HttpResponse())) for name in endpoints]
