"""Bodies without a Content-Length: read where the server allows it, and never past the limit."""

import asyncio
import io
import os
import textwrap

import pytest

pytest.importorskip("django")

from django_deliveries import SECRET, github, settings
from django_site import configure, site
from running import free_port, serving

configure()

from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from hookguard import presets
from hookguard_django import delivery as django_delivery
from hookguard_django import webhook
from hookguard_django.asgi import BodyLimit, get_asgi_application


@pytest.fixture
def seen():
    return []


@pytest.fixture
def patterns(seen):
    @webhook("github")
    def view(request):
        seen.append((request.webhook.body, dict(request.POST)))
        return HttpResponse(status=204)

    @webhook("github")
    async def aview(request):
        seen.append((request.webhook.body, dict(request.POST)))
        return HttpResponse(status=204)

    @csrf_exempt
    def bare(request):
        return HttpResponse(request.body[:1])

    return [path("hook", view), path("ahook", aview), path("bare", bare)]


class Chunks(io.RawIOBase):
    """A chunked body as gunicorn passes it: it ends on its own, and counts the bytes read."""

    def __init__(self, body):
        self._body, self.read_bytes = io.BytesIO(body), 0

    def read(self, size=-1):
        assert size >= 0, "somebody reads without a limit"
        piece = self._body.read(size)
        self.read_bytes += len(piece)
        return piece


