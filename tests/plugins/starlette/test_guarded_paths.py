"""A guard by path never under-guards, whatever the application behind it makes of the path; and no websocket passes a guard."""

import asyncio
import logging

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, Router, WebSocketRoute
from starlette_deliveries import Wire, answer, github, make_hooks, stripe

from hookguard import ConfigurationError
from hookguard_starlette.paths import LONGEST_KNOWN, MOST_KNOWN, GuardedPaths

UNSIGNED = github(b"{}", "d-1")._replace(headers={})


def arrives(path, *, paths=("/hooks/github",), method="POST", **scope):
    """Whether an unsigned request reaches the application behind a guard by path; and the status where it does not."""
    reached = []

    async def app(scope, receive, send):
        reached.append(scope["path"])
        await answer(send)

    guard = make_hooks().wrap(app, paths=dict.fromkeys(paths, "github"))
    wire = Wire(UNSIGNED._replace(method=method), path=path, **{"raw_path": None, **scope})
    asyncio.run(wire.run(guard))
    return bool(reached) or wire.status


@pytest.mark.parametrize(
    "path",
    [
        "/hooks/github",
        "/hooks/github/",
        "//hooks///github//",
        "/hooks/github\n",
        "/hooks/github\x00",
        "/hooks/github/ \t/",
        "/HOOKS/GitHub",
        "/hoo\u212as/g\u0131thub",  # what a pattern that ignores case takes for "k" and "i"
        "/hook\u017f/github",
        "/hooks/\uff47ithub",
        "/hooks%2Fgithub",
        "/hooks%252fgithub",
        "/hooks\\github",
        "/hooks/./github",
        "/hooks/x/../github",
        "/../hooks/github",
        "/hooks/github/.",
        "/hooks/github/x/..",
        "/hooks/github;v=1",
        "/hooks/github?v=1",
        "/hooks/github#v",
        "/hooks/github/;v=1",
        "/api/hooks/github",
        "/apihooks/github",
        "/x/api/hooks/github",
        "/http://x/hooks/github",
        "/hooks/git\thub",
        "/hooks/git\r\nhub",
        "/hooks/git\x00hub",
        "/hooks/github\x00.png",
        "/hooks/git\u200bhub",
        "/hooks/git\xadhub",
        "/hooks;v=1/github",
        "/hooks/x/..;/github",
        "/hooks/;/github",
        "/hooks/%252568ub/../github",
    ],
)
@pytest.mark.parametrize("root_path", ["", "/api", "/hooks", "/x/"])
def test_every_path_that_ends_in_a_guarded_path_is_guarded(path, root_path):
    assert arrives(path, root_path=root_path) == 401


@pytest.mark.parametrize(
    "path", ["/", "/hooks", "/github", "/hooks/github/log", "/hooks/github2", "/hooks/git/hub", "/hooks-github", "/hooks/git hub"]
)
@pytest.mark.parametrize("root_path", ["", "/api"])
def test_another_path_is_not_guarded(path, root_path):
    assert arrives(path, root_path=root_path) is True


@pytest.mark.parametrize(
    "path", ["hooks/github", "http://x/hooks/github", "a:/hooks/github", "*", "", "other", "http://x/other", "\\hooks\\github"]
)
def test_a_target_without_a_leading_slash_is_rejected(path, caplog):
    with caplog.at_level(logging.WARNING, "hookguard"):
        assert arrives(path) == 400
    assert "does not begin with a slash" in caplog.text


def test_a_target_whose_slash_is_escaped_is_rejected():
    assert arrives("/hooks/github", raw_path=b"%2Fhooks/github") == 400


def test_a_path_is_guarded_where_an_application_may_route_by_what_came_or_by_the_whole_path():
    assert arrives("/public", raw_path=b"/hooks/git%68ub?x=1") == 401
    assert arrives("/github", root_path="/hooks") == 401
    assert arrives("/public", raw_path=b"/github", root_path="/hooks") == 401
    assert arrives("/public", raw_path=b"/public", root_path="/hooks") is True


