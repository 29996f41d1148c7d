"""A guarded FastAPI router serves nothing without its guard."""

import pytest
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette_deliveries import github, make_hooks, post

from hookguard import ConfigurationError

fastapi = pytest.importorskip("fastapi")


def plain(request):
    return PlainTextResponse("unguarded")


async def talk(websocket: fastapi.WebSocket):
    await websocket.accept()


def by_class(hooks, **options):
    return fastapi.APIRouter(route_class=hooks.route_class("github"), **options)


def by_dependency(hooks, **options):
    return fastapi.APIRouter(dependencies=[fastapi.Depends(hooks.event("github"))], **options)


ADDED = {
    "a route": lambda router: router.add_route("/x", plain, methods=["POST"]),
    "a route by GET": lambda router: router.add_route("/x", plain),
    "a bare websocket": lambda router: router.add_websocket_route("/x", talk),
    "a mount": lambda router: router.mount("/x", plain),
    "a host": lambda router: router.host("x.example", plain),
}


@pytest.mark.parametrize("guarded", [by_class, by_dependency], ids=lambda guarded: guarded.__name__)
@pytest.mark.parametrize("add", ADDED.values(), ids=ADDED)
def test_a_route_outside_the_guard_is_not_added(guarded, add):
    with pytest.raises(ConfigurationError, match="guarded router adds what its guard does not cover"):
        add(guarded(make_hooks()))


def test_a_websocket_is_not_added_to_a_router_guarded_by_class():
    with pytest.raises(ConfigurationError, match="does not cover"):
        by_class(make_hooks()).websocket("/x")(talk)


ROUTES = {
    "a route": Route("/x", plain, methods=["POST"]),
    "a websocket": WebSocketRoute("/x", talk),
    "a mount": Mount("/x", plain),
}


@pytest.mark.parametrize("guarded", [by_class, by_dependency], ids=lambda guarded: guarded.__name__)
@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_a_router_outside_the_guard_is_not_included(guarded, route):
    router = guarded(make_hooks())
    router.routes.append(route)
    with pytest.raises(ConfigurationError, match="the guard of a router does not cover the"):
        fastapi.FastAPI().include_router(router)


@pytest.mark.parametrize("guarded", [by_class, by_dependency], ids=lambda guarded: guarded.__name__)
@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_no_guarded_router_is_made_with_routes_that_its_guard_does_not_cover(guarded, route):
    with pytest.raises(ConfigurationError, match="the guard of a router does not cover the"):
        guarded(make_hooks(), routes=[route])


def test_no_guarded_application_is_made_with_routes_that_its_guard_does_not_cover():
    hooks = make_hooks()
    dependencies = [fastapi.Depends(hooks.event("github"))]
    unguarded = fastapi.APIRouter()
    unguarded.post("/x")(lambda: "unguarded")
    for routes in ([ROUTES["a route"]], unguarded.routes):
        with pytest.raises(ConfigurationError, match="does not cover"):
            fastapi.FastAPI(dependencies=dependencies, routes=routes)
    guarded = Route("/x", plain, methods=["POST"], middleware=[hooks.middleware("github")])
    app = fastapi.FastAPI(dependencies=dependencies, routes=[guarded])
    assert post(app, github(b"{}", "d-1")._replace(headers={}), "/x").status_code == 401


@pytest.mark.parametrize("deep", [False, True])
def test_a_router_that_a_dependency_guards_from_outside_is_checked_too(deep):
    child = fastapi.APIRouter(prefix="/child")
    child.add_route("/x", plain, methods=["POST"])
    parent = fastapi.APIRouter(prefix="/parent")
    if deep:
        parent.include_router(child)
    with pytest.raises(ConfigurationError, match="does not cover the Route"):
        fastapi.FastAPI().include_router(parent if deep else child, dependencies=[fastapi.Depends(make_hooks().event("github"))])


def test_a_router_in_a_guarded_one_must_have_the_class_as_well():
    hooks = make_hooks()
    child = fastapi.APIRouter()
    child.post("/x")(lambda: "unguarded")
    with pytest.raises(ConfigurationError, match="keeps its own route class"):
        by_class(hooks).include_router(child)
    guarded = by_class(hooks)
    guarded.post("/x")(lambda: "guarded")
    parent = by_class(hooks)
    parent.include_router(guarded)
    app = fastapi.FastAPI()
    app.include_router(parent)
    delivery = github(b"{}", "d-1")
    assert post(app, delivery._replace(headers={}), "/x").status_code == 401
    assert post(app, delivery, "/x").json() == "guarded"


def test_a_guarded_starlette_route_is_not_included_because_its_middleware_would_be_dropped():
    hooks = make_hooks()
    routes = [Route("/x", plain, methods=["POST"], middleware=[hooks.middleware("github")])]
    with pytest.raises(ConfigurationError, match="FastAPI drops the middleware of the route '/x'"):
        fastapi.FastAPI().include_router(fastapi.APIRouter(routes=routes))
    app = fastapi.FastAPI(routes=routes)
    assert post(app, github(b"{}", "d-1")._replace(headers={}), "/x").status_code == 401


@pytest.mark.parametrize("first", [True, False])
def test_a_guard_is_found_among_other_middleware(first):
    ours, other = make_hooks().middleware("github"), Middleware(GZipMiddleware)
    middleware = [ours, other] if first else [other, ours]
    for route in (
        Route("/x", plain, methods=["POST"], middleware=middleware),
        WebSocketRoute("/x", talk, middleware=middleware),
    ):
        with pytest.raises(ConfigurationError, match="FastAPI drops the middleware of the route '/x'"):
            fastapi.FastAPI().include_router(fastapi.APIRouter(routes=[route]))


def test_other_routers_serve_what_they_like():
    router = fastapi.APIRouter()
    for path, add in zip("abcd", ADDED.values(), strict=False):
        add(fastapi.APIRouter(prefix=f"/{path}"))
    router.add_route("/x", plain, methods=["POST"])
    app = fastapi.FastAPI(dependencies=[fastapi.Depends(make_hooks().event("github"))])
    assert {"/docs", "/openapi.json"} <= {route.path for route in app.routes}
    other = fastapi.FastAPI()
    other.include_router(router)
    assert post(other, github(b"{}", "d-1")._replace(headers={}), "/x").text == "unguarded"
