"""The reading of a delivery's path, address and transport."""

import logging

import pytest

pytest.importorskip("starlette")
pytest.importorskip("httpx")

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette_deliveries import SECRET, Wire, answer, make_hooks, post, stripe

from hookguard import ConfigurationError, presets
from hookguard_starlette import get_current_webhook

FORWARDED = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7", "Forwarded": "for=192.0.2.7;proto=https"}


async def seen_url(request):
    return PlainTextResponse(get_current_webhook().url)


def seeing(**config):
    hooks = make_hooks(**config)
    route = Route("/{rest:path}", seen_url, methods=["POST"], middleware=[hooks.middleware("stripe")])
    return Starlette(routes=[route])


# Whom to believe


def test_https_is_believed_of_the_scope_alone():
    app = seeing(require_https=True)
    assert post(app, stripe("evt_1")).status_code == 403
    assert post(app, stripe("evt_1"), headers=FORWARDED).status_code == 403
    assert post(app, stripe("evt_1"), scheme="https").status_code == 200


def test_an_address_is_believed_of_the_scope_alone():
    app = seeing(allow_from=["192.0.2.0/24"])
    assert post(app, stripe("evt_1")).status_code == 403
    assert post(app, stripe("evt_1"), headers=FORWARDED).status_code == 403
    assert post(app, stripe("evt_1"), client=("192.0.2.8", 1)).status_code == 200


def test_the_proxy_headers_of_uvicorn_are_believed_where_it_trusts_the_proxy():
    proxy_headers = pytest.importorskip("uvicorn.middleware.proxy_headers")
    app = seeing(require_https=True, allow_from=["192.0.2.0/24"])
    trusting = proxy_headers.ProxyHeadersMiddleware(app, trusted_hosts="10.0.0.1")
    assert post(trusting, stripe("evt_1"), headers=FORWARDED, client=("10.0.0.2", 1)).status_code == 403
    assert post(trusting, stripe("evt_1"), headers=FORWARDED, client=("10.0.0.1", 1)).status_code == 200


@pytest.mark.parametrize(("scheme", "client"), [("http", ("192.0.2.8", 1)), ("https", ("127.0.0.1", 1)), ("https", None)])
def test_both_must_be_right(scheme, client):
    app = seeing(require_https=True, allow_from=["192.0.2.0/24"])
    assert post(app, stripe("evt_1"), scheme=scheme, client=client).status_code == 403


# The URL


def test_the_target_is_the_one_that_came_over_the_wire():
    target = "/a%2Fb/%c3%a9;v=1?x=%2f&y=a+b&;"
    assert post(seeing(), stripe("evt_1"), httpx.URL(f"http://shop.example{target}")).text == target


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("scope", "url"),
    [
        ({"raw_path": b"/a%2Fb", "query_string": b"x=%2f"}, "/a%2Fb?x=%2f"),
        ({"raw_path": b"/a%2Fb?x=%2f", "query_string": b"x=%2f"}, "/a%2Fb?x=%2f"),
        ({"raw_path": None, "path": "/hé/a b;c", "query_string": b"x=1"}, "/h%C3%A9/a%20b;c?x=1"),
        ({"raw_path": b""}, "/hook"),
    ],
    ids=["as specified", "query in the raw path", "rebuilt", "empty"],
)
async def test_the_target_of_servers_that_differ(scope, url):
    async def app(scope, receive, send):
        await answer(send, body=get_current_webhook().url.encode())

    assert (await Wire(stripe("evt_1"), **scope).run(make_hooks().wrap(app, "stripe"))).body.decode() == url


@pytest.mark.parametrize("how", ["mount", "root path", "both"])
def test_mounts_and_root_paths_leave_the_target_whole(how):
    app = seeing()
    if how != "root path":
        app = Starlette(routes=[Mount("/shop", app=app)])
    path = {"mount": "/shop/h%2Fook", "root path": "/api/h%2Fook", "both": "/api/shop/h%2Fook"}[how]
    answered = post(app, stripe("evt_1"), httpx.URL(f"http://x{path}?a=b"), root_path="" if how == "mount" else "/api")
    assert answered.text == f"{path}?a=b"


def test_the_public_address_stands_before_the_target():
    app = seeing(public_base_url="https://hooks.example.com/behind/")
    assert post(app, stripe("evt_1"), "/hook?x=1").text == "https://hooks.example.com/behind/hook?x=1"


ACME = presets.generic_hmac(name="acme", header="X-Sig", signed="{method} {url} {body}")
BASE = "https://hooks.example.com"


def fastapi_dependency(hooks):
    fastapi = pytest.importorskip("fastapi")
    app = fastapi.FastAPI()
    app.add_middleware(hooks.Middleware)
    app.post("/shop/erp", dependencies=[fastapi.Depends(hooks.event("acme"))], status_code=204)(lambda: None)
    return app


def mounted_route(hooks):
    async def erp(request):
        return PlainTextResponse("", 204)

    route = Route("/erp", erp, methods=["POST"], middleware=[hooks.middleware("acme")])
    return Starlette(routes=[Mount("/shop", routes=[route])])


@pytest.mark.parametrize("place", [mounted_route, fastapi_dependency], ids=lambda place: place.__name__)
def test_a_provider_that_signs_the_url_is_checked_by_the_target_that_came(place):
    app = place(make_hooks(endpoints={"acme": {"preset": ACME, "secrets": [SECRET]}}, public_base_url=BASE))
    path = "/shop/%65rp?shop=a%2Fb"
    signed = ACME.sign(b'{"number": 1}', SECRET, url=BASE + path)
    for other in ("/shop/erp?shop=a%2Fb", "/shop/%65rp?shop=a/b", "/shop/%65rp?shop=a%2fb", "/shop/%65rp"):
        assert post(app, signed, httpx.URL(scheme="http", host="x", raw_path=other.encode())).status_code == 401
    assert post(app, signed, httpx.URL(scheme="http", host="x", raw_path=path.encode())).status_code == 204


