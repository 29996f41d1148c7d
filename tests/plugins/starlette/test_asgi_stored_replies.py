"""A response that is to be stored: what is held back, when it leaves, and what becomes of one that is never whole."""

import anyio
import pytest

pytest.importorskip("httpx")

from starlette_deliveries import BACKENDS, SECRET, Wire, answer, make_hooks, stripe

from hookguard import MemoryStore, StoreUnavailable
from hookguard_starlette import get_current_webhook

pytestmark = pytest.mark.anyio

KIB = 1024
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/xml")]}


@pytest.fixture(params=BACKENDS)
def anyio_backend(request):
    return request.param


class Watched(MemoryStore):
    """A store that writes down how events end, among what was sent."""

    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def complete(self, key, *, token, retention, reply=None):
        self.seen.append("complete" if reply is None else f"store {len(reply)}")
        return super().complete(key, token=token, retention=retention, reply=reply)

    def release(self, key, *, token):
        self.seen.append("release")
        return super().release(key, token=token)


class Watching(Wire):
    """A connection that writes down what leaves."""

    def __init__(self, seen, **options):
        super().__init__(stripe("evt_1"), **options)
        self.seen = seen

    async def send(self, message):
        kind = message["type"].removeprefix("http.response.")
        more = "+" if message.get("more_body") else ""
        what = message.get("status", len(message["body"]) if "body" in message else "")
        self.seen.append(f"{kind} {what}{more}".strip())
        await super().send(message)


STORING = {"stripe": {"secrets": [SECRET], "store_reply": True}}


async def serve(app, *, seen=None, store=None, **options):
    """One delivery to an application whose replies are stored; what was stored and sent in order, and the guarded app."""
    seen = [] if seen is None else seen
    guarded = make_hooks(store=Watched(seen) if store is None else store, endpoints=STORING).wrap(app, "stripe")
    wire = Watching(seen, **options)
    try:
        await wire.run(guarded)
    except ValueError as error:
        seen.append(error)
    return seen, wire, guarded


async def again(guarded):
    return await Wire(stripe("evt_1")).run(guarded)


def body(data, *, more=False):
    return {"type": "http.response.body", "body": data, "more_body": more}


async def test_the_head_leaves_after_the_whole_answer_was_stored():
    async def app(scope, receive, send):
        await send(START)
        for piece in (b"<a>", b"", b"</a>"):
            await send(body(piece, more=True))
            assert seen == []
        await send({"type": "http.response.body"})
        assert seen == ["store 21", "start 200", "body 7"]

    seen = []
    _, wire, guarded = await serve(app, seen=seen)
    assert (wire.status, wire.body, wire.headers["content-type"]) == (200, b"<a></a>", "text/xml")
    duplicate = await again(guarded)
    assert (duplicate.status, duplicate.body, duplicate.headers) == (
        200, b"<a></a>", {"content-type": "text/xml", "hookguard-duplicate": "1", "content-length": "7"},
    )  # fmt: skip


async def test_a_longer_answer_leaves_as_soon_as_it_is_too_long_and_passes_piece_by_piece_from_there():
    async def app(scope, receive, send):
        await send(START)
        for _ in range(4):
            await send(body(b"x" * 16 * KIB, more=True))
        assert seen == []
        for _ in range(2):
            await send(body(b"x" * 16 * KIB, more=True))
        await send(body(b"x"))

    seen = []
    _, wire, guarded = await serve(app, seen=seen)
    assert seen == ["complete", "start 200", f"body {80 * KIB}+", f"body {16 * KIB}+", "body 1"]
    assert wire.body == b"x" * (96 * KIB + 1)
    assert (await again(guarded)).body == b""


@pytest.mark.parametrize(("size", "ending"), [(64 * KIB, f"store {64 * KIB + 14}"), (64 * KIB + 1, "complete")])
async def test_the_limit_is_64_kib(size, ending):
    async def app(scope, receive, send):
        await send(START)
        await send(body(b"x" * size))

    seen, _, _ = await serve(app)
    assert seen == [ending, "start 200", f"body {size}"]


async def test_an_answer_other_than_2xx_is_not_held_back():
    async def app(scope, receive, send):
        await send({**START, "status": 404})
        assert seen == ["release", "start 404"]
        await send(body(b"no", more=True))
        await send(body(b"."))

    seen = []
    await serve(app, seen=seen)
    assert seen == ["release", "start 404", "body 2+", "body 1"]


async def test_a_file_that_the_server_reads_is_not_stored():
    async def app(scope, receive, send):
        await send(START)
        await send({"type": "http.response.pathsend", "path": "/srv/answer.xml"})

    seen, _, _ = await serve(app)
    assert seen == ["complete", "start 200", "pathsend"]


