"""Settings, methods and challenges."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

pytest.importorskip("starlette")
pytest.importorskip("httpx")

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette_deliveries import SECRET, ask, github, make_hooks, post, stripe

from hookguard import AsyncGuard, ConfigurationError, Endpoint, MemoryStore, Reply, SQLiteStore, Verifier, presets
from hookguard.challenge import Challenge
from hookguard.errors import StoreMisconfigured
from hookguard_starlette import HookGuard, get_current_webhook


def litestar_with(*arguments, **named):
    litestar = pytest.importorskip("litestar")
    from litestar.middleware import DefineMiddleware

    @litestar.post("/hook")
    async def hook() -> None: ...

    return litestar.Litestar([hook], middleware=[DefineMiddleware(*arguments, **named)])


def lifespan(app):
    """The log of an application when a server starts, and the exception it ends with."""
    sent = []

    async def receive():
        return {"type": "lifespan.startup"}

    async def send(message):
        sent.append(message)

    error = None
    try:
        asyncio.run(app({"type": "lifespan", "state": {}}, receive, send))
    except ConfigurationError as raised:
        error = raised
    return sent, error


def one_route(hooks, endpoint="stripe", handler=None, **options):
    async def handle(request):
        return PlainTextResponse(get_current_webhook().id)

    options = {"methods": hooks.methods(endpoint), "middleware": [hooks.middleware(endpoint)], **options}
    return Starlette(routes=[Route("/hook", handler or handle, **options)])


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"endpoints": {"stripe": {"secrets": [None]}}}, "environment variable unset"),
        ({"endpoints": {"stripe": {}}}, "secrets are missing"),
        ({"endpoints": {"strype": {"secrets": [SECRET]}}}, "strype"),
        ({"endpoints": {"stripe": {"secrets": [SECRET], "max_boddy": 1}}}, "did you mean 'max_body'"),
        ({"max_boddy": 1}, "did you mean 'max_body'"),
        ({"store": "mongodb://"}, "use memory://, sqlite:///"),
        ({"store": "mongodb://", "endpoints": {}}, "use memory://, sqlite:///"),
        ({"store": "postgres://localhost/shop"}, "postgresql://"),
        ({"store": "postgresql+nowhere://localhost/shop"}, "SQLAlchemy has no driver 'postgresql.nowhere'"),
        ({"store": "hookguard.sqlite3"}, "cannot import 'hookguard.sqlite3'"),
        ({"store": "sqlite:////nowhere/at/all.sqlite3"}, "/nowhere/at/all"),
    ],
    ids=[
        *("no secret", "no secrets", "preset", "endpoint setting", "shared setting", "store", "store alone", "almost a scheme"),
        *("no driver", "no scheme", "no folder"),
    ],
)
def test_a_wrong_setting_is_found_when_the_extension_is_made(config, sentence):
    pytest.importorskip("sqlalchemy")
    with pytest.raises(ConfigurationError, match=sentence):
        make_hooks(**config)


@pytest.mark.parametrize(
    "use",
    [
        lambda hooks: hooks.middleware("strip"),
        lambda hooks: hooks.wrap(None, "strip"),
        lambda hooks: hooks.wrap(None, paths={"/hook": "strip"}),
        lambda hooks: hooks.Middleware(None, paths={"/hook": "strip"}),
        lambda hooks: Route("/hook", print, middleware=[Middleware(hooks.Middleware, "strip")]),
        lambda hooks: litestar_with(hooks.Middleware, paths={"/hook": "strip"}),
        lambda hooks: hooks.methods("strip"),
        lambda hooks: hooks.event("strip"),
        lambda hooks: hooks.route_class("strip"),
    ],
    ids=["middleware", "wrap", "paths", "Middleware", "Route", "Litestar", "methods", "event", "route_class"],
)
def test_an_unknown_endpoint_is_rejected_where_it_is_named(use):
    with pytest.raises(ConfigurationError, match="did you mean 'stripe'"):
        use(make_hooks())


def starlette_with(*arguments, **named):
    app = Starlette()
    app.add_middleware(*arguments, **named)
    return app


def fastapi_with(*arguments, **named):
    app = pytest.importorskip("fastapi").FastAPI()
    app.add_middleware(*arguments, **named)
    app.add_middleware(GZipMiddleware)
    return app


WRONG_PATHS = [
    ({"/hook": "strip"}, "did you mean 'stripe'"),
    ({"/{hook}": "stripe"}, "guards nothing"),
    (["/hook"], "map each path"),
]


@pytest.mark.parametrize("make", [starlette_with, fastapi_with])
@pytest.mark.parametrize(("paths", "sentence"), WRONG_PATHS, ids=["name", "path", "list"])
def test_a_mistake_in_paths_keeps_the_server_from_starting(make, paths, sentence):
    app = make(make_hooks().Middleware, paths=paths)
    (said,), error = lifespan(app)
    assert said["type"] == "lifespan.startup.failed"
    assert sentence in said["message"]
    assert isinstance(error, ConfigurationError)  # test clients show what the lifespan raises, and not what it says


@pytest.mark.parametrize("make", [starlette_with, fastapi_with])
def test_where_there_is_no_lifespan_a_mistake_in_paths_serves_nothing(make):
    app = make(make_hooks().Middleware, paths={"/hook": "strip"})
    assert [post(app, stripe("evt_1"), path).status_code for path in ("/hook", "/docs")] == [500, 500]


def test_a_default_store_that_cannot_be_kept_keeps_the_server_from_starting(tmp_path, monkeypatch):
    (tmp_path / "hookguard.sqlite3").mkdir()
    monkeypatch.chdir(tmp_path)
    app = starlette_with(HookGuard({"stripe": {"secrets": [SECRET]}}).Middleware, paths={"/hook": "stripe"})
    (said,), _ = lifespan(app)
    assert said["type"] == "lifespan.startup.failed"
    assert "hookguard.sqlite3" in said["message"]


def test_without_a_store_claims_are_kept_in_a_file_that_is_made_when_needed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hooks = HookGuard({"stripe": {"secrets": [SECRET]}})
    assert list(tmp_path.iterdir()) == []
    app = one_route(hooks)
    assert isinstance(hooks.guard_for("stripe").store, SQLiteStore)
    assert post(app, stripe("evt_1")).text == "evt_1"
    assert (tmp_path / "hookguard.sqlite3").exists()
    restarted = one_route(HookGuard({"stripe": {"secrets": [SECRET]}}))
    assert post(restarted, stripe("evt_1")).headers["Hookguard-Duplicate"] == "1"


def test_an_endpoint_or_a_guard_may_be_given_in_place_of_a_name():
    hooks = make_hooks()
    endpoint = Endpoint(Verifier("stripe", [SECRET]), name="by-hand")
    assert hooks.guard_for(endpoint) is hooks.guard_for(endpoint)
    guard = AsyncGuard(endpoint, hooks.guard_for("stripe").store)
    assert hooks.guard_for(guard) is guard
    assert post(one_route(hooks, endpoint), stripe("evt_1")).text == "evt_1"
    assert post(one_route(hooks, guard), stripe("evt_1")).headers["Hookguard-Duplicate"] == "1"


def test_one_endpoint_on_several_routes_has_one_guard_and_one_limit():
    hooks = make_hooks()
    assert hooks.guard_for("stripe") is hooks.guard_for("stripe")
    assert hooks.guard_for("stripe") is hooks.guard_for(hooks.guard_for("stripe").endpoint)


# Methods


def test_a_route_with_methods_answers_others_on_its_own_and_a_guard_answers_405():
    hooks = make_hooks()
    assert hooks.methods("stripe") == ["POST"]
    assert ask(one_route(hooks), "GET").status_code == 405
    app = one_route(hooks, methods=["GET", "POST", "PUT"])
    for method in ("GET", "HEAD", "PUT"):
        rejected = ask(app, method)
        assert (rejected.status_code, rejected.headers["Allow"]) == (405, "POST")


class Handshake(Challenge):
    """A challenge of one's own, like that of providers that ask for an echo with GET, and look for the URL with HEAD."""

    methods = frozenset({"GET", "HEAD"})
    comes_unsigned = True

    def unsigned(self, delivery, keys):
        if delivery.method == "HEAD":
            return Reply(200)
        token = parse_qs(urlsplit(delivery.url).query).get("challenge", [""])[0]
        return Reply.text(200, token) if delivery.method == "GET" and token.isalnum() else None


