"""Mistakes in mounting the page, and what each framework adds: its secret key, its CSRF protection, its permissions."""

import asyncio

import pytest
from inboxes import Box
from page_sites import ALL, BASE, KEY, settings, token_of

from hookguard import ConfigurationError
from hookguard.page.site import PageRequest


@pytest.fixture
def box(tmp_path):
    return Box(tmp_path / "hookguard.sqlite3")


def let_in(request):
    return ALL


def test_cookies_and_forms_of_a_request_are_in_no_repr():
    request = PageRequest("POST", BASE, "rerun", {}, {"token": "signed"}, {"cookie": "session"})
    assert repr(request) == f"PageRequest('POST', {BASE!r}, 'rerun')"
    with pytest.raises(TypeError):
        iter(request)


# --- Flask


def flask_app(box, **config):
    flask = pytest.importorskip("flask")
    from hookguard_flask import HookGuard

    app = flask.Flask("shop")
    app.config.update(HOOKGUARD=settings(box), **config)
    return app, HookGuard(app)


@pytest.mark.parametrize(("allow", "says"), [(None, "page: allow is missing"), (True, "page: allow is True: give a function")])
def test_the_page_is_closed_without_a_function_that_lets_somebody_in(box, allow, says):
    for hooks in (flask_app(box)[1], starlette_hooks(box)):
        with pytest.raises(ConfigurationError, match=says):
            hooks.page(allow=allow, secret_key=KEY) if allow is not None else hooks.page(secret_key=KEY)


def test_flask_needs_the_secret_key_of_the_app_or_one_of_its_own(box):
    app, hooks = flask_app(box)
    page = hooks.page(allow=let_in)
    with pytest.raises(ConfigurationError, match="page: the secret key is missing.*Flask's and Django's is SECRET_KEY"):
        app.register_blueprint(page, url_prefix=BASE)
    with pytest.raises(ConfigurationError, match="not a text of at least 16 characters"):
        hooks.page(allow=let_in, secret_key="short")
    app, hooks = flask_app(box)
    app.register_blueprint(hooks.page(allow=let_in, secret_key=KEY), url_prefix=BASE)
    assert app.test_client().get(f"{BASE}/").status_code == 200


def test_a_store_without_an_inbox_is_a_mistake(box):
    flask = pytest.importorskip("flask")
    from hookguard_flask import HookGuard

    app = flask.Flask("shop")
    app.config.update(
        HOOKGUARD={"endpoints": {"stripe": {"secrets": ["a-long-enough-secret"]}}, "store": "memory://"}, SECRET_KEY=KEY
    )
    hooks = HookGuard(app)
    with pytest.raises(ConfigurationError, match="page: MemoryStore.* cannot keep deliveries, so there is no inbox to show"):
        app.register_blueprint(hooks.page(allow=let_in), url_prefix=BASE)


def test_csrf_protection_of_flask_leaves_the_forms_to_the_page(box):
    app, hooks = flask_app(box, SECRET_KEY=KEY)
    flask_wtf = pytest.importorskip("flask_wtf")
    flask_wtf.CSRFProtect(app)
    app.register_blueprint(hooks.page(allow=let_in), url_prefix=BASE)
    client, key = app.test_client(), box.put("evt_1")
    token = token_of(client.get(f"{BASE}/entry/{key}").text, f"/entry/{key}/drop")
    assert client.post(f"{BASE}/entry/{key}/drop", data={"token": "", "reason": "no token"}).status_code == 403
    assert client.post(f"{BASE}/entry/{key}/drop", data={"token": token, "reason": "its token"}).status_code == 200
    assert box.state(key) is None


def test_flask_redirects_nobody_to_the_page(box):
    flask = pytest.importorskip("flask")
    from hookguard_flask import HookGuard

    app = flask.Flask("shop")
    app.config.update(HOOKGUARD=settings(box), SECRET_KEY=KEY)
    app.register_blueprint(HookGuard(app).page(allow=lambda request: None), url_prefix=BASE)
    client = app.test_client()
    for path in (BASE, f"{BASE}/", f"{BASE}//", f"{BASE}//entries", f"/{BASE}/entries", BASE.replace("/", "//")):
        assert client.get(path).status_code == 404, path


