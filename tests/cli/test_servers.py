import json
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

for _name in ("click", "rich", "uvicorn", "httpx", "anyio"):
    pytest.importorskip(_name, reason="the demo and the listener need the extra demo")

from hookguard import Delivery, Endpoint, Guard, MemoryStore, Verifier
from hookguard.cli.demo import Seen, Step, judge, steps
from hookguard.errors import MalformedDelivery

ROOT = Path(__file__).parents[2]
SECRET = "a-secret-that-is-long-enough"
RUN = [sys.executable, "-m", "hookguard.cli"]


def test_the_demo_shows_every_scenario_and_exits_with_0():
    result = subprocess.run([*RUN, "demo"], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    for step in steps():
        assert step.sent in result.stdout
    assert result.stdout.count("right") == len(steps())
    assert "WRONG" not in result.stdout


def test_the_demo_fails_when_the_receiver_lets_a_forged_delivery_in(tmp_path):
    # The receiver, with its verifier broken on purpose.
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'demo_receiver' in ' '.join(sys.orig_argv):\n"
        "    import hookguard.schemes.hmac as scheme\n"
        "    scheme.compare_digest = lambda a, b: True\n"
    )
    result = subprocess.run(
        [*RUN, "demo"], capture_output=True, text=True, timeout=60, check=False, env={"PYTHONPATH": str(tmp_path), "PATH": ""}
    )
    assert result.returncode == 1
    assert "wrong: a forged payment" in result.stdout.replace("\n", " ")


@pytest.mark.parametrize(
    ("seen", "right"),
    [
        (Seen((200,), 1, ""), True),
        (Seen((200,), 2, ""), False),
        (Seen((500,), 1, ""), False),
        (Seen((), 1, ""), False),
    ],
)
def test_the_judge_of_one_answer(seen, right):
    assert judge(Step("x", (200,), 1, lambda demo: []), seen) is right


@pytest.mark.parametrize(("answers", "right"), [((200, 503, 503), True), ((503, 503), False), ((200, 500), False)])
def test_the_judge_of_several_answers(answers, right):
    assert judge(Step("x", (200, 503), 1, lambda demo: []), Seen(answers, 1, "")) is right


def test_the_judge_checks_the_body_where_it_matters():
    step = Step("x", (200,), 0, lambda demo: [], b"challenge")
    assert judge(step, Seen((200,), 0, "", b"challenge"))
    assert not judge(step, Seen((200,), 0, "", b""))


@contextmanager
def listening(preset, folder, *words):
    """Run the listener: its URL, and a list that holds what it printed once it has ended."""
    listener = subprocess.Popen(
        [*RUN, "listen", preset, "--secret", SECRET, "--port", "0", "--store", str(folder / "claims.sqlite3"), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"PYTHONUNBUFFERED": "1", "COLUMNS": "200", "PATH": "", "PYTHONPATH": str(ROOT)},
    )
    killer = threading.Timer(300, listener.kill)
    killer.start()
    printed = []
    try:
        # A preset that is not confirmed has a warning before it.
        yield next(word for line in listener.stdout for word in line.split() if word.startswith("http://127.")), printed
    finally:
        listener.terminate()
        printed.append(listener.communicate(timeout=30)[0])
        killer.cancel()


def test_listen_prints_a_verdict_for_each_delivery_and_send_exits_by_the_answer(tmp_path):
    with listening("github", tmp_path, "--show-body") as (url, printed):

        def send(*words):
            return subprocess.run([*RUN, "send", f"{url}any/path", "github", *words], capture_output=True, text=True, check=False)

        good = send("--secret", SECRET, "--body", '{"a": 1}', "--id", "d-1", "--type", "push")
        assert good.returncode == 0, good.stdout + good.stderr
        assert good.stdout.startswith("200")
        assert "hookguard-duplicate: 1" in send("--secret", SECRET, "--body", '{"a": 1}', "--id", "d-1", "--type", "push").stdout
        forged = send("--secret", "another-secret-of-20-chars", "--body", "{}")
        assert forged.returncode == 1
        assert forged.stdout.startswith("401")
    printed = "".join(printed)
    assert '{"a": 1}' in printed
    assert "handled" in printed
    assert "push d-1" in printed
    assert "duplicate" in printed
    assert "signature_mismatch" in printed
    assert SECRET not in printed