ASKING = replace(presets.STRIPE, name="asking", challenge=Handshake())


def by_dependency(hooks):
    fastapi = pytest.importorskip("fastapi")
    app = fastapi.FastAPI()
    app.add_middleware(hooks.Middleware)
    methods = hooks.methods("asking")
    app.api_route("/hook", methods=methods, dependencies=[fastapi.Depends(hooks.event("asking"))])(lambda: "ran")
    return app


def by_route_class(hooks):
    fastapi = pytest.importorskip("fastapi")
    app = fastapi.FastAPI()
    router = fastapi.APIRouter(route_class=hooks.route_class("asking"))
    router.api_route("/hook", methods=hooks.methods("asking"))(lambda: "ran")
    app.include_router(router)
    return app


@pytest.mark.filterwarnings("ignore:Duplicate Operation ID")
@pytest.mark.parametrize(
    "place", [lambda hooks: one_route(hooks, "asking"), by_dependency, by_route_class], ids=["route", "dependency", "route_class"]
)
def test_challenges_by_get_and_head_reach_the_guard(place):
    hooks = make_hooks(endpoints={"asking": {"preset": ASKING, "secrets": [SECRET]}})
    assert hooks.methods("asking") == ["GET", "HEAD", "POST"]
    app = place(hooks)
    answer = ask(app, "GET", "/hook?challenge=abc")
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (200, "abc", "text/plain; charset=utf-8")
    assert ask(app, "HEAD").status_code == 200
    assert ask(app, "GET").status_code == 401
    assert post(app, stripe("evt_1")).status_code == 200


