"""FastAPI's own ways: the dependency, the route class, typed bodies, OpenAPI."""

import asyncio
import inspect
import logging
import threading
from typing import Annotated

import pytest

fastapi = pytest.importorskip("fastapi")
pytest.importorskip("httpx")
pydantic = pytest.importorskip("pydantic")

from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, File, Form, Request, Security
from fastapi.responses import JSONResponse
from fastapi.security.base import SecurityBase
from starlette.middleware.base import BaseHTTPMiddleware
from starlette_deliveries import SECRET, Wire, ask, endless, github, make_hooks, post, stripe

from hookguard import ConfigurationError, Event, Headers, presets
from hookguard_starlette import get_current_webhook
from hookguard_starlette.fastapi import CurrentEvent

LIMIT = 200
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}


def with_dependency(hooks, handler, *, name="stripe"):
    app = FastAPI()
    app.add_middleware(hooks.Middleware)
    app.post("/hook", dependencies=[Depends(hooks.event(name))])(handler)
    return app


def with_route_class(hooks, handler, *, name="stripe"):
    app = FastAPI()
    router = APIRouter(route_class=hooks.route_class(name))
    router.post("/hook")(handler)
    app.include_router(router)
    return app


class Invoice(pydantic.BaseModel):
    id: str
    amount: int


# The dependency


def test_without_a_name_it_says_what_to_write():
    with pytest.raises(ConfigurationError, match=r'write Depends\(hooks.event\("stripe"\)\)'):
        FastAPI().post("/hook", dependencies=[Depends(make_hooks().event)])(lambda: None)


@pytest.mark.parametrize("twice", [False, True], ids=["one middleware", "two"])
def test_one_middleware_serves_paths_and_dependencies(twice):
    hooks = make_hooks()
    app = FastAPI()
    app.add_middleware(hooks.Middleware, paths={"/by-path": "github"})
    if twice:
        app.add_middleware(hooks.Middleware)

    @app.post("/by-path")
    async def by_path(event: CurrentEvent):
        return {"id": event.id}

    @app.post("/hook")
    async def hook(event: Annotated[Event, Depends(hooks.event("stripe"))]):
        return {"id": event.id}

    assert post(app, stripe("evt_1")).json() == {"id": "evt_1"}
    assert post(app, stripe("evt_1")).status_code == 200
    assert post(app, stripe("evt_2")._replace(headers={})).status_code == 401
    assert post(app, github(b"{}", "d-1"), "/by-path").json() == {"id": "d-1"}
    assert post(app, github(b"{}", "d-2")._replace(headers={}), "/by-path").status_code == 401


def test_the_dependency_is_the_event():
    hooks = make_hooks()
    app = FastAPI()
    app.add_middleware(hooks.Middleware)
    seen = []

    @app.post("/hook", status_code=204)
    async def hook(event: Annotated[Event, Depends(hooks.event("stripe"))], request: Request):
        seen.append((event.type, event is get_current_webhook() is request.state.webhook, await request.body() == event.body))

    assert post(app, stripe("evt_1")).status_code == 204
    assert seen == [("invoice.paid", True, True)]


def test_without_the_middleware_nothing_runs_and_the_error_says_what_to_do():
    hooks = make_hooks()
    app = FastAPI()
    app.post("/hook", dependencies=[Depends(hooks.event("stripe"))])(lambda: pytest.fail("ran"))
    errors = []

    async def listening(scope, receive, send):
        try:
            await app(scope, receive, send)
        except RuntimeError as error:
            errors.append(str(error))
            raise

    assert post(listening, stripe("evt_1")).status_code == 500
    assert "app.add_middleware(hooks.Middleware)" in errors[0]
    assert "route_class" in errors[0]