async def test_a_message_before_the_head_or_after_the_body_passes():
    async def app(scope, receive, send):
        await send({"type": "http.response.early_hint", "links": []})
        await send({**START, "trailers": True})
        await send(body(b"x"))
        await send({"type": "http.response.trailers", "headers": []})

    seen, _, _ = await serve(app)
    assert seen == ["early_hint", "store 15", "start 200", "body 1", "trailers"]


async def test_an_exception_before_the_answer_is_whole_releases_the_event_and_nothing_has_left():
    async def app(scope, receive, send):
        await send(START)
        await send(body(b"half", more=True))
        raise ValueError("the template's own")

    seen, _, guarded = await serve(app)
    assert seen[0] == "release"
    assert isinstance(seen[1], ValueError)
    assert len(seen) == 2
    with pytest.raises(ValueError, match="own"):
        await again(guarded)  # it runs again


async def test_an_exception_after_it_was_whole_changes_nothing():
    after = []

    async def app(scope, receive, send):
        await send(START)
        await send(body(b"x"))
        after.append(get_current_webhook().id)
        raise ValueError("a background task that failed")

    seen, _, guarded = await serve(app)
    assert (seen[:3], after) == (["store 15", "start 200", "body 1"], ["evt_1"])
    assert (await again(guarded)).body == b"x"


async def test_an_answer_that_is_cut_short_completes_the_event_and_is_not_stored():
    async def app(scope, receive, send):
        await send(START)
        await send(body(b"half", more=True))

    seen, _, guarded = await serve(app)
    assert seen == ["complete", "start 200", "body 4+"]
    assert (await again(guarded)).headers["hookguard-duplicate"] == "1"


async def test_an_answer_without_a_body_arrives_whole():
    async def app(scope, receive, send):
        await send(START)

    seen, _, _ = await serve(app)
    assert seen == ["complete", "start 200"]


async def test_a_sender_that_hangs_up_while_the_answer_is_held_back():
    from starlette.responses import StreamingResponse

    async def pieces():
        yield b"half"
        await anyio.sleep(30)

    async def app(scope, receive, send):
        await StreamingResponse(pieces())(scope, receive, send)

    seen, _, guarded = await serve(app, hangs_up=True)
    assert seen == ["complete", "start 200", "body 4+"]
    assert (await again(guarded)).headers["hookguard-duplicate"] == "1"


async def test_a_handler_that_is_cancelled_while_the_answer_is_held_back_keeps_its_claim():
    async def app(scope, receive, send):
        await send(START)
        await send(body(b"half", more=True))
        await anyio.sleep(30)

    with anyio.move_on_after(0.05):
        await serve(app, store=(store := MemoryStore()))

    async def second(scope, receive, send):
        raise AssertionError("it must not run while the claim holds")

    _, wire, _ = await serve(second, store=store)
    assert wire.status == 503


class Down(MemoryStore):
    def complete(self, *args, **kwargs):
        raise StoreUnavailable("down")


@pytest.mark.parametrize("size", [1, 100 * KIB])
async def test_the_whole_answer_is_replaced_when_it_could_not_be_stored(size):
    async def app(scope, receive, send):
        await send({**START, "headers": [(b"x-effect", b"done")]})
        for _ in range(2):
            await send(body(b"x" * size, more=True))
        await send(body(b"."))

    seen, wire, _ = await serve(app, store=Down())
    assert seen == ["start 503", f"body {len(wire.body)}"]
    assert b"try again later" in wire.body
    assert "x-effect" not in wire.headers


async def test_an_unguarded_exchange_holds_nothing_back():
    async def app(scope, receive, send):
        await send(START)
        assert seen == ["start 200"]
        await send(body(b"x"))

    seen = []
    middleware = make_hooks(endpoints=STORING).wrap(app)
    await Watching(seen).run(middleware)
    assert seen == ["start 200", "body 1"]


async def test_without_the_setting_pieces_pass_as_they_come():
    async def app(scope, receive, send):
        await send(START)
        assert seen == ["complete", "start 200"]
        await send(body(b"x"))

    seen = []
    guarded = make_hooks(store=Watched(seen)).wrap(app, "stripe")
    await Watching(seen).run(guarded)
    assert seen == ["complete", "start 200", "body 1"]


async def test_a_204_is_the_same_204():
    async def app(scope, receive, send):
        await answer(send)

    _, _, guarded = await serve(app)
    duplicate = await again(guarded)
    assert (duplicate.status, duplicate.body) == (204, b"")
