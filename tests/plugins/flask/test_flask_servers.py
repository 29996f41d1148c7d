"""gunicorn, with real sockets: what a test client cannot show."""

import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
from flask_deliveries import SECRET, github, stripe

pytest.importorskip("gunicorn")

LIMIT = 500

APP = f"""
from pathlib import Path

from flask import Flask
from hookguard_flask import HookGuard, current_webhook

app = Flask(__name__, instance_path=str(Path(__file__).parent / "instance"))
app.config["HOOKGUARD_ENDPOINTS"] = {{"stripe": {{"secrets": [{SECRET!r}]}}, "github": {{"secrets": [{SECRET!r}]}}}}
app.config["HOOKGUARD_MAX_BODY"] = {LIMIT}
hooks = HookGuard(app)


@app.post("/<path:rest>")
@hooks.guard("stripe")
def hook(rest):
    with open(Path(__file__).with_name("ran"), "a") as ran:
        ran.write(current_webhook.id + "\\n")
    return current_webhook.url


@app.post("/github")
@hooks.guard("github")
def push():
    return "pushed"
"""


@contextmanager
def gunicorn(folder, *options):
    """Serve the app on a port of the system's choice; yield the port."""
    (folder / "shop.py").write_text(APP)
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-b", "127.0.0.1:0", "--no-control-socket", *options, "shop:app"],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    )
    killer = threading.Timer(300, process.kill)
    killer.start()
    lines = []
    try:
        for line in process.stderr:
            lines.append(line)
            if found := re.search(r"Listening at: http://127\.0\.0\.1:(\d+)", line):
                break
        else:
            pytest.fail("gunicorn did not start: " + "".join(lines))
        # Nobody reads the log from here on but this thread, so that its pipe never fills.
        drain = threading.Thread(target=lambda: lines.extend(process.stderr))
        drain.start()
        yield int(found[1])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        killer.cancel()
        drain.join(30)
        process.stderr.close()


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    with gunicorn(tmp_path_factory.mktemp("shop"), "--workers", "2", "--threads", "4") as port:
        yield port


def head(delivery, target, *headers):
    signed = [f"{name}: {value}" for name, value in delivery.headers.items()]
    return "\r\n".join([f"POST {target} HTTP/1.1", "Host: shop.example", "Connection: close", *signed, *headers, "", ""]).encode()


def chunks(body, size=64):
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def exchange(port, sent, *, then_close=False):
    """Send bytes and return the status and the body of the answer."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.settimeout(20)
        connection.sendall(sent)
        if then_close:
            connection.shutdown(socket.SHUT_WR)
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


@pytest.mark.parametrize(("size", "status"), [(LIMIT, 200), (LIMIT + 1, 413), (LIMIT + 2, 413), (LIMIT * 4, 413)])
@pytest.mark.parametrize("chunked", [True, False])
def test_the_limit_to_the_byte(port, size, status, chunked):
    delivery = sized(f"evt_{size}_{chunked}", size)
    assert len(delivery.body) == size
    if chunked:
        sent = head(delivery, "/hook", "Transfer-Encoding: chunked") + chunks(delivery.body)
    else:
        sent = head(delivery, "/hook", f"Content-Length: {size}") + delivery.body
    assert exchange(port, sent)[0] == status


def test_a_forged_line_beside_a_genuine_one_is_read_as_one_list(port):
    """They come joined: one signature becomes another one, and a list longer; what is genuine in it stays so."""
    forged = "0" * 64
    for delivery, path, line, status in (
        (stripe("evt_list"), "/hook", f"Stripe-Signature: v1={forged}", 200),
        (github(b"{}", "d-1"), "/github", f"X-Hub-Signature-256: sha256={forged}", 401),
    ):
        sent = head(delivery, path, line, f"Content-Length: {len(delivery.body)}") + delivery.body
        assert exchange(port, sent)[0] == status


def test_a_chunk_at_a_time_without_end_is_stopped_at_the_limit(port):
    # The end never comes: the answer must.
    endless = chunks(b"x" * 64 * 1024).removesuffix(b"0\r\n\r\n")
    assert exchange(port, head(stripe("evt_1"), "/hook", "Transfer-Encoding: chunked") + endless)[0] == 413


@pytest.mark.parametrize(
    ("delivery", "headers", "status"),
    [
        (stripe("evt_early"), [f"Content-Length: {LIMIT + 1}"], 413),
        (stripe("evt_early")._replace(headers={}), ["Content-Length: 100"], 401),
        (stripe("evt_early"), ["Content-Length: 100", "Content-Encoding: gzip"], 415),
    ],
    ids=["too large", "unsigned", "compressed"],
)
def test_rejected_by_the_head_before_a_byte_of_the_body_was_sent(port, delivery, headers, status):
    code, text = exchange(port, head(delivery, "/hook", *headers))
    assert code == status
    assert "webhook rejected" in text


@pytest.mark.parametrize(
    ("target", "seen"),
    [
        ("/a%2Fb/%c3%a9;v=1?x=%2f&y=a+b", "/a%2Fb/%c3%a9;v=1?x=%2f&y=a+b"),
        ("http://shop.example/a%2Fb?x=1", "/a%2Fb?x=1"),
    ],
    ids=["origin form", "absolute form"],
)
def test_the_target_is_the_one_that_came_over_the_wire(port, target, seen):
    delivery = stripe(f"evt_{target}")
    assert exchange(port, head(delivery, target, f"Content-Length: {len(delivery.body)}") + delivery.body) == (200, seen)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (["Content-Length: 100"], b"half"),
        (["Transfer-Encoding: chunked"], b"5\r\nha"),
        (["Transfer-Encoding: chunked"], b"zz\r\nha\r\n"),
    ],
    ids=["announced", "chunked", "no chunk at all"],
)
def test_a_body_that_breaks_off_is_answered_400(port, headers, body):
    assert exchange(port, head(stripe("evt_1"), "/hook", *headers) + body, then_close=True)[0] == 400


def test_one_of_many_concurrent_duplicates_runs_and_a_restart_forgets_nothing(tmp_path):
    delivery = stripe("evt_once")
    sent = head(delivery, "/hook", f"Content-Length: {len(delivery.body)}") + delivery.body
    answers = []
    with gunicorn(tmp_path, "--workers", "2", "--threads", "4") as port:
        senders = [threading.Thread(target=lambda: answers.append(exchange(port, sent)[0])) for _ in range(12)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(30)
    assert len(answers) == 12
    assert set(answers) <= {200, 503}
    with gunicorn(tmp_path) as port:
        assert exchange(port, sent) == (200, "")
    assert (tmp_path / "ran").read_text() == "evt_once\n"
    assert (tmp_path / "instance" / "hookguard.sqlite3").exists()