def test_a_guarded_root_guards_every_path():
    assert arrives("/anything", paths=["/"]) == 401


def test_every_method_of_a_guarded_path_is_guarded():
    assert arrives("/hooks/github", method="GET") == 405


def routed(path, paths, **scope):
    """The endpoint whose guard takes a request."""
    seen = []

    async def app(scope, receive, send):
        raise AssertionError("it was not signed")

    hooks = make_hooks(observers=[lambda outcome: seen.append(outcome.endpoint)])
    wire = Wire(UNSIGNED, path=path, **{"raw_path": None, **scope})
    asyncio.run(wire.run(hooks.wrap(app, paths=paths)))
    return seen[0] if seen else wire.status


TWO = {"/hooks/github": "github", "/eu/hooks/github": "stripe"}


@pytest.mark.parametrize(
    ("path", "root_path", "taken_by"),
    [
        ("/hooks/github", "", "github"),
        ("/eu/hooks/github", "", "stripe"),
        ("/eu/hooks/github", "/eu", "github"),
        ("/eu/eu/hooks/github", "/eu", "stripe"),
        ("/us/hooks/github", "", "github"),
        # Litestar would route this one to /hooks/github, others to a path of their own.
        ("/x/eu/hooks/github", "/eu", 400),
    ],
)
def test_of_two_guards_the_one_of_the_routed_path_is_taken_or_none(path, root_path, taken_by):
    assert routed(path, TWO, root_path=root_path) == taken_by


@pytest.mark.parametrize("others", [0, MOST_KNOWN - 1, MOST_KNOWN + 1])
def test_a_remembered_path_has_the_guard_that_was_found(others):
    guard = make_hooks().guard_for("github")
    paths = GuardedPaths({"/hooks/github": guard})
    asked = [
        {"path": "/hooks/github"},
        {"path": "/HOOKS//github"},
        {"path": "/github", "root_path": "/hooks"},
        {"path": "/github", "root_path": ""},
        {"path": "/other", "raw_path": b"/hooks%2Fgithub"},
        {"path": "/other", "raw_path": b"/other"},
    ]
    first = [paths.guard_for(scope) for scope in asked]
    assert first == [guard, guard, guard, None, guard, None]
    for number in range(others):
        assert paths.guard_for({"path": f"/other/{number}"}) is None
    assert [paths.guard_for(scope) for scope in asked] == first
    assert len(paths._known) <= MOST_KNOWN


def test_long_paths_are_not_remembered():
    paths = GuardedPaths({"/hooks/github": make_hooks().guard_for("github")})
    assert paths.guard_for({"path": "/" + "x" * LONGEST_KNOWN}) is None
    assert not paths._known


def test_two_guards_for_spellings_of_one_path_are_a_mistake():
    with pytest.raises(ConfigurationError, match="guarded twice"):
        make_hooks().wrap(None, paths={"/hook": "github", "/Hook/": "stripe"})


# Applications that route another path than the one that came


def sets_root_path(app, root):
    async def inside(scope, receive, send):
        await app({**scope, "root_path": root}, receive, send)

    return inside


def quart_app(ran):
    quart = pytest.importorskip("quart")
    app = quart.Quart("shop")
    app.post("/hooks/github")(lambda: ran.append("ran") or "")
    return app


def litestar_app(ran):
    litestar = pytest.importorskip("litestar")

    @litestar.post("/hooks/github")
    async def handle() -> None:
        ran.append("ran")

    return litestar.Litestar([handle], openapi_config=None)


def starlette_app(ran):
    async def handle(request):
        ran.append("ran")
        return PlainTextResponse("ran")

    return Starlette(routes=[Route("/hooks/github", handle, methods=["POST"])])