def test_slacks_challenge_is_answered_and_runs_nothing():
    hooks = make_hooks(endpoints={"slack": {"secrets": [SECRET]}})
    app = one_route(hooks, "slack", handler=lambda request: pytest.fail("ran"))
    body = b'{"type": "url_verification", "challenge": "3eZbrw1aB10"}'
    answer = post(app, presets.SLACK.sign(body, SECRET))
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (200, "3eZbrw1aB10", "text/plain; charset=utf-8")
    assert post(app, presets.SLACK.sign(body, "another-secret-of-twenty")).status_code == 401


# Starlette's own ways of answering


@pytest.mark.parametrize("kind", ["sync", "async", "class"])
def test_handlers_of_every_kind_see_the_event_and_may_read_the_body_in_their_usual_ways(kind):
    seen = []

    def note(request):
        assert request.state.webhook is get_current_webhook()
        return Response(status_code=204)

    async def reading(request):
        seen.append((await request.body(), await request.json(), b"".join([piece async for piece in request.stream()])))
        return note(request)

    class Hook(HTTPEndpoint):
        async def post(self, request):
            return await reading(request)

    handler = {"sync": note, "async": reading, "class": Hook}[kind]
    app = one_route(make_hooks(), handler=handler, **({"methods": None} if kind == "class" else {}))
    delivery = stripe("evt_1")
    assert post(app, delivery).status_code == 204
    if kind != "sync":
        assert seen == [(delivery.body, {"id": "evt_1", "type": "invoice.paid"}, delivery.body)]


def test_forms_and_files_are_read_as_always():
    pytest.importorskip("python_multipart")
    seen = []

    async def handle(request):
        form = await request.form()
        seen.append({name: value if isinstance(value, str) else await value.read() for name, value in form.items()})
        await form.close()
        return Response(status_code=204)

    app = one_route(make_hooks(), "github", handle)
    part = b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\nhello\r\n--b--\r\n'
    assert post(app, github(b"payload=%7B%7D", "d-1", **{"Content-Type": "application/x-www-form-urlencoded"})).status_code == 204
    assert post(app, github(part, "d-2", **{"Content-Type": "multipart/form-data; boundary=b"})).status_code == 204
    assert seen == [{"payload": "{}"}, {"f": b"hello"}]


