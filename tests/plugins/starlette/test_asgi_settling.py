"""When an event is completed or released, message by message."""

import asyncio
import logging
import threading
import time

import anyio
import pytest

pytest.importorskip("httpx")

from starlette_deliveries import BACKENDS, SECRET, Wire, answer, make_hooks, read_all, stripe

from hookguard import AsyncGuard, MemoryStore, StoreUnavailable, Verifier
from hookguard_starlette import WebhookMiddleware, get_current_webhook

pytestmark = pytest.mark.anyio


@pytest.fixture(params=BACKENDS)
def anyio_backend(request):
    return request.param


class Watched(MemoryStore):
    """A store that records its calls among the sent messages."""

    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def complete(self, *args, **kwargs):
        self.seen.append("complete")
        return super().complete(*args, **kwargs)

    def release(self, *args, **kwargs):
        self.seen.append("release")
        return super().release(*args, **kwargs)


class Watching(Wire):
    """A connection that writes down what leaves."""

    def __init__(self, seen, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.seen = seen

    async def send(self, message):
        self.seen.append(
            message["type"].removeprefix("http.response.") + (f" {message['status']}" if "status" in message else "")
        )
        await super().send(message)


async def serve(app, *, event=None, **options):
    """Hand one delivery to an application behind a guard; return what was sent and stored, in order, and the guard."""
    seen = []
    guarded = make_hooks(store=Watched(seen)).wrap(app, "stripe")
    wire = Watching(seen, event or stripe("evt_1"), **options)
    try:
        await wire.run(guarded)
    except BaseException as error:
        seen.append(error)
    return seen, guarded


async def again(guarded):
    return await Wire(stripe("evt_1")).run(guarded)


async def test_completed_before_the_head_leaves_and_only_once():
    async def app(scope, receive, send):
        await answer(send)

    seen, guarded = await serve(app)
    assert seen == ["complete", "start 204", "body"]
    wire = await again(guarded)
    assert (wire.status, wire.headers["hookguard-duplicate"], wire.body) == (200, "1", b"")


async def test_the_head_waits_while_the_store_is_at_it():
    sent_when_completed = []

    class Slow(MemoryStore):
        capabilities = MemoryStore.capabilities._replace(blocking=True)

        def complete(self, *args, **kwargs):
            time.sleep(0.05)
            sent_when_completed.append(list(wire.sent))
            return super().complete(*args, **kwargs)

    async def app(scope, receive, send):
        await answer(send)

    wire = Wire(stripe("evt_1"))
    await wire.run(make_hooks(store=Slow()).wrap(app, "stripe"))
    assert (sent_when_completed, wire.status) == ([[]], 204)


async def test_the_event_is_released_before_the_head_of_another_answer_leaves():
    async def app(scope, receive, send):
        await answer(send, 500)

    seen, guarded = await serve(app)
    assert seen == ["release", "start 500", "body"]
    assert (await again(guarded)).status == 500


async def test_the_event_is_released_when_the_handler_raises_and_the_exception_propagates():
    async def app(scope, receive, send):
        raise ValueError("the handler's own")

    seen, _ = await serve(app)
    assert seen[0] == "release"
    assert isinstance(seen[1], ValueError)


async def test_the_event_is_released_when_nothing_was_answered(caplog):
    async def app(scope, receive, send):
        pass

    seen, _ = await serve(app)
    assert seen == ["release"]
    assert "not_answered" in caplog.text


async def test_an_exception_after_the_answer_began_changes_nothing():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError("too late")

    seen, guarded = await serve(app)
    assert seen[:2] == ["complete", "start 200"]
    assert isinstance(seen[2], ValueError)
    assert len(seen) == 3
    assert (await again(guarded)).headers["hookguard-duplicate"] == "1"


async def test_a_streamed_answer_is_settled_at_its_head_and_passes_piece_by_piece():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(3):
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    seen, _ = await serve(app)
    assert seen == ["complete", "start 200", "body", "body", "body", "body"]


async def test_a_message_before_the_head_passes_and_settles_nothing():
    async def app(scope, receive, send):
        await send({"type": "http.response.early_hint", "links": []})
        await answer(send)

    seen, _ = await serve(app)
    assert seen == ["early_hint", "complete", "start 204", "body"]


async def test_work_after_the_answer_sees_the_event_and_cannot_undo_it():
    after = []

    async def app(scope, receive, send):
        await answer(send)
        after.append(get_current_webhook().id)
        raise RuntimeError("a background task that failed")

    seen, guarded = await serve(app)
    assert seen[:3] == ["complete", "start 204", "body"]
    assert after == ["evt_1"]
    assert (await again(guarded)).headers["hookguard-duplicate"] == "1"


class Down(MemoryStore):
    def complete(self, *args, **kwargs):
        raise StoreUnavailable("down")


async def test_the_whole_answer_is_replaced_when_the_event_cannot_be_completed():
    async def app(scope, receive, send):
        headers = [(b"x-effect", b"done"), (b"content-length", b"9")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for piece in (b"all", b"is", b"well"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    wire = await Wire(stripe("evt_1")).run(make_hooks(store=Down()).wrap(app, "stripe"))
    assert (wire.status, wire.headers["retry-after"], "x-effect" in wire.headers) == (503, "30", False)
    assert b"well" not in wire.body
    assert wire.headers["content-length"] == str(len(wire.body))
    assert [message["type"] for message in wire.sent] == ["http.response.start", "http.response.body"]


# Handlers that are stopped


async def test_a_handler_that_is_cancelled_keeps_its_claim_until_the_lease_runs_out(caplog):
    async def app(scope, receive, send):
        await anyio.sleep(30)

    seen = []
    guarded = make_hooks(store=Watched(seen)).wrap(app, "stripe")
    wire = Wire(stripe("evt_1"))
    with anyio.move_on_after(0.05) as scope:
        await wire.run(guarded)
    assert scope.cancelled_caught
    assert (wire.sent, seen) == ([], [])
    assert "abandoned" in caplog.text
    second = await again(guarded)
    assert second.status == 503
    assert 1 <= int(second.headers["retry-after"]) <= 60


async def test_a_cancellation_does_not_come_between_the_effect_and_its_record():
    begun = anyio.Event()
    done = []

    class Slow(MemoryStore):
        capabilities = MemoryStore.capabilities._replace(blocking=True)

        def complete(self, *args, **kwargs):
            anyio.from_thread.run_sync(begun.set)
            time.sleep(0.05)
            done.append(super().complete(*args, **kwargs))
            return done[-1]

    async def app(scope, receive, send):
        await answer(send)

    guarded = make_hooks(store=Slow()).wrap(app, "stripe")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Wire(stripe("evt_1")).run, guarded)
        await begun.wait()
        tasks.cancel_scope.cancel()
    assert done == [True]
    assert (await again(guarded)).headers["hookguard-duplicate"] == "1"


class SlowAsync:
    """A store that awaits, and takes its time to complete."""

    def __init__(self):
        self._store = MemoryStore()
        self.capabilities = self._store.capabilities
        self.completing = anyio.Event()

    async def claim(self, *args, **kwargs):
        return self._store.claim(*args, **kwargs)

    async def complete(self, *args, **kwargs):
        self.completing.set()
        await anyio.sleep(0.05)
        return self._store.complete(*args, **kwargs)

    async def release(self, *args, **kwargs):
        return self._store.release(*args, **kwargs)


async def test_an_asynchronous_store_is_let_finish_as_well():
    async def app(scope, receive, send):
        await answer(send)

    store = SlowAsync()
    guarded = make_hooks(store=store).wrap(app, "stripe")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Wire(stripe("evt_1")).run, guarded)
        await store.completing.wait()
        tasks.cancel_scope.cancel()
    assert (await again(guarded)).headers["hookguard-duplicate"] == "1"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_task_that_is_killed_while_the_event_is_completed_sends_no_answer():
    async def app(scope, receive, send):
        await answer(send)

    store = SlowAsync()
    wire = Wire(stripe("evt_1"))
    task = asyncio.create_task(wire.run(make_hooks(store=store).wrap(app, "stripe")))
    await store.completing.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert wire.sent == []


async def test_a_sender_that_hangs_up_while_the_handler_runs_changes_nothing():
    heard = []

    async def app(scope, receive, send):
        await read_all(receive)
        heard.append((await receive())["type"])
        await answer(send)

    seen, guarded = await serve(app, hangs_up=True)
    assert heard == ["http.disconnect"]
    assert seen[0] == "complete"
    assert (await again(guarded)).headers["hookguard-duplicate"] == "1"


# Stores and threads


class Blocking(MemoryStore):
    capabilities = MemoryStore.capabilities._replace(blocking=True)

    def __init__(self):
        super().__init__()
        self.threads = set()
        self.claiming, self.go_on = threading.Event(), threading.Event()
        self.waited = False

    def claim(self, *args, **kwargs):
        self.threads.add(threading.current_thread())
        self.claiming.set()
        self.go_on.wait(30)
        self.waited = True
        return super().claim(*args, **kwargs)

    def complete(self, *args, **kwargs):
        self.threads.add(threading.current_thread())
        return super().complete(*args, **kwargs)


async def test_a_store_that_blocks_does_so_in_a_thread_and_the_loop_goes_on():
    async def app(scope, receive, send):
        await answer(send)

    store = Blocking()
    guarded = make_hooks(store=store).wrap(app, "stripe")
    wire = Wire(stripe("evt_1"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wire.run, guarded)
        # Would not be reached while the claim held the loop.
        assert await anyio.to_thread.run_sync(store.claiming.wait, 10)
        assert not store.waited
        assert wire.sent == []
        store.go_on.set()
    assert wire.status == 204
    assert threading.current_thread() not in store.threads


async def test_a_store_that_does_not_block_is_called_in_the_loop():
    threads = set()

    class Quick(MemoryStore):
        def claim(self, *args, **kwargs):
            threads.add(threading.current_thread())
            return super().claim(*args, **kwargs)

    async def app(scope, receive, send):
        await answer(send)

    assert (await Wire(stripe("evt_1")).run(make_hooks(store=Quick()).wrap(app, "stripe"))).status == 204
    assert threads == {threading.current_thread()}


async def test_one_of_many_concurrent_duplicates_runs(tmp_path):
    ran = []

    async def app(scope, receive, send):
        ran.append(get_current_webhook().id)
        await anyio.sleep(0.05)
        await answer(send)

    guarded = make_hooks(store=f"sqlite:///{tmp_path / 'claims.sqlite3'}").wrap(app, "stripe")
    wires = [Wire(stripe("evt_1")) for _ in range(20)]
    async with anyio.create_task_group() as tasks:
        for wire in wires:
            tasks.start_soon(wire.run, guarded)
    assert ran == ["evt_1"]
    assert sorted(wire.status for wire in wires) == [204] + [503] * 19
    assert (await again(guarded)).headers["hookguard-duplicate"] == "1"


async def test_each_of_many_concurrent_handlers_sees_its_own_event():
    seen = []

    async def app(scope, receive, send):
        before = get_current_webhook().id
        await anyio.sleep(0.01)
        seen.append(before == get_current_webhook().id == scope["state"]["webhook"].id)
        await answer(send, body=before.encode())

    guarded = make_hooks().wrap(app, "stripe")
    wires = [Wire(stripe(f"evt_{number}")) for number in range(10)]
    async with anyio.create_task_group() as tasks:
        for wire in wires:
            tasks.start_soon(wire.run, guarded)
    assert seen == [True] * 10
    assert [wire.body.decode() for wire in wires] == [f"evt_{number}" for number in range(10)]


# One guard in another


async def test_two_guards_of_different_endpoints_both_have_their_say():
    statuses = iter([500, 204])
    ran = []

    async def app(scope, receive, send):
        assert await read_all(receive) == get_current_webhook().body
        ran.append(get_current_webhook().id)
        await answer(send, next(statuses))

    hooks = make_hooks(endpoints={name: {"preset": "stripe", "secrets": [SECRET]} for name in ("outer", "inner")})
    guarded = hooks.wrap(hooks.wrap(app, "inner"), "outer")
    assert [(await again(guarded)).status for _ in range(3)] == [500, 204, 200]
    assert ran == ["evt_1", "evt_1"]


async def test_bare_middleware_below_a_guard_hides_no_event():
    async def app(scope, receive, send):
        await answer(send, body=get_current_webhook().id.encode())

    hooks = make_hooks()
    assert (await Wire(stripe("evt_1")).run(hooks.wrap(hooks.wrap(app), "stripe"))).body == b"evt_1"


async def test_bare_middleware_alone_verifies_nothing_and_reports_it():
    async def app(scope, receive, send):
        with pytest.raises(RuntimeError, match="no webhook is being handled here"):
            get_current_webhook()
        await answer(send, body=await read_all(receive))

    wire = await Wire(stripe("evt_1")).run(make_hooks().wrap(app))
    assert wire.body == stripe("evt_1").body
    assert "state" not in wire.scope


async def test_an_outer_application_hears_of_no_event_afterwards():
    async def app(scope, receive, send):
        await answer(send)

    guarded = make_hooks().wrap(app, "stripe")
    await again(guarded)
    with pytest.raises(RuntimeError, match="no webhook is being handled here"):
        get_current_webhook()


async def test_a_guard_made_by_hand_serves_as_well():
    async def app(scope, receive, send):
        await answer(send)

    guard = AsyncGuard(Verifier("stripe", [SECRET]), MemoryStore())
    assert (await again(WebhookMiddleware(app, guard=guard))).status == 204
    assert (await again(make_hooks().wrap(app, guard))).headers["hookguard-duplicate"] == "1"


async def test_observers_get_every_outcome(caplog):
    outcomes = []

    async def app(scope, receive, send):
        await answer(send)

    with caplog.at_level(logging.INFO, "hookguard"):
        guarded = make_hooks(observers=[outcomes.append]).wrap(app, "stripe")
        await again(guarded)
        await again(guarded)
    assert [(outcome.outcome, outcome.event_id, outcome.status) for outcome in outcomes] == [
        ("handled", "evt_1", 204),
        ("duplicate", "evt_1", 200),
    ]
    assert all(outcome.duration > 0 for outcome in outcomes)
