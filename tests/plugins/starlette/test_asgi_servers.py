"""uvicorn, with real sockets: what a test client cannot show."""

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

from starlette_deliveries import SECRET, stripe

LIMIT = 500

APP = f"""
import asyncio
import logging
from pathlib import Path

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from hookguard_starlette import HookGuard, get_current_webhook

logging.basicConfig(level=logging.INFO)
hooks = HookGuard({{"stripe": {{"secrets": [{SECRET!r}]}},
                   "secure": {{"preset": "stripe", "secrets": [{SECRET!r}], "require_https": True}},
                   "near": {{"preset": "stripe", "secrets": [{SECRET!r}], "allow_from": ["192.0.2.0/24"]}}}}, max_body={LIMIT})


async def hook(request):
    with open("ran", "a") as ran:
        ran.write(get_current_webhook().id + "\\n")
    if "slow" in get_current_webhook().id:
        await asyncio.sleep(0.5)
    return PlainTextResponse(get_current_webhook().url)


app = Starlette(routes=[
    *(Route("/" + name, hook, methods=["POST"], middleware=[hooks.middleware(name)]) for name in ("secure", "near")),
    Route("/by-path", hook, methods=["POST"]),
    Route("/{{rest:path}}", hook, methods=["POST"], middleware=[hooks.middleware("stripe")]),
])
app.add_middleware(hooks.Middleware, paths={{"/by-path": "stripe"}})
"""


@contextmanager
def uvicorn(folder, *options):
    """Serve the app on a port of the system's choice; yield the port and the lines it logs."""
    (folder / "shop.py").write_text(APP)
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "shop:app", "--port", "0", "--no-use-colors", *options],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    killer = threading.Timer(300, process.kill)
    killer.start()
    lines = []
    drain = None
    try:
        for line in process.stderr:
            lines.append(line)
            if found := re.search(r"running on http://127\.0\.0\.1:(\d+)", line):
                break
        else:
            pytest.fail("uvicorn did not start: " + "".join(lines))
        # Nobody reads the log from here on but this thread, so that its pipe never fills.
        drain = threading.Thread(target=lambda: lines.extend(process.stderr))
        drain.start()
        yield int(found[1]), lines
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        killer.cancel()
        if drain is not None:
            drain.join(30)
        process.stderr.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with uvicorn(tmp_path_factory.mktemp("shop")) as served:
        yield served


@pytest.fixture
def port(server):
    return server[0]


def head(delivery, target, *headers):
    signed = [f"{name}: {value}" for name, value in delivery.headers.items()]
    return "\r\n".join([f"POST {target} HTTP/1.1", "Host: shop.example", "Connection: close", *signed, *headers, "", ""]).encode()


def whole(delivery, target, *headers):
    return head(delivery, target, f"Content-Length: {len(delivery.body)}", *headers) + delivery.body