def test_send_to_nobody_is_a_sentence():
    result = subprocess.run(
        [*RUN, "send", "http://127.0.0.1:1/", "github", "--secret", SECRET, "--body", "{}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "did not answer" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.fixture
def behind_a_proxy():
    """A receiver on loopback of what its provider sends to https://shop.example/hooks/all, and the targets that came."""
    guards, targets = {}, []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            targets.append(self.path)
            body = self.rfile.read(int(self.headers["content-length"]))
            [guard] = guards.values()
            came = Delivery(body, self.headers.items(), "POST", self.path)
            try:
                reply = guard.run(came._replace(url=guard.endpoint.url(self.path)), lambda event: 200)
            except MalformedDelivery as error:
                reply = guard.reject(error, came).reply
            self.send_response(reply.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def receive(preset, **options):
            guards[preset] = Guard(Endpoint(Verifier(preset, SECRET), **options), MemoryStore())
            return f"http://127.0.0.1:{server.server_port}", targets

        yield receive
        server.shutdown()
        thread.join()


FORM = ("--body", "MessageSid=SM1&Body=hello")
JSON = ("--body", '{"id": 1}')


@pytest.mark.parametrize(
    ("preset", "public", "body", "arrives"),
    [
        ("twilio", "https://shop.example/hooks/all", FORM, "/internal"),
        ("twilio", "https://shop.example/hooks/all?tenant=7", FORM, "/internal?tenant=7"),
        ("twilio", "https://shop.example/hooks/all", JSON, "/internal?bodySHA256="),
        ("twilio", "https://shop.example/hooks/all?tenant=7", JSON, "/internal?tenant=7&bodySHA256="),
        ("square", "https://shop.example/hooks/all", ("--body", '{"event_id": "1", "type": "t"}'), "/internal"),
    ],
)
def test_send_signs_the_url_that_the_provider_was_given_and_sends_to_another(behind_a_proxy, preset, public, body, arrives):
    address, targets = behind_a_proxy(preset, public_url=public)

    def send(*words):
        words = [*RUN, "send", f"{address}/internal", preset, "--secret", SECRET, *body, *words]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    # Another query than the configured one is rejected before the signature is.
    assert send().stdout.startswith("400" if "?" in public else "401")
    sent = send("--signed-url", public)
    assert sent.stdout.startswith("200"), sent.stdout + sent.stderr
    assert targets[-1].startswith(arrives)


def test_send_keeps_a_query_of_the_url_it_sends_to(behind_a_proxy):
    address, targets = behind_a_proxy("twilio", public_url="https://shop.example/hooks/all")
    words = [
        "send",
        f"{address}/internal?via=proxy",
        "twilio",
        "--secret",
        SECRET,
        "--signed-url",
        "https://shop.example/hooks/all",
    ]
    subprocess.run([*RUN, *words, *FORM], capture_output=True, check=False)
    subprocess.run([*RUN, *words, *JSON], capture_output=True, check=False)
    assert targets[0] == "/internal?via=proxy"
    assert targets[1].startswith("/internal?via=proxy&bodySHA256=")


def test_send_rejects_a_signed_url_that_nothing_signs():
    words = ["send", "http://127.0.0.1:1/", "github", "--secret", SECRET, "--body", "{}", "--signed-url", "https://shop.example/"]
    result = subprocess.run([*RUN, *words], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "github does not sign its URL, so --signed-url has no effect" in result.stderr


@pytest.mark.parametrize("interrupt", [signal.SIGINT, signal.SIGTERM])
def test_listen_prints_a_rejection_once_and_ends_quietly(tmp_path, interrupt):
    listener = subprocess.Popen(
        [*RUN, "listen", "github", "--secret", SECRET, "--port", "0", "--store", str(tmp_path / "claims.sqlite3")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"PYTHONUNBUFFERED": "1", "COLUMNS": "200", "PATH": ""},
    )
    try:
        url = next(word for word in listener.stdout.readline().split() if word.startswith("http"))
        subprocess.run([*RUN, "send", url, "github", "--secret", "another-secret-of-20-chars", "--body", "{}"], check=False)
        listener.send_signal(interrupt)
        printed = listener.communicate(timeout=30)[0]
    finally:
        listener.kill()
    assert printed.count("signature_mismatch") == 1
    assert "Traceback" not in printed
    assert "Aborted" not in printed
    if interrupt == signal.SIGINT:
        assert printed.endswith("Stopped.\n")
        assert listener.returncode == 0


def test_the_demo_as_json():
    result = subprocess.run([*RUN, "demo", "--json"], capture_output=True, text=True, timeout=60, check=False)
    found = json.loads(result.stdout)
    assert (result.returncode, found["ok"], len(found["steps"])) == (0, True, len(steps()))


def test_send_as_json(behind_a_proxy):
    address, _ = behind_a_proxy("github")
    words = ["send", f"{address}/hooks", "github", "--secret", SECRET, "--body", "{}", "--json"]
    result = subprocess.run([*RUN, *words], capture_output=True, text=True, check=False)
    found = json.loads(result.stdout)
    assert (found["status"], found["body"], result.returncode) == (200, "", 0)