def test_a_dependency_used_twice_verifies_and_claims_once():
    hooks = make_hooks()
    app = FastAPI()
    app.add_middleware(hooks.Middleware)
    router = APIRouter(dependencies=[Depends(hooks.event("stripe"))])

    @router.post("/hook")
    async def hook(event: Annotated[Event, Depends(hooks.event("stripe"))], same: CurrentEvent):
        return {"attempt": event.attempt, "same": event is same}

    app.include_router(router)
    assert post(app, stripe("evt_1")).json() == {"attempt": 1, "same": True}


@pytest.mark.parametrize("first", ["dependency", "route class"])
def test_a_delivery_that_was_verified_for_one_endpoint_does_not_pass_for_another(first, caplog):
    endpoints = {name: {"preset": "stripe", "secrets": [f"{SECRET}-{name}"]} for name in ("one", "two")}
    hooks = make_hooks(endpoints=endpoints)
    app = FastAPI()
    app.add_middleware(hooks.Middleware)
    router = (
        APIRouter(dependencies=[Depends(hooks.event("one"))])
        if first == "dependency"
        else APIRouter(route_class=hooks.route_class("one"))
    )
    router.post("/hook", dependencies=[Depends(hooks.event("two"))])(lambda: pytest.fail("ran"))
    app.include_router(router)
    delivery = presets.STRIPE.sign(b'{"id": "evt_1"}', f"{SECRET}-one")
    with caplog.at_level(logging.INFO, "hookguard"):
        assert post(app, delivery).status_code == 500
    assert [(record.endpoint, record.outcome) for record in caplog.records if record.name == "hookguard"] == [("one", "failed")]


def test_a_state_that_servers_share_between_requests_lets_nobody_in():
    # By the specification each request has a copy of the lifespan's state; a server that forgets it must not open the door.
    ran = []
    app = with_dependency(make_hooks(), lambda: ran.append("ran"))
    shared = {}

    async def sharing(scope, receive, send):
        await app({**scope, "state": shared}, receive, send)

    assert post(sharing, stripe("evt_1")).status_code == 200
    assert "webhook" in shared
    assert post(sharing, stripe("evt_2")._replace(headers={})).status_code == 401
    assert ran == ["ran"]


@pytest.mark.anyio
async def test_an_event_does_not_stay_behind_for_the_next_request_of_the_same_task():
    hooks = make_hooks()
    app = with_dependency(hooks, lambda: None)

    @app.post("/unguarded")
    async def unguarded(event: CurrentEvent):
        pytest.fail("ran")

    assert (await Wire(stripe("evt_1")).run(app)).status == 200
    with pytest.raises(RuntimeError, match="no webhook is being handled here"):
        await Wire(stripe("evt_2"), path="/unguarded").run(app)