def test_a_signed_callback_url_is_checked():
    async def erp(request):
        return PlainTextResponse("", 204)

    hooks = make_hooks(endpoints={"signed-url": {"secrets": [SECRET]}}, public_base_url=BASE)
    app = Starlette(routes=[Route("/erp", erp, methods=["POST"], middleware=[hooks.middleware("signed-url")])])
    signed = presets.get("signed-url").sign(b'{"number": 1}', SECRET, url=f"{BASE}/erp?shop=1")
    path = signed.url.removeprefix(BASE)
    assert post(app, signed, path[:-2]).status_code == 401
    assert post(app, signed, "/erp").status_code == 401
    assert post(app, signed, path).status_code == 204


def test_a_url_that_does_not_verify_is_logged_for_the_operator(caplog):
    hooks = make_hooks(endpoints={"acme": {"preset": ACME, "secrets": [SECRET]}}, public_base_url=BASE)
    with caplog.at_level(logging.WARNING, "hookguard"):
        assert post(mounted_route(hooks), ACME.sign(b"{}", SECRET, url=f"{BASE}/other"), "/shop/erp?a=b").status_code == 401
    assert "[url 'https://hooks.example.com/shop/erp?a=…']" in caplog.text


# Guarded paths

#: Ways to write the path that some router takes for /hooks/stripe.
SPELLINGS = [
    "/hooks/stripe",
    "/hooks/stripe/",
    "/hooks/stripe//",
    "//hooks//stripe",
    "/hooks/stripe%0A",
    "/hooks/stripe%0a/",
    "/hooks/stripe/%0A",
    "/hooks%2Fstripe",
    "/hooks/%73tripe",
    "/hooks/stripe%2F",
    "/hooks/./stripe",
    "/hooks/stripe;x=1",
    "/hooks/stripe%00",
    "/HOOKS/stripe",
    "/hooks/stripe%20",
]


def starlette_inside(hooks, ran):
    async def handle(request):
        ran.append(request.url.path)
        return PlainTextResponse("ran")

    app = Starlette(routes=[Route("/hooks/stripe", handle, methods=["POST"])])
    app.add_middleware(hooks.Middleware, paths={"/hooks/stripe": "stripe"})
    return app


def starlette_mounted(hooks, ran):
    async def handle(request):
        ran.append(request.url.path)
        return PlainTextResponse("ran")

    return Starlette(
        routes=[
            Mount(
                "/hooks",
                routes=[Route("/stripe", handle, methods=["POST"])],
                middleware=[Middleware(hooks.Middleware, paths={"/stripe": "stripe"})],
            )
        ]
    )


def fastapi_inside(hooks, ran):
    fastapi = pytest.importorskip("fastapi")
    app = fastapi.FastAPI()
    app.post("/hooks/stripe")(lambda: ran.append("ran"))
    app.add_middleware(hooks.Middleware, paths={"/hooks/stripe": "stripe"})
    return app


def litestar_outside(hooks, ran):
    litestar = pytest.importorskip("litestar")

    @litestar.post("/hooks/stripe")
    async def handle() -> None:
        ran.append("ran")

    return hooks.wrap(litestar.Litestar([handle], openapi_config=None), paths={"/hooks/stripe": "stripe"})


def quart_outside(hooks, ran):
    quart = pytest.importorskip("quart")
    app = quart.Quart("shop")

    @app.post("/hooks/stripe")
    async def handle():
        ran.append("ran")
        return ""

    app.asgi_app = hooks.wrap(app.asgi_app, paths={"/hooks/stripe": "stripe"})
    return app


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(
    "place",
    [starlette_inside, starlette_mounted, fastapi_inside, litestar_outside, quart_outside],
    ids=lambda place: place.__name__,
)
def test_no_spelling_of_a_guarded_path_leads_past_the_guard(place, spelling):
    ran = []
    app = place(make_hooks(), ran)
    url = httpx.URL(scheme="http", host="x", raw_path=spelling.encode())
    post(app, stripe("evt_1")._replace(headers={}), url)
    assert ran == []
    if spelling == SPELLINGS[0]:
        assert post(app, stripe("evt_1"), url).is_success
        assert len(ran) == 1


@pytest.mark.parametrize("path", ["hooks/stripe", "", "/hooks/{name}", "/hooks/<name>", "/hooks/stripe?x=1", "/hooks%2Fstripe"])
def test_a_path_that_would_guard_nothing_is_rejected(path):
    with pytest.raises(ConfigurationError, match="guards nothing"):
        make_hooks().wrap(None, paths={path: "stripe"})


def test_paths_are_matched_below_the_root_path():
    ran = []
    app = starlette_inside(make_hooks(), ran)
    assert post(app, stripe("evt_1")._replace(headers={}), "/api/hooks/stripe", root_path="/api").status_code == 401
    assert post(app, stripe("evt_1"), "/api/hooks/stripe", root_path="/api").text == "ran"
    assert post(app, stripe("evt_2")._replace(headers={}), "/hooks/stripe", root_path="/api").status_code == 401
    assert post(app, stripe("evt_2"), "/apihooks/stripe", root_path="/api").status_code == 404