def test_a_background_task_runs_after_the_event_was_completed_and_sees_it():
    seen = []

    class Store(type(make_hooks().guard_for("stripe").store)):
        def complete(self, *args, **kwargs):
            seen.append("complete")
            return super().complete(*args, **kwargs)

    async def later():
        seen.append(get_current_webhook().id)

    def later_in_a_thread():
        seen.append(get_current_webhook().type)

    tasks = iter([BackgroundTask(later), BackgroundTask(later_in_a_thread)])

    async def handle(request):
        return Response(status_code=202, background=next(tasks))

    app = one_route(make_hooks(store=Store()), handler=handle)
    assert [post(app, stripe(f"evt_{number}")).status_code for number in (1, 2)] == [202, 202]
    assert seen == ["complete", "evt_1", "complete", "invoice.paid"]


def test_a_streamed_answer_arrives_whole():
    async def handle(request):
        async def pieces():
            for number in range(3):
                yield f"{get_current_webhook().id} {number}\n"

        return StreamingResponse(pieces())

    app = one_route(make_hooks(), handler=handle)
    assert post(app, stripe("evt_1")).text == "evt_1 0\nevt_1 1\nevt_1 2\n"
    assert post(app, stripe("evt_1")).headers["Hookguard-Duplicate"] == "1"


def test_the_apps_own_handlers_see_exceptions_and_cannot_make_a_failure_a_success_for_the_claim():
    ran = []

    async def handle(request):
        ran.append(get_current_webhook().attempt)
        raise ValueError("the handler's own")

    async def excuse(request, error):
        return PlainTextResponse("sorry", 500)

    hooks = make_hooks()
    app = Starlette(
        routes=[Route("/hook", handle, methods=["POST"], middleware=[hooks.middleware("stripe")])],
        exception_handlers={ValueError: excuse},
    )
    assert [post(app, stripe("evt_1")).text for _ in range(2)] == ["sorry", "sorry"]
    assert ran == [1, 2]


class Evicting(MemoryStore):
    """As a Redis that evicts."""

    def check(self):
        raise StoreMisconfigured("maxmemory-policy is allkeys-lru")


class EvictingLater(Evicting):
    async def check(self):
        super().check()

    async def claim(self, key, **asked):
        return super().claim(key, **asked)


def test_a_store_that_would_forget_is_found_when_the_extension_is_made():
    with pytest.raises(StoreMisconfigured, match="allkeys-lru"):
        make_hooks(store=Evicting())


@pytest.mark.parametrize(
    "guarded",
    [
        lambda hooks, app: hooks.wrap(app, paths={"/hooks/stripe": "stripe"}),
        lambda hooks, app: hooks.wrap(app, "stripe"),
        lambda hooks, app: hooks.Middleware(app),
    ],
    ids=["paths", "whole", "for dependencies"],
)
@pytest.mark.parametrize("kind", ["knows it", "raises", "returns"])
def test_an_asynchronous_one_keeps_the_server_from_starting(guarded, kind):
    steps = []

    @asynccontextmanager
    async def own(app):
        steps.append("started")
        yield
        steps.append("ended")

    async def knows_none(scope, receive, send):
        if kind == "raises":
            raise AssertionError("no lifespan")

    application = Starlette(lifespan=own) if kind == "knows it" else knows_none
    hooks = make_hooks(store=EvictingLater())
    sent, error = lifespan(guarded(hooks, application))
    assert isinstance(error, StoreMisconfigured)
    assert sent == [{"type": "lifespan.startup.failed", "message": "hookguard: maxmemory-policy is allkeys-lru"}]
    assert steps == (["started", "ended"] if kind == "knows it" else [])


def test_the_store_is_checked_after_the_application_has_started():
    steps = []

    class Seen(EvictingLater):
        async def check(self):
            steps.append("checked")
            return "well"

    @asynccontextmanager
    async def own(app):
        steps.append("started")
        yield

    app = Starlette(lifespan=own)
    app.add_middleware(make_hooks(store=Seen()).Middleware, paths={"/hook": "stripe"})
    sent, error = lifespan(app)
    assert (steps, error) == (["started", "checked"], None)
    assert sent[0] == {"type": "lifespan.startup.complete"}
