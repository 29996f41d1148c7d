import asyncio
import io

import pytest

pytest.importorskip("django")

from django_deliveries import SECRET, apost, github, post, settings
from django_site import configure, site

configure()

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import path

from hookguard import Endpoint, MemoryStore, Verifier, presets
from hookguard_django import webhook
from hookguard_django.delivery import _target


@pytest.fixture(params=["wsgi", "asgi"])
def send(request):
    if request.param == "wsgi":
        return post
    return lambda *args, **kwargs: asyncio.run(apost(*args, **kwargs))


@pytest.fixture
def seen():
    return []


@pytest.fixture
def serve(seen):
    opened = []

    @webhook("github")
    def view(request):
        seen.append(request.webhook.body)
        return HttpResponse()

    def serve(hooks=None, **more):
        overrides = {name: more.pop(name) for name in list(more) if name not in ("MAX_BODY", "REQUIRE_HTTPS", "ALLOW_FROM")}
        manager = site(path("hook", view), HOOKGUARD=hooks or settings(**more), **overrides)
        manager.__enter__()
        opened.append(manager)

    yield serve
    for manager in reversed(opened):
        manager.__exit__(None, None, None)


def test_the_limit_is_exact(serve, send, seen):
    serve(MAX_BODY=100)
    assert send(github(b"x" * 100)).status_code == 200
    assert send(github(b"x" * 101, "2")).status_code == 413
    assert seen == [b"x" * 100]


def test_djangos_smaller_limit_counts_and_gives_the_same_rejection(serve, send, seen):
    serve(DATA_UPLOAD_MAX_MEMORY_SIZE=50)
    answer = send(github(b"x" * 51))
    assert (answer.status_code, answer["Content-Type"]) == (413, "application/problem+json")
    assert seen == []


def raw(body, environ):
    """Call the WSGI handler as a server does."""
    signed = github(body)
    base = RequestFactory().post("/hook", b"", content_type="application/json").environ
    base.pop("CONTENT_LENGTH", None)
    base |= {"HTTP_" + name.upper().replace("-", "_"): value for name, value in signed.headers.items()}
    base |= environ
    started = []
    chunks = WSGIHandler()(base, lambda status, headers: started.append((int(status.split()[0]), dict(headers))))
    b"".join(chunks)
    return started[0][0]


class Endless(io.RawIOBase):
    """A body without an end, which counts what is read of it."""

    def __init__(self):
        self.read_bytes = 0

    def readable(self):
        return True

    def read(self, size=-1):
        assert 0 <= size <= 1 << 20, "somebody reads without a limit"
        self.read_bytes += size
        return b"x" * size


def test_a_huge_announced_body_is_rejected_unread(serve, seen):
    serve()
    body = Endless()
    assert raw(b"", {"CONTENT_LENGTH": str(10**12), "wsgi.input": body}) == 413
    assert body.read_bytes == 0
    assert seen == []


def test_a_body_that_ends_too_early_is_rejected(serve, seen):
    serve()
    assert raw(b"12345", {"CONTENT_LENGTH": "5", "wsgi.input": io.BytesIO(b"123")}) == 400
    assert seen == []


