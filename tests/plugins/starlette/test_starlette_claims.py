import asyncio
import logging

import pytest

pytest.importorskip("starlette")
pytest.importorskip("httpx")
fastapi = pytest.importorskip("fastapi")
litestar = pytest.importorskip("litestar")
quart = pytest.importorskip("quart")

from litestar.middleware import DefineMiddleware
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette_deliveries import SECRET, apost, github, make_hooks, post, stripe

from hookguard import Event, MemoryStore, StoreUnavailable, presets
from hookguard_starlette import get_current_webhook


class Shop:
    """An app whose handler does what the event asks for, and remembers what it ran."""

    def __init__(self, place, **config):
        self.hooks = make_hooks(**config)
        self.ran = []
        self.meanwhile = lambda: None
        self.app = place(self, self.hooks)

    async def handle(self, abort=HTTPException):
        self.ran.append((get_current_webhook().id, get_current_webhook().attempt))
        found = self.meanwhile()
        if found is not None:
            await found
        wanted = get_current_webhook().json()
        match wanted.get("then"):
            case "raise":
                raise ValueError("the handler's own")
            case "abort":
                raise abort(422)
        return wanted.get("status", 204)

    def post(self, delivery, provider="stripe"):
        return post(self.app, delivery, f"/hooks/{provider}")

    def apost(self, delivery, provider="stripe"):
        return apost(self.app, delivery, f"/hooks/{provider}")


PROVIDERS = ("stripe", "github")


def endpoint(shop):
    async def handle(request):
        assert request.state.webhook is get_current_webhook()
        return Response(status_code=await shop.handle())

    return handle


def routes(shop, prefix="/hooks/"):
    return [Route(f"{prefix}{provider}", endpoint(shop), methods=["POST"]) for provider in PROVIDERS]


def starlette_route(shop, hooks):
    return Starlette(
        routes=[
            Route(f"/hooks/{provider}", endpoint(shop), methods=["POST"], middleware=[hooks.middleware(provider)])
            for provider in PROVIDERS
        ]
    )


def starlette_mount(shop, hooks):
    inner = [Route("/", endpoint(shop), methods=["POST"]), Route("/{rest:path}", endpoint(shop), methods=["POST"])]
    mounts = [Mount(f"/hooks/{provider}", routes=inner, middleware=[hooks.middleware(provider)]) for provider in PROVIDERS]
    app = Starlette(routes=mounts)

    async def with_slash(scope, receive, send):
        # A mount is reached with a slash at its end.
        if scope["type"] == "http":
            scope = {**scope, "path": scope["path"] + "/", "raw_path": scope["raw_path"] + b"/"}
        await app(scope, receive, send)

    return with_slash


def starlette_paths(shop, hooks):
    app = Starlette(routes=routes(shop))
    app.add_middleware(hooks.Middleware, paths={f"/hooks/{provider}": provider for provider in PROVIDERS})
    return app


def mounted_app_with_paths(shop, hooks):
    inner = Starlette(routes=routes(shop, "/"))
    inner.add_middleware(hooks.Middleware, paths={f"/{provider}": provider for provider in PROVIDERS})
    return Starlette(routes=[Mount("/hooks", app=inner)])


def whole_app(shop, hooks):
    apps = {f"/hooks/{name}": hooks.wrap(Starlette(routes=routes(shop)), name) for name in PROVIDERS}

    async def choose(scope, receive, send):
        await apps[scope["path"]](scope, receive, send)

    return choose