def chunks(body, size=64):
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def exchange(port, sent):
    """Send bytes and return the status and the body of the answer."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.settimeout(20)
        connection.sendall(sent)
        answer = b""
        # One answer and no more: the connection may end without ceremony when a body was not read to its end.
        while b"\r\n\r\n" not in answer and (piece := connection.recv(65536)):
            answer += piece
        start, _, rest = answer.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: (\d+)", start)[1])
        while len(rest) < length and (piece := connection.recv(65536)):
            rest += piece
    return int(start.split()[1]), rest.decode()


def sized(event_id, size):
    shortest = len(stripe(event_id, filler="").body)
    return stripe(event_id, filler="x" * (size - shortest))


def wait_for(condition):
    for _ in range(200):
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(("size", "status"), [(LIMIT, 200), (LIMIT + 1, 413), (LIMIT * 4, 413)])
@pytest.mark.parametrize("chunked", [True, False])
def test_the_limit_to_the_byte(port, size, status, chunked):
    delivery = sized(f"evt_{size}_{chunked}", size)
    assert len(delivery.body) == size
    in_chunks = head(delivery, "/hook", "Transfer-Encoding: chunked") + chunks(delivery.body)
    assert exchange(port, in_chunks if chunked else whole(delivery, "/hook"))[0] == status


def test_a_chunk_at_a_time_without_end_is_stopped_at_the_limit(port):
    # The end never comes: the answer must.
    endless = chunks(b"x" * 64 * 64).removesuffix(b"0\r\n\r\n")
    assert exchange(port, head(stripe("evt_1"), "/hook", "Transfer-Encoding: chunked") + endless)[0] == 413


@pytest.mark.parametrize(
    ("delivery", "headers", "status"),
    [
        (stripe("evt_early"), [f"Content-Length: {LIMIT + 1}"], 413),
        (stripe("evt_early"), [f"Content-Length: {10**15}"], 413),
        (stripe("evt_early")._replace(headers={}), ["Content-Length: 100"], 401),
        (stripe("evt_early"), ["Content-Length: 100", "Content-Encoding: gzip"], 415),
    ],
    ids=["too large", "huge", "unsigned", "compressed"],
)
@pytest.mark.parametrize("target", ["/hook", "/by-path"])
def test_rejected_by_the_head_before_a_byte_of_the_body_was_sent(port, target, delivery, headers, status):
    code, text = exchange(port, head(delivery, target, *headers))
    assert code == status
    assert "webhook rejected" in text


def test_the_target_is_the_one_that_came_over_the_wire(port):
    target = "/a%2Fb/%c3%a9;v=1?x=%2f&y=a+b"
    assert exchange(port, whole(stripe("evt_target"), target)) == (200, target)


@pytest.mark.parametrize("target", ["/by-path", "/by-path%0A", "/by-path%0a?x", "/by-path/", "//by-path", "/by%2Dpath"])
def test_no_spelling_of_a_guarded_path_leads_past_the_guard(port, target):
    unsigned = stripe("evt_1")._replace(headers={})
    assert exchange(port, whole(unsigned, target))[0] == 401


def test_a_body_that_breaks_off_is_written_down_and_runs_nothing(server):
    port, lines = server
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(head(stripe("evt_half"), "/hook", "Content-Length: 100") + b"half")
    assert wait_for(lambda: any("truncated_body" in line for line in lines))
    assert not any("Traceback" in line or "without" in line for line in lines)


def test_a_sender_that_hangs_up_during_the_handler_finds_a_duplicate_later(tmp_path):
    delivery = stripe("evt_slow")
    with uvicorn(tmp_path) as (port, lines):
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.sendall(whole(delivery, "/hook"))
            assert wait_for((tmp_path / "ran").exists)
        assert wait_for(lambda: any("stripe handled" in line for line in lines))
        assert exchange(port, whole(delivery, "/hook")) == (200, "")
    assert (tmp_path / "ran").read_text() == "evt_slow\n"


def test_one_of_many_concurrent_duplicates_runs_and_a_restart_forgets_nothing(tmp_path):
    delivery = stripe("evt_slow_once")
    sent = whole(delivery, "/hook")
    answers = []
    with uvicorn(tmp_path, "--workers", "2") as (port, lines):
        assert wait_for(lambda: sum("Application startup complete" in line for line in lines) == 2)
        senders = [threading.Thread(target=lambda: answers.append(exchange(port, sent)[0])) for _ in range(12)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(30)
    assert len(answers) == 12
    assert set(answers) == {200, 503}
    with uvicorn(tmp_path) as (port, _):
        assert exchange(port, sent) == (200, "")
    assert (tmp_path / "ran").read_text() == "evt_slow_once\n"


FORWARDED = ["X-Forwarded-Proto: https", "X-Forwarded-For: 192.0.2.7"]


def test_behind_a_proxy_the_server_decides_whom_to_believe(tmp_path):
    def statuses(port):
        return [
            exchange(port, whole(stripe(f"evt_{name}_{len(headers)}"), f"/{name}", *headers))[0]
            for name in ("secure", "near")
            for headers in ([], FORWARDED)
        ]

    with uvicorn(tmp_path, "--forwarded-allow-ips", "127.0.0.1") as (port, _):
        assert statuses(port) == [403, 200, 403, 200]
    with uvicorn(tmp_path, "--forwarded-allow-ips", "10.0.0.1") as (port, _):
        assert statuses(port) == [403, 403, 403, 403]


def test_a_root_path_stands_in_the_target(tmp_path):
    with uvicorn(tmp_path, "--root-path", "/api") as (port, _):
        assert exchange(port, whole(stripe("evt_1"), "/h%2Fook?x=1")) == (200, "/api/h%2Fook?x=1")
        assert exchange(port, whole(stripe("evt_2")._replace(headers={}), "/by-path"))[0] == 401
        assert exchange(port, whole(stripe("evt_2"), "/by-path")) == (200, "/api/by-path")


def test_a_stop_in_the_middle_of_a_handler_lets_it_finish(tmp_path):
    delivery = stripe("evt_slow")
    answers = []
    with uvicorn(tmp_path) as (port, _):
        sender = threading.Thread(target=lambda: answers.append(exchange(port, whole(delivery, "/hook"))))
        sender.start()
        assert wait_for((tmp_path / "ran").exists)
    sender.join(30)
    assert answers == [(200, "/hook")]
    with uvicorn(tmp_path) as (port, _):
        assert exchange(port, whole(delivery, "/hook")) == (200, "")


BY_PATH = f"""
from starlette.applications import Starlette
from hookguard_starlette import HookGuard

hooks = HookGuard({{"stripe": {{"secrets": [{SECRET!r}]}}}}, store=STORE)
app = Starlette()
app.add_middleware(hooks.Middleware, paths={{"/hook": NAME}})
"""


@pytest.mark.parametrize(
    ("store", "name", "sentence"),
    [("memory://", "strip", "did you mean 'stripe'"), ("postgres://localhost/shop", "stripe", "postgresql://")],
    ids=["paths", "store"],
)
def test_a_mistake_keeps_it_from_starting(tmp_path, store, name, sentence):
    (tmp_path / "shop.py").write_text(f"STORE, NAME = {store!r}, {name!r}\n{BY_PATH}")
    command = [sys.executable, "-m", "uvicorn", "shop:app", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        killer = threading.Timer(300, process.kill)
        killer.start()
        said = []
        for line in process.stderr:
            said.append(line)
            if "startup complete" in line:
                process.terminate()
        killer.cancel()
    assert "startup complete" not in "".join(said)
    assert sentence in "".join(said)
    assert process.returncode != 0