def test_flask_serves_the_page_with_and_without_the_slash_and_under_a_root(box):
    app, hooks = flask_app(box, SECRET_KEY=KEY)

    async def allow(request):
        return ALL

    app.register_blueprint(hooks.page(allow=allow), url_prefix="/ops/<team>/web hooks")
    client = app.test_client()
    for path in ("/ops/a/web hooks", "/ops/a/web hooks/"):
        page = client.get(path, environ_overrides={"SCRIPT_NAME": "/shop"})
        assert page.status_code == 200
        assert 'href="/shop/ops/a/web%20hooks/entries"' in page.text


# --- ASGI


def starlette_hooks(box):
    pytest.importorskip("starlette")
    from hookguard_starlette import HookGuard

    given = settings(box)
    return HookGuard(given["endpoints"], store=given["store"])


def test_an_asgi_application_needs_a_secret_key(box):
    with pytest.raises(ConfigurationError, match="page: the secret key is missing"):
        starlette_hooks(box).page(allow=let_in)


def ask_asgi(app, method, path, *, root="/root", **more):
    import httpx

    async def send():
        transport = httpx.ASGITransport(app, root_path=root)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.request(method, path, **more)

    return asyncio.run(send())


def test_a_large_form_and_one_of_another_type_have_no_token(box):
    page = starlette_hooks(box).page(allow=let_in, secret_key=KEY)
    key = box.put("evt_1")
    token = token_of(ask_asgi(page, "GET", f"/root/entry/{key}").text.replace("/root", BASE), f"/entry/{key}/drop")
    fields = {"token": token, "reason": "a good reason"}
    where = f"/root/entry/{key}/drop"
    assert ask_asgi(page, "POST", where, json=fields).status_code == 403
    assert ask_asgi(page, "POST", where, data={**fields, "more": "x" * 70_000}).status_code == 403
    assert ask_asgi(page, "POST", where, data={**fields, **{f"f{number}": "x" for number in range(30)}}).status_code == 403
    assert box.state(key) == "WAITING"
    assert ask_asgi(page, "POST", where, data=fields).status_code == 200


def test_a_websocket_to_the_page_is_closed(box):
    page = starlette_hooks(box).page(allow=let_in, secret_key=KEY)
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(page({"type": "websocket", "path": "/"}, None, send))
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_the_page_reads_an_asynchronous_inbox():
    pytest.importorskip("starlette")
    pytest.importorskip("asyncpg")
    import servers

    servers.needs("PostgreSQL")
    from hookguard_starlette import HookGuard

    url = servers.POSTGRESQL.replace("postgresql://", "postgresql+asyncpg://")

    async def visit():
        hooks = HookGuard({"stripe": {"secrets": ["a-long-enough-secret"], "inbox": True}}, store=url)
        store = hooks.guard_for("stripe").store
        page = hooks.page(allow=let_in, secret_key=KEY)
        import httpx

        async with httpx.AsyncClient(transport=httpx.ASGITransport(page), base_url="http://testserver") as client:
            answers = [await client.get(path) for path in ("/", "/entries", f"/entry/{'0' * 64}")]
        await store.close()
        return [answer.status_code for answer in answers]

    assert asyncio.run(visit()) == [200, 200, 404]


def test_a_large_form_has_no_token_in_flask_either(box):
    app, hooks = flask_app(box, SECRET_KEY=KEY)
    app.register_blueprint(hooks.page(allow=let_in), url_prefix=BASE)
    client, key = app.test_client(), box.put("evt_1")
    token = token_of(client.get(f"{BASE}/entry/{key}").text, f"/entry/{key}/drop")
    answer = client.post(f"{BASE}/entry/{key}/drop", data={"token": token, "reason": "a good reason", "more": "x" * 70_000})
    assert answer.status_code == 403
    assert answer.headers["Cache-Control"] == "no-store"
    assert box.state(key) == "WAITING"


def test_fastapi_and_litestar_mount_the_page(box):
    fastapi = pytest.importorskip("fastapi")
    litestar = pytest.importorskip("litestar")
    page = starlette_hooks(box).page(allow=let_in, secret_key=KEY)
    app = fastapi.FastAPI()
    app.mount(BASE, page)
    other = litestar.Litestar([litestar.asgi(BASE, is_mount=True, copy_scope=True)(page)])
    key = box.put("evt_1")
    for mounted, root in ((app, ""), (app, "/root"), (other, ""), (other, "/root"), (page, ""), (page, "/root")):
        base = root if mounted is page else f"{root}{BASE}"
        for path in (f"{base}/", f"{base}/entries", f"{base}/entry/{key}"):
            text = ask_asgi(mounted, "GET", path, root=root).text
            assert "evt_1" in text or "stripe" in text
            assert f'href="{base}/style.css"' in text