def test_a_chunked_body_that_the_server_does_not_hand_over(serve, seen):
    # Django reads Content-Length bytes under WSGI: none here.
    serve()
    assert raw(b"12345", {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": io.BytesIO(b"12345")}) == 411
    assert seen == []


def test_invalid_lengths_are_rejected(serve):
    serve()
    for length in ("-1", "5,5", "five"):
        assert raw(b"12345", {"CONTENT_LENGTH": length, "wsgi.input": io.BytesIO(b"12345")}) == 400


def test_a_sender_that_hangs_up(serve, seen):
    class Broken(io.RawIOBase):
        def read(self, size=-1):
            raise OSError("reset by peer")

    serve()
    assert raw(b"12345", {"CONTENT_LENGTH": "5", "wsgi.input": Broken()}) == 400
    assert seen == []


def test_a_body_that_was_read_before_raises_an_error_for_the_developer(send):
    @webhook("github")
    def view(request):
        return HttpResponse()

    def middleware(get_response):
        def early(request):
            request.read(1)
            return get_response(request)

        return early

    import django_site

    django_site.reads_early = middleware
    try:
        with (
            site(path("hook", view), HOOKGUARD=settings(), MIDDLEWARE=["django_site.reads_early"]),
            pytest.raises(RuntimeError, match="let hookguard come first"),
        ):
            post(github(), raises=True)
    finally:
        del django_site.reads_early


def test_https_is_what_djangos_proxy_setting_says(serve, send):
    hooks = settings(REQUIRE_HTTPS=True)
    serve(hooks)
    claimed = github(b"{}", "1", **{"X-Forwarded-Proto": "https"})
    assert send(github()).status_code == 403
    assert send(claimed).status_code == 403
    serve(hooks, SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"))
    assert send(github()).status_code == 403
    assert send(claimed).status_code == 200


def test_a_secure_request_is_https(serve):
    serve(REQUIRE_HTTPS=True)
    assert post(github(), secure=True).status_code == 200


def test_addresses_outside_the_allowed_networks_get_403(serve):
    serve(ALLOW_FROM=["192.0.2.0/24", "2001:db8::/32"])
    for number, (address, status) in enumerate(
        [("192.0.2.9", 200), ("2001:db8::1", 200), ("198.51.100.1", 403), ("", 403), ("192.0.2.9, 10.0.0.1", 403)]
    ):
        assert post(github(b"%d" % number), REMOTE_ADDR=address).status_code == status, address
    spoofed = github(b"x", "1", **{"X-Forwarded-For": "192.0.2.9", "X-Real-Ip": "192.0.2.9", "Forwarded": "for=192.0.2.9"})
    assert post(spoofed, REMOTE_ADDR="198.51.100.1").status_code == 403


def test_an_underscore_in_a_header_does_not_make_it_ours(serve, seen):
    """Under ASGI a proxy may let X_Hub_Signature_256 through; Django drops such names, and so do we."""
    serve()
    signed = github()
    assert asyncio.run(over_asgi(signed, "-")) == 200
    assert asyncio.run(over_asgi(github(b"2"), "_")) == 401
    assert seen == [b"{}"]


async def over_asgi(delivery, hyphen):
    """Call the ASGI handler as a server does, with header names as they came."""
    headers = [(name.replace("-", hyphen).encode(), value.encode()) for name, value in delivery.headers.items()]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/hook",
        "query_string": b"",
        "headers": headers,
        "asgi": {"version": "3.0"},
    }
    came = [{"type": "http.request", "body": delivery.body, "more_body": False}]
    sent = []

    async def receive():
        if came:
            return came.pop()
        await asyncio.sleep(60)
        return None

    async def send(message):
        sent.append(message)

    await ASGIHandler()(scope, receive, send)
    return sent[0]["status"]


@pytest.mark.parametrize(
    ("environ", "target"),
    [
        ({"RAW_URI": "/a%2Fb?c=%20d"}, "/a%2Fb?c=%20d"),
        ({"REQUEST_URI": "/a%2Fb"}, "/a%2Fb"),
        ({"REQUEST_URI": "http://inside:8000/a?b"}, "/a?b"),
        ({}, "/hook?x=1"),
    ],
)
def test_the_target_is_the_raw_one_where_the_server_has_it(environ, target):
    request = RequestFactory().post("/hook?x=1", **environ)
    assert _target(request) == target


@pytest.mark.parametrize("send", [post, lambda *args, **kwargs: asyncio.run(apost(*args, **kwargs))], ids=["wsgi", "asgi"])
def test_a_provider_that_signs_the_url(send):
    signs_url = presets.generic_hmac(name="acme", header="X-Sig", signed="{url}{body}")
    endpoint = Endpoint(Verifier(signs_url, SECRET), public_base_url="https://hooks.example")

    @webhook(endpoint)
    def view(request):
        return HttpResponse()

    with site(path("hook", view), HOOKGUARD=settings(MemoryStore())):
        signed = signs_url.sign(b"{}", SECRET, url="https://hooks.example/hook?x=1")
        assert send(signed, "/hook?x=1").status_code == 200
        assert send(signed, "/hook?x=2").status_code == 401


def test_the_test_client_takes_the_headers_of_a_signed_delivery():
    delivery = github()
    request = RequestFactory().post("/", delivery.body, "application/json", headers=delivery.headers)
    assert request.headers["X-Hub-Signature-256"] == delivery.headers["X-Hub-Signature-256"]