@pytest.mark.parametrize("make", [quart_app, litestar_app, starlette_app], ids=lambda make: make.__name__)
@pytest.mark.parametrize("path", ["/api/hooks/github", "/apihooks/github", "/x/apihooks/github", "/x/api/hooks/github"])
def test_a_root_path_that_the_application_sets_inside_leads_to_no_handler(make, path):
    ran = []
    app = make_hooks().wrap(sets_root_path(make(ran), "/api"), paths={"/hooks/github": "github"})
    wire = Wire(UNSIGNED, path=path)
    asyncio.run(wire.run(app))
    assert (ran, wire.status) == ([], 401)


# Websockets


async def inside(websocket):
    await websocket.accept()
    await websocket.send_text("inside")
    await websocket.close()


def whole(hooks):
    return hooks.wrap(Starlette(routes=[WebSocketRoute("/hooks/x", inside)]), "github")


def mounted(hooks):
    routes = [WebSocketRoute("/x", inside)]
    return Starlette(routes=[Mount("/hooks", routes=routes, middleware=[hooks.middleware("github")])])


def on_a_router(hooks):
    return Router([WebSocketRoute("/hooks/x", inside)], middleware=[hooks.middleware("github")])


def by_path(hooks):
    app = Starlette(routes=[WebSocketRoute("/hooks/x", inside)])
    app.add_middleware(hooks.Middleware, paths={"/HOOKS/x/": "github"})
    return app


def by_dependency(hooks):
    fastapi = pytest.importorskip("fastapi")
    app = fastapi.FastAPI()
    app.add_middleware(hooks.Middleware)
    router = fastapi.APIRouter(dependencies=[fastapi.Depends(hooks.event("github"))])

    @router.websocket("/hooks/x")
    async def handle(websocket: fastapi.WebSocket):
        await inside(websocket)

    app.include_router(router)
    return app


def litestar_handler(hooks):
    litestar = pytest.importorskip("litestar")
    from litestar.middleware import DefineMiddleware

    @litestar.websocket("/hooks/x", middleware=[DefineMiddleware(hooks.Middleware, endpoint="github")])
    async def handle(socket: litestar.WebSocket) -> None:
        await socket.accept()
        await socket.send_text("inside")

    return litestar.Litestar([handle], openapi_config=None)


def connect(app, path="/hooks/x"):
    """The messages to the server when a websocket is opened."""
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    scope = {"type": "websocket", "scheme": "ws", "path": path, "query_string": b"", "root_path": "", "headers": []}
    asyncio.run(app({**scope, "subprotocols": [], "client": None, "server": None, "state": {}}, receive, send))
    return [message["type"] for message in sent]


@pytest.mark.parametrize(
    "make", [whole, mounted, on_a_router, by_path, by_dependency, litestar_handler], ids=lambda make: make.__name__
)
def test_a_websocket_behind_a_guard_is_closed_before_it_is_accepted(make):
    assert connect(make(make_hooks())) == ["websocket.close"]


def test_a_websocket_to_a_target_without_a_leading_slash_is_closed():
    assert connect(by_path(make_hooks()), "hooks/x") == ["websocket.close"]


def test_a_websocket_elsewhere_passes_a_guard_by_path():
    app = Starlette(routes=[WebSocketRoute("/chat", inside)])
    app.add_middleware(make_hooks().Middleware, paths={"/hooks/x": "github"})
    assert connect(app, "/chat") == ["websocket.accept", "websocket.send", "websocket.close"]


def test_a_connection_of_an_unknown_type_does_not_pass_a_guard():
    with pytest.raises(RuntimeError, match="cannot guard a connection of type 'webtransport'"):
        connect_unknown(make_hooks().wrap(None, "github"))


def connect_unknown(app):
    asyncio.run(app({"type": "webtransport", "path": "/"}, None, None))


def test_a_genuine_delivery_to_another_spelling_runs():
    ran = []
    app = make_hooks().wrap(litestar_app(ran), paths={"/hooks/github": "stripe"})
    wire = Wire(stripe("evt_1"), path="//hooks/github/")
    asyncio.run(wire.run(app))
    assert (ran, wire.status) == (["ran"], 201)