def chunked(signed, stream, *, terminated=True):
    base = RequestFactory().post("/hook", b"", content_type="application/json").environ
    base.pop("CONTENT_LENGTH", None)
    for name, value in signed.headers.items():
        key = name.upper().replace("-", "_")
        base[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    base |= {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": stream, "wsgi.input_terminated": terminated}
    statuses = []
    for _ in WSGIHandler()(base, lambda status, headers: statuses.append(int(status[:3]))):
        pass
    return statuses[0]


def test_a_chunked_body_is_read_where_the_server_ends_it(patterns, seen):
    with site(*patterns, HOOKGUARD=settings()):
        assert chunked(github(b'{"a": 1}'), Chunks(b'{"a": 1}')) == 204
        assert chunked(github(b"a=1&b=2", "2"), Chunks(b"a=1&b=2")) == 204
    assert [body for body, _ in seen] == [b'{"a": 1}', b"a=1&b=2"]
    assert seen[1][1] == {"a": ["1"], "b": ["2"]}


def test_a_chunked_body_is_read_to_the_limit_and_one_byte_more(patterns, seen):
    stream = Chunks(b"x" * 10_000_000)
    with site(*patterns, HOOKGUARD=settings(MAX_BODY=100_000)):
        assert chunked(github(b"x"), stream) == 413
    assert stream.read_bytes == 100_001
    assert seen == []


def test_djangos_own_limit_holds_for_chunked_bodies_too(patterns, seen):
    stream = Chunks(b"x" * 10_000)
    with site(*patterns, HOOKGUARD=settings(MAX_BODY=100_000), DATA_UPLOAD_MAX_MEMORY_SIZE=1000):
        assert chunked(github(b"x" * 10_000), stream) == 413
    assert stream.read_bytes == 1001


def test_a_chunked_body_that_breaks_off_is_400(patterns, seen):
    class Broken(io.RawIOBase):
        def read(self, size=-1):
            raise ValueError("no chunk")

    with site(*patterns, HOOKGUARD=settings()):
        assert chunked(github(b"{}"), Broken()) == 400
    assert seen == []


def test_a_chunked_body_that_the_server_does_not_end_is_411(patterns, seen):
    with site(*patterns, HOOKGUARD=settings()):
        assert chunked(github(b"{}"), Chunks(b"{}"), terminated=False) == 411
    assert seen == []


APP = f"""
import django
from django.conf import settings
settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF="shop", SECRET_KEY="x" * 50, MIDDLEWARE=[], DATABASES={{}},
    INSTALLED_APPS=["hookguard_django"], HOOKGUARD={{"STORE": "memory://", "ENDPOINTS": {{"contentful": {{"SECRETS": ["{SECRET * 4}"[:64]]}}}}}})
django.setup()
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from hookguard_django import webhook

@webhook("contentful")
def view(request):
    return HttpResponse(status=204)

urlpatterns = [path("hooks/contentful", view)]
app = get_wsgi_application()
"""


def test_contentfuls_chunked_deliveries_are_served_under_gunicorn(tmp_path):
    httpx = pytest.importorskip("httpx")
    pytest.importorskip("gunicorn")
    (tmp_path / "shop.py").write_text(textwrap.dedent(APP))
    port = free_port()
    environment = {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    with serving(
        tmp_path, ["-m", "gunicorn", "-b", f"127.0.0.1:{port}", "--no-control-socket", "shop:app"], port, environment
    ) as (url, _):
        for number in (1, 2):
            body = b'{"sys": {"id": "e%d", "updatedAt": "2026-11-01T00:00:00Z"}}' % number
            signed = presets.CONTENTFUL.sign(
                body, (SECRET * 4)[:64], url="/hooks/contentful",
                headers={"X-Contentful-Topic": "ContentManagement.Entry.publish", "Content-Type": "application/vnd.contentful.management.v1+json"},
            )  # fmt: skip
            content = iter([body[:10], body[10:]]) if number == 1 else body
            sent = httpx.post(f"{url}/hooks/contentful", content=content, headers=dict(signed.headers.items()))
            assert sent.status_code == 204


def drive(app, target, headers, chunks):
    """Call an ASGI application with a body in chunks: what it answered, and how many chunks it took."""
    sent, taken = [], 0

    async def receive():
        nonlocal taken
        if taken < len(chunks):
            taken += 1
            return {"type": "http.request", "body": chunks[taken - 1], "more_body": taken < len(chunks)}
        await asyncio.Event().wait()  # a connection that stays open
        return None

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": target, "raw_path": target.encode(), "query_string": b"", "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1), "server": ("testserver", 80), "scheme": "http",
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], taken


@pytest.mark.parametrize("target", ["/hook", "/ahook"])
def test_under_asgi_a_body_over_the_limit_is_rejected_while_it_comes(patterns, seen, target):
    chunks = [b"x" * 60_000] * 1000
    outcomes = []
    with site(*patterns, HOOKGUARD=settings(MAX_BODY=100_000, OBSERVERS=[outcomes.append])):
        assert drive(get_asgi_application(), target, github(b"x").headers, chunks) == (413, 2)
        assert drive(get_asgi_application(), target, github(b"{}", target).headers, [b"{", b"}"]) == (204, 2)
    assert [(outcome.status, outcome.reason_code) for outcome in outcomes] == [(413, "body_too_large"), (204, "")]
    assert [body for body, _ in seen] == [b"{}"]


def test_under_asgi_other_views_keep_their_own_limits(patterns):
    with site(*patterns, HOOKGUARD=settings(MAX_BODY=1000), DATA_UPLOAD_MAX_MEMORY_SIZE=None):
        assert drive(get_asgi_application(), "/bare", {}, [b"x" * 2000]) == (200, 1)
        assert drive(get_asgi_application(), "/nowhere", {}, [b"x" * 2000])[0] == 404


def test_under_asgi_a_path_that_the_middleware_guards_is_limited(patterns):
    own = {"PATHS": {"/bare": "github"}, "MAX_BODY": 1000}
    middleware = ["hookguard_django.middleware.WebhookMiddleware"]
    with site(*patterns, HOOKGUARD=settings(**own), MIDDLEWARE=middleware):
        assert drive(get_asgi_application(), "/bare", github(b"x").headers, [b"x" * 600] * 50) == (413, 2)


def test_without_the_limit_the_log_says_once_what_to_do(patterns, caplog):
    from django.core.asgi import get_asgi_application as plain

    django_delivery._warn_of_bodies.cache_clear()
    with site(*patterns, HOOKGUARD=settings()):
        for number in ("1", "2"):
            assert drive(plain(), "/hook", github(b"{}", number).headers, [b"{}"])[0] == 204
        said = [record.getMessage() for record in caplog.records if "hookguard_django.asgi" in record.getMessage()]
        assert len(said) == 1
        caplog.clear()
        django_delivery._warn_of_bodies.cache_clear()
        assert drive(get_asgi_application(), "/hook", github(b"{}", "3").headers, [b"{}"])[0] == 204
        assert not [record for record in caplog.records if "hookguard_django.asgi" in record.getMessage()]


def test_a_memory_of_the_endpoint_bounds_what_is_read_without_the_limit(patterns, seen):
    from django.core.asgi import get_asgi_application as plain

    with site(*patterns, HOOKGUARD=settings(MAX_BODY=1000), DATA_UPLOAD_MAX_MEMORY_SIZE=None):
        assert drive(plain(), "/hook", github(b"x").headers, [b"x" * 600] * 50) == (413, 50)
    assert seen == []


def test_other_protocols_than_http_pass(patterns):
    async def app(scope, receive, send):
        await send({"type": "lifespan.startup.complete"})

    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(BodyLimit(app)({"type": "lifespan"}, None, send))
    assert sent == [{"type": "lifespan.startup.complete"}]