class Looking(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers["X-Looked"] = "1"
        return response


class Reading(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        await request.body()
        return await call_next(request)


def below_base_middleware(shop, hooks):
    app = starlette_paths(shop, hooks)
    app.add_middleware(Looking)
    app.add_middleware(Reading)
    return app


def above_base_middleware(shop, hooks):
    app = Starlette(routes=routes(shop))
    app.add_middleware(Reading)
    app.add_middleware(Looking)
    app.add_middleware(hooks.Middleware, paths={f"/hooks/{provider}": provider for provider in PROVIDERS})
    return app


def fastapi_dependency(shop, hooks):
    app = fastapi.FastAPI()
    app.add_middleware(hooks.Middleware)
    for provider in PROVIDERS:

        @app.post(f"/hooks/{provider}")
        async def handle(event=fastapi.Depends(hooks.event(provider))):
            assert event is get_current_webhook()
            return Response(status_code=await shop.handle(fastapi.HTTPException))

    return app


def fastapi_dependency_above_base_middleware(shop, hooks):
    app = fastapi.FastAPI()
    app.add_middleware(Looking)
    app.add_middleware(hooks.Middleware)
    for provider in PROVIDERS:

        @app.post(f"/hooks/{provider}", dependencies=[fastapi.Depends(hooks.event(provider))])
        async def handle():
            return Response(status_code=await shop.handle(fastapi.HTTPException))

    return app


def fastapi_route_class(shop, hooks):
    from hookguard_starlette.fastapi import CurrentEvent

    app = fastapi.FastAPI()
    for provider in PROVIDERS:
        router = fastapi.APIRouter(route_class=hooks.route_class(provider))

        @router.post(f"/{provider}")
        async def handle(event: CurrentEvent):
            assert event is get_current_webhook()
            return Response(status_code=await shop.handle(fastapi.HTTPException))

        app.include_router(router, prefix="/hooks")
    return app


def litestar_handler(shop, hooks):
    def made(provider):
        @litestar.post(f"/hooks/{provider}", middleware=[DefineMiddleware(hooks.Middleware, endpoint=provider)])
        async def handle() -> litestar.Response[None]:
            return litestar.Response(
                None, status_code=await shop.handle(lambda code: litestar.exceptions.HTTPException(status_code=code))
            )

        return handle

    return litestar.Litestar([made(provider) for provider in PROVIDERS], openapi_config=None)


def quart_app(shop, hooks):
    app = quart.Quart("shop")
    for provider in PROVIDERS:

        @app.post(f"/hooks/{provider}", endpoint=provider)
        async def handle():
            return "", await shop.handle(quart.abort)

    app.asgi_app = hooks.wrap(app.asgi_app, paths={f"/hooks/{provider}": provider for provider in PROVIDERS})
    return app


PLACES = [
    starlette_route,
    starlette_mount,
    starlette_paths,
    mounted_app_with_paths,
    whole_app,
    below_base_middleware,
    above_base_middleware,
    fastapi_dependency,
    fastapi_dependency_above_base_middleware,
    fastapi_route_class,
    litestar_handler,
    quart_app,
]

#: Frameworks that make an answer of every exception before the guard can see it.
ANSWERING = {whole_app, litestar_handler, quart_app}


@pytest.fixture(params=PLACES, ids=lambda place: place.__name__)
def place(request):
    return request.param


@pytest.fixture
def shop(place):
    return Shop(place)


def test_an_event_runs_once_and_its_duplicate_is_acknowledged(shop):
    event = stripe("evt_1")
    assert shop.post(event).status_code == 204
    again = shop.post(event)
    assert (again.status_code, again.content, again.headers["Hookguard-Duplicate"]) == (200, b"", "1")
    assert "Content-Type" not in again.headers
    assert shop.ran == [("evt_1", 1)]


def test_a_forged_delivery_runs_nothing_and_claims_nothing(shop):
    genuine = stripe("evt_1")
    forged = presets.STRIPE.sign(genuine.body, "another-secret-of-twenty")
    rejected = shop.post(forged)
    assert (rejected.status_code, rejected.headers["content-type"]) == (401, "application/problem+json")
    assert rejected.json() == {"type": "about:blank", "title": "webhook rejected", "status": 401}
    assert shop.post(genuine._replace(body=genuine.body.replace(b"evt_1", b"evt_2"))).status_code == 401
    assert shop.post(genuine._replace(headers={})).status_code == 401
    assert shop.ran == []
    assert shop.post(genuine).status_code == 204


@pytest.mark.parametrize(
    ("wish", "status"), [({"status": 503}, 503), ({"status": 303}, 303), ({"then": "raise"}, 500), ({"then": "abort"}, 422)]
)
def test_an_event_that_is_not_acknowledged_is_released(shop, wish, status):
    event = stripe("evt_1", **wish)
    assert shop.post(event).status_code == status
    assert shop.post(event).status_code == status
    assert shop.ran == [("evt_1", 1), ("evt_1", 2)]


def test_a_genuine_body_that_cannot_be_read_is_released(shop, place):
    event = github(b"{broken", "d-1")
    for _ in range(2):
        answer = shop.post(event, "github")
        if place in ANSWERING:
            assert answer.status_code == 500
        else:
            assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert [attempt for _, attempt in shop.ran] == [1, 2]


def test_a_duplicate_of_a_running_event_gets_503_with_retry_after(shop):
    event = stripe("evt_1")
    meanwhile = []

    async def repeat():
        shop.meanwhile = lambda: None
        meanwhile.append(await asyncio.create_task(shop.apost(event)))

    shop.meanwhile = repeat
    assert shop.post(event).status_code == 204
    (second,) = meanwhile
    assert second.status_code == 503
    assert 1 <= int(second.headers["Retry-After"]) <= 60
    assert shop.ran == [("evt_1", 1)]


def test_a_request_over_the_concurrency_limit_gets_503_and_is_not_counted_for_ever(place):
    shop = Shop(place, max_concurrent=1)
    meanwhile = []

    async def send_another():
        meanwhile.append(await asyncio.create_task(shop.apost(stripe("evt_2"))))

    shop.meanwhile = send_another
    assert shop.post(stripe("evt_1")).status_code == 204
    assert (meanwhile[0].status_code, meanwhile[0].headers["Retry-After"]) == (503, "1")
    shop.meanwhile = lambda: None
    for wish in ({"then": "raise"}, {"status": 500}, {}):
        assert shop.post(stripe(f"evt_{wish}", **wish)).status_code in (500, 204)
    assert shop.post(stripe("evt_2")).status_code == 204
    assert [event_id for event_id, _ in shop.ran].count("evt_2") == 1


class Broken(MemoryStore):
    def __init__(self, step, outcome):
        super().__init__()

        def fail(*_, **__):
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        setattr(self, step, fail)


def test_a_store_that_is_down_is_answered_503_and_runs_nothing(place):
    shop = Shop(place, store=Broken("claim", StoreUnavailable("down")))
    answer = shop.post(stripe("evt_1"))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert shop.ran == []


@pytest.mark.parametrize("outcome", [StoreUnavailable("down"), False], ids=["down", "lease lost"])
def test_an_event_that_cannot_be_completed_is_not_acknowledged(place, outcome):
    shop = Shop(place, store=Broken("complete", outcome))
    answer = shop.post(stripe("evt_1"))
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    assert answer.json()["title"] == "try again later"
    assert shop.ran == [("evt_1", 1)]


def test_completed_before_the_answer_leaves(place):
    seen = []

    class Store(MemoryStore):
        def complete(self, *args, **kwargs):
            seen.append("complete")
            return super().complete(*args, **kwargs)

    shop = Shop(place, store=Store())
    application = shop.app

    async def listening(scope, receive, send):
        async def sending(message):
            seen.append(message["type"])
            await send(message)

        await application(scope, receive, sending)

    shop.app = listening
    assert shop.post(stripe("evt_1")).status_code == 204
    assert seen[:2] == ["complete", "http.response.start"]


def test_current_webhook_is_the_event_and_is_gone_afterwards(shop):
    kinds = []

    async def scenario():
        # The transport runs the app in this very task, as some servers do: nothing may stay behind in it.
        await shop.apost(stripe("evt_1"))
        with pytest.raises(RuntimeError, match="no webhook is being handled here"):
            get_current_webhook()

    shop.meanwhile = lambda: kinds.append((isinstance(get_current_webhook(), Event), get_current_webhook().provider))
    asyncio.run(scenario())
    assert kinds == [(True, "stripe")]


def test_one_log_line_says_what_became_of_it_and_no_secret(shop, caplog):
    with caplog.at_level(logging.INFO, "hookguard"):
        shop.post(stripe("evt_1", card="4242-4242"))
        shop.post(stripe("evt_1", card="4242-4242"))
        forged = presets.STRIPE.sign(b'{"id": "evt_2"}', "another-secret-of-twenty")
        shop.post(forged)
    records = [record for record in caplog.records if record.name == "hookguard"]
    assert [(record.outcome, record.endpoint, record.status, record.reason_code) for record in records] == [
        ("handled", "stripe", 204, ""),
        ("duplicate", "stripe", 200, ""),
        ("rejected", "stripe", 401, "signature_mismatch"),
    ]
    assert [(record.event_id, record.event_type, record.attempt) for record in records[:2]] == [("evt_1", "invoice.paid", 1)] * 2
    signatures = [value for _, value in forged.headers.items()]
    for record in records:
        text = repr(vars(record))
        for secret in (SECRET, "another-secret-of-twenty", "4242-4242", "v1=", *signatures):
            assert secret not in text
