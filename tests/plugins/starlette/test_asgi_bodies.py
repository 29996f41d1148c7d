"""The reading of a body, and the messages that the application gets: raw ASGI, message by message."""

import logging

import pytest

pytest.importorskip("anyio")
pytest.importorskip("httpx")

from starlette_deliveries import BACKENDS, SECRET, Wire, answer, endless, github, make_hooks, read_all

from hookguard import Headers, presets
from hookguard_starlette import get_current_webhook

pytestmark = pytest.mark.anyio


@pytest.fixture(params=BACKENDS)
def anyio_backend(request):
    return request.param


LIMIT = 200


def body_of(size):
    return (b'{"a": "' + b"x" * size)[: size - 2] + b'"}'


def in_pieces(body, size=16):
    return [body[start : start + size] for start in range(0, len(body), size)]


def guarded(seen=None, **config):
    async def app(scope, receive, send):
        body = await read_all(receive)
        assert body == get_current_webhook().body == scope["state"]["webhook"].body
        if seen is not None:
            seen.append(body)
        await answer(send)

    return make_hooks(**config).wrap(app, "github")


@pytest.mark.parametrize("body", [b"{}", b"\x00\xff not JSON", b"", "é".encode("latin-1")])
@pytest.mark.parametrize("pieces", [1, 3, 100])
async def test_the_body_reaches_the_application_byte_for_byte(body, pieces):
    seen = []
    wire = await Wire(github(body, "d-1"), in_pieces(body, max(1, len(body) // pieces)) or [b""]).run(guarded(seen))
    assert (wire.status, seen) == (204, [body])


async def test_the_body_is_played_in_one_message_and_after_it_the_real_connection_is_heard():
    heard = []

    async def app(scope, receive, send):
        heard.append(await receive())
        heard.append(await receive())
        await answer(send)

    delivery = github(b'{"a": 1}', "d-1")
    wire = await Wire(delivery, in_pieces(delivery.body, 2), hangs_up=True).run(make_hooks().wrap(app, "github"))
    assert heard == [
        {"type": "http.request", "body": delivery.body, "more_body": False},
        {"type": "http.disconnect"},
    ]
    assert wire.received == 4


async def test_a_body_in_other_kinds_of_bytes_is_taken():
    seen = []
    wire = await Wire(github(b'{"a": 1}', "d-1"), [memoryview(b'{"a": 1}').obj, bytearray()]).run(guarded(seen))
    assert wire.status == 204
    delivery = github(b'{"a": 1}', "d-2")
    assert (await Wire(delivery, [bytearray(delivery.body)]).run(guarded(seen))).status == 204
    assert seen == [b'{"a": 1}'] * 2


# Limits


@pytest.mark.parametrize(("size", "status"), [(LIMIT, 204), (LIMIT + 1, 413), (LIMIT * 50, 413)])
@pytest.mark.parametrize("announced", [True, False])
async def test_the_limit_to_the_byte(size, status, announced):
    seen = []
    delivery = github(body_of(size), "d-1")
    length = [(b"content-length", b"%d" % size)] if announced else []
    wire = await Wire(delivery, in_pieces(delivery.body), headers=length).run(guarded(seen, max_body=LIMIT))
    assert wire.status == status
    assert len(seen) == (status == 204)
    if status == 413:
        assert wire.headers["content-type"] == "application/problem+json"
        assert wire.headers["content-length"] == str(len(wire.body))


async def test_an_endless_body_is_read_to_the_limit_and_one_chunk_more():
    wire = await Wire(github(b"{}", "d-1"), endless()).run(guarded(max_body=LIMIT))
    assert wire.status == 413
    assert wire.received == LIMIT // 16 + 1


async def test_a_token_that_signs_nothing_does_not_let_a_cut_body_pass():
    # GitLab's token covers no byte of the body: only the limit itself can notice that the rest is missing.
    hooks = make_hooks(endpoints={"gitlab-token": {"secrets": [SECRET], "max_body": LIMIT}})

    async def app(scope, receive, send):
        pytest.fail("ran")

    delivery = presets.get("gitlab-token").sign(body_of(LIMIT * 2), SECRET, id="d-1", type="push")
    assert (await Wire(delivery, in_pieces(delivery.body)).run(hooks.wrap(app, "gitlab-token"))).status == 413


@pytest.mark.parametrize(
    ("without", "scope", "status"),
    [
        ((), {"headers": [(b"content-length", b"%d" % (LIMIT + 1))]}, 413),
        ((), {"headers": [(b"content-length", b"9" * 18)]}, 413),
        ((), {"headers": [(b"content-length", b"-1")]}, 400),
        ((), {"headers": [(b"content-length", b"2"), (b"content-length", b"3")]}, 400),
        (("x-hub-signature-256",), {}, 401),
        ((), {"client": ("203.0.113.9", 1)}, 403),
        ((), {"client": None}, 403),
        ((), {"headers": [(b"content-encoding", b"gzip")]}, 415),
        ((), {"method": "PUT"}, 405),
    ],
    ids=["too large", "huge", "no number", "two lengths", "unsigned", "address", "no address", "compressed", "method"],
)
async def test_a_delivery_that_the_head_disqualifies_is_rejected_unread(without, scope, status):
    seen = []
    head = github(b"{}", "d-1")
    head = head._replace(headers=Headers([pair for pair in head.headers.items() if pair[0] not in without]))
    wire = await Wire(head, **scope).run(guarded(seen, max_body=LIMIT, allow_from=["127.0.0.0/8"]))
    assert (wire.status, wire.received, seen) == (status, 0, [])


async def test_fewer_bytes_than_announced_are_answered_400_and_not_checked(caplog):
    seen = []
    delivery = github(b'{"a": 1}', "d-1")
    for length in (7, 9):
        wire = await Wire(delivery, headers=[(b"content-length", b"%d" % length)]).run(guarded(seen))
        assert wire.status == 400
    assert seen == []
    assert {record.reason_code for record in caplog.records if record.name == "hookguard"} == {"truncated_body"}


async def test_a_chunked_body_of_many_pieces_some_of_them_empty():
    seen = []
    delivery = github(b'{"a": "' + b"x" * 100 + b'"}', "d-1")
    parts = [piece for part in in_pieces(delivery.body, 7) for piece in (part, b"")]
    wire = await Wire(delivery, parts, headers=[(b"transfer-encoding", b"chunked")]).run(guarded(seen))
    assert (wire.status, seen) == (204, [delivery.body])


# A sender that hangs up


@pytest.mark.parametrize("parts", [[None], [b'{"a"', None]], ids=["at once", "in the middle"])
async def test_a_sender_that_hangs_up_is_written_down_and_not_answered(parts, caplog):
    seen = []
    with caplog.at_level(logging.INFO, "hookguard"):
        wire = await Wire(github(b'{"a": 1}', "d-1"), parts).run(guarded(seen))
    assert (wire.sent, seen) == ([], [])
    assert [record.reason_code for record in caplog.records if record.name == "hookguard"] == ["truncated_body"]


async def test_half_a_body_claims_nothing():
    delivery = github(b'{"a": 1}', "d-1")
    app = guarded()
    await Wire(delivery, [b'{"a"', None]).run(app)
    wire = await Wire(delivery).run(app)
    assert wire.status == 204


# Unguarded exchanges


async def test_other_paths_keep_their_own_channels():
    heard = []

    async def app(scope, receive, send):
        heard.append((scope, receive, send))
        await answer(send)

    guard = make_hooks().wrap(app, paths={"/hook": "github"})
    wire = Wire(github(b"{}", "d-1"), path="/elsewhere")
    before = dict(wire.scope)
    await wire.run(guard)
    assert heard == [(wire.scope, wire.receive, wire.send)]
    assert wire.scope == before


@pytest.mark.parametrize("paths", [None, {"/elsewhere": "github"}], ids=["bare", "paths"])
async def test_a_websocket_that_nothing_guards_passes_untouched(paths):
    heard = []

    async def app(scope, receive, send):
        heard.append((scope, receive, send))

    guard = make_hooks().wrap(app, paths=paths)
    scope = {"type": "websocket", "path": "/hook", "headers": []}
    before, receive, send = dict(scope), object(), object()
    await guard(scope, receive, send)
    assert heard == [(scope, receive, send)]
    assert scope == before


async def test_the_lifespan_says_what_is_guarded(caplog):
    async def app(scope, receive, send):
        pass

    with caplog.at_level(logging.INFO, "hookguard"):
        await make_hooks().wrap(app, paths={"/hook": "github", "/a": "stripe"})({"type": "lifespan"}, None, None)
    assert "webhooks are guarded at /a, /hook" in caplog.text