@pytest.mark.anyio
@pytest.mark.parametrize("below", [False, True], ids=["alone", "BaseHTTPMiddleware below"])
async def test_the_dependency_reads_to_the_limit_and_one_chunk_more(below):
    class Looking(BaseHTTPMiddleware):
        async def dispatch(self, request, call_next):
            return await call_next(request)

    hooks = make_hooks(max_body=LIMIT)
    app = FastAPI()
    if below:
        app.add_middleware(Looking)
    app.add_middleware(hooks.Middleware)
    app.post("/hook", dependencies=[Depends(hooks.event("stripe"))])(lambda: pytest.fail("ran"))

    wire = await Wire(stripe("evt_1"), endless()).run(app)
    assert (wire.status, wire.received) == (413, LIMIT // 16 + 1)
    too_large = [(b"content-length", b"%d" % (LIMIT + 1))]
    wire = await Wire(stripe("evt_1"), headers=too_large).run(app)
    assert (wire.status, wire.received) == (413, 0)


@pytest.mark.anyio
async def test_a_sender_that_hangs_up_on_the_dependency_is_written_down_and_not_answered(caplog):
    app = with_dependency(make_hooks(), lambda: pytest.fail("ran"))
    wire = await Wire(stripe("evt_1"), [b'{"id"', None]).run(app)
    assert wire.sent == []
    assert [record.reason_code for record in caplog.records if record.name == "hookguard"] == ["truncated_body"]


@pytest.mark.parametrize("kind", ["form", "file"])
def test_a_declared_form_below_the_dependency_is_an_error_that_says_what_to_do(kind):
    pytest.importorskip("python_multipart")
    hooks = make_hooks()
    errors = []
    if kind == "form":

        async def hook(payload: Annotated[str, Form()]):
            pytest.fail("ran")

        delivery = github(b"payload=%7B%7D", "d-1", **FORM)
    else:

        async def hook(file: Annotated[bytes, File()]):
            pytest.fail("ran")

        part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nhello\r\n--b--\r\n'
        delivery = github(part, "d-1", **{"Content-Type": "multipart/form-data; boundary=b"})
    app = with_dependency(hooks, hook, name="github")

    async def listening(scope, receive, send):
        try:
            await app(scope, receive, send)
        except RuntimeError as error:
            errors.append(str(error))
            raise

    assert post(listening, delivery).status_code == 500
    assert "declared Form or File" in errors[0]
    assert "route_class" in errors[0]


def test_a_typed_body_below_the_dependency_is_still_verified_before_the_handler_runs():
    ran = []

    async def hook(invoice: Invoice):
        ran.append(invoice.id)

    app = with_dependency(make_hooks(), hook)
    genuine = stripe("evt_1", amount=7)
    assert post(app, genuine._replace(headers={}), headers=JSON).status_code == 401
    assert post(app, genuine._replace(body=genuine.body.replace(b"evt_1", b"evt_2")), headers=JSON).status_code == 401
    assert ran == []
    assert post(app, genuine, headers=JSON).status_code == 200
    assert ran == ["evt_1"]


def test_a_large_typed_body_below_the_dependency_is_rejected():
    app = FastAPI()
    hooks = make_hooks(max_body=LIMIT)
    app.add_middleware(hooks.Middleware)

    @app.post("/hook", dependencies=[Depends(hooks.event("stripe"))])
    async def hook(invoice: Invoice):
        pytest.fail("ran")

    assert post(app, stripe("evt_1", amount=7, filler="x" * LIMIT), headers=JSON).status_code == 413


def test_an_override_replaces_the_dependency_as_fastapi_users_expect():
    hooks = make_hooks()
    app = FastAPI()
    app.add_middleware(hooks.Middleware)

    @app.post("/hook")
    async def hook(event: Annotated[Event, Depends(hooks.event("stripe"))]):
        return {"id": event.id}

    guard = hooks.guard_for("stripe")
    event = guard.endpoint.verifier.verify(stripe("evt_9"))
    assert hooks.event("stripe") is hooks.event(guard) is hooks.event(guard.endpoint)
    app.dependency_overrides[hooks.event("stripe")] = lambda: event
    assert post(app, stripe("evt_1")._replace(headers={})).json() == {"id": "evt_9"}


def test_a_handler_in_a_thread_sees_the_event():
    seen = []

    def hook():
        seen.append((get_current_webhook().id, threading.current_thread() is threading.main_thread()))

    for place in (with_dependency, with_route_class):
        assert post(place(make_hooks(), hook), stripe("evt_1")).status_code == 200
    assert seen == [("evt_1", False)] * 2


def test_background_tasks_see_the_event_and_dependencies_with_yield_are_let_finish():
    seen = []

    async def resource():
        seen.append("open")
        yield
        seen.append("close")

    async def hook(tasks: BackgroundTasks, _: Annotated[None, Depends(resource)]):
        tasks.add_task(lambda: seen.append(get_current_webhook().id))

    for place in (with_dependency, with_route_class):
        seen.clear()
        assert post(place(make_hooks(), hook), stripe("evt_1")).status_code == 200
        assert sorted(seen) == ["close", "evt_1", "open"]


def test_a_dependency_that_fails_before_the_answer_releases_the_event():
    attempts = []

    async def commit():
        yield
        attempts.append(get_current_webhook().attempt)
        raise ValueError("the database said no")

    async def hook(_: Annotated[None, Depends(commit, scope="function")]):
        return {}

    for place in (with_dependency, with_route_class):
        attempts.clear()
        app = place(make_hooks(), hook)
        assert [post(app, stripe("evt_1")).status_code for _ in range(2)] == [500, 500]
        assert attempts == [1, 2]


def test_a_mounted_application_rejects_and_answers_duplicates_as_any_other():
    hooks = make_hooks()
    inner, app = FastAPI(), FastAPI()

    @inner.post("/hook")
    async def hook(event: Annotated[Event, Depends(hooks.event("stripe"))]):
        return event.id

    app.mount("/inner", inner)
    app.add_middleware(hooks.Middleware)
    delivery = stripe("evt_1")
    assert post(app, delivery._replace(headers={}), "/inner/hook").status_code == 401
    assert post(app, delivery, "/inner/hook").json() == "evt_1"
    assert post(app, delivery, "/inner/hook").status_code == 200


def test_fastapi_is_not_handed_the_signature_whose_frames_an_error_report_writes_out():
    hooks = make_hooks()
    assert [*inspect.signature(hooks.event("stripe")).parameters] == ["request"]
    (shown,) = hooks.route_class("stripe")("/hook", lambda: None).dependencies
    request = Request({"type": "http", "headers": [(b"stripe-signature", b"t=1,v1=0")]})
    assert request.headers[shown.dependency.model.name]
    assert asyncio.run(shown.dependency(request)) is None


def test_the_dependency_is_itself_the_security_scheme_and_has_no_other():
    hooks = make_hooks()
    app = FastAPI()
    app.add_middleware(hooks.Middleware)

    @app.post("/hook")
    async def hook(event: Annotated[Event, Depends(hooks.event("stripe"))]):
        pass

    route = next(route for route in app.routes if getattr(route, "path", "") == "/hook")
    (of_event,) = route.dependant.dependencies
    assert isinstance(of_event.call, SecurityBase)
    assert of_event.dependencies == []


def test_an_error_handler_of_the_app_for_everything_does_not_touch_rejections():
    async def hook():
        pytest.fail("ran")

    for place in (with_dependency, with_route_class):
        app = place(make_hooks(), hook)
        app.exception_handler(Exception)(lambda request, error: JSONResponse({}, 200))
        assert post(app, stripe("evt_1")._replace(headers={})).status_code == 401


# The route class


def typed(hooks):
    async def hook(invoice: Invoice, event: CurrentEvent):
        return {"amount": invoice.amount, "id": event.id}

    return with_route_class(hooks, hook)


def test_typed_bodies_are_parsed_from_what_was_verified():
    app = typed(make_hooks())
    assert post(app, stripe("evt_1", amount=7), headers=JSON).json() == {"amount": 7, "id": "evt_1"}


def test_nothing_is_parsed_before_it_was_verified():
    app = typed(make_hooks())
    for body in (b"{broken", b'{"id": 1}', b"\xff"):
        forged = presets.STRIPE.sign(body, "another-secret-of-twenty")
        assert post(app, forged, headers=JSON).status_code == 401


def test_a_genuine_body_of_another_shape_is_422_and_released():
    app = typed(make_hooks())
    assert [post(app, stripe("evt_1"), headers=JSON).status_code for _ in range(2)] == [422, 422]


@pytest.mark.anyio
async def test_the_route_class_reads_to_the_limit_and_one_chunk_more():
    wire = await Wire(stripe("evt_1"), endless()).run(typed(make_hooks(max_body=LIMIT)))
    assert (wire.status, wire.received) == (413, LIMIT // 16 + 1)


def test_declared_forms_and_files_work_below_the_route_class():
    pytest.importorskip("python_multipart")

    async def form(payload: Annotated[str, Form()], event: CurrentEvent):
        return payload

    async def file(file: Annotated[bytes, File()]):
        return file.decode()

    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nhello\r\n--b--\r\n'
    app = with_route_class(make_hooks(), form, name="github")
    assert post(app, github(b"payload=%7B%7D", "d-1", **FORM)).json() == "{}"
    app = with_route_class(make_hooks(), file, name="github")
    assert post(app, github(part, "d-1", **{"Content-Type": "multipart/form-data; boundary=b"})).json() == "hello"


@pytest.mark.parametrize("how", ["router", "prefix", "nested", "app", "mounted", "with dependencies"])
def test_the_route_class_guards_however_the_router_is_included(how):
    hooks = make_hooks()
    router = APIRouter(route_class=hooks.route_class("stripe"))
    ran = []
    router.post("/hook")(lambda: ran.append(get_current_webhook().id))
    app = FastAPI()
    path = "/hook"
    if how == "router":
        app.include_router(router)
    elif how == "prefix":
        app.include_router(router, prefix="/api", tags=["hooks"])
        path = "/api/hook"
    elif how == "nested":
        outer = APIRouter(prefix="/outer")
        outer.include_router(router, prefix="/inner")
        app.include_router(outer)
        path = "/outer/inner/hook"
    elif how == "app":
        app.router.route_class = hooks.route_class("stripe")
        app.post("/hook")(lambda: ran.append(get_current_webhook().id))
    elif how == "mounted":
        inner = FastAPI()
        inner.include_router(router)
        app.mount("/inner", inner)
        path = "/inner/hook"
    else:
        app.include_router(router, dependencies=[Depends(lambda: None)], responses={401: {}})
    assert post(app, stripe("evt_1")._replace(headers=Headers()), path).status_code == 401
    assert post(app, presets.STRIPE.sign(b'{"id": "evt_1"}', "another-secret-of-twenty"), path).status_code == 401
    assert ran == []
    assert post(app, stripe("evt_1"), path).status_code == 200
    assert post(app, stripe("evt_1"), path).headers["Hookguard-Duplicate"] == "1"
    assert ran == ["evt_1"]


def test_current_event_without_a_guard_is_an_error():
    app = FastAPI()
    ran = []

    @app.post("/hook")
    async def hook(event: CurrentEvent):
        ran.append(event)

    assert post(app, stripe("evt_1")).status_code == 500
    assert ran == []


def test_current_event_behind_middleware_by_path():
    hooks = make_hooks()
    app = FastAPI()
    app.add_middleware(hooks.Middleware, paths={"/hook": "stripe"})

    @app.post("/hook")
    def hook(event: CurrentEvent):
        return event.id

    assert post(app, stripe("evt_1")).json() == "evt_1"


# OpenAPI


def test_openapi_shows_the_signature_header_and_no_other_parameter():
    hooks = make_hooks()
    app = FastAPI()
    app.add_middleware(hooks.Middleware)

    @app.post("/hook")
    async def hook(event: Annotated[Event, Depends(hooks.event("stripe"))]):
        pass

    @app.post("/other")
    async def other(event: Annotated[Event, Security(hooks.event("github"))]):
        pass

    document = ask(app, "GET", "/openapi.json").json()
    assert document["components"]["securitySchemes"] == {
        "stripe signature": {"type": "apiKey", "in": "header", "name": "stripe-signature"},
        "github signature": {"type": "apiKey", "in": "header", "name": "x-hub-signature-256"},
    }
    assert document["paths"]["/hook"]["post"]["security"] == [{"stripe signature": []}]
    assert document["paths"]["/other"]["post"]["security"] == [{"github signature": []}]
    for path in ("/hook", "/other"):
        assert not {"parameters", "requestBody"} & set(document["paths"][path]["post"])


def test_openapi_shows_a_typed_body_and_not_the_event():
    operation = ask(typed(make_hooks()), "GET", "/openapi.json").json()["paths"]["/hook"]["post"]
    assert operation["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Invoice"}
    assert "parameters" not in operation
