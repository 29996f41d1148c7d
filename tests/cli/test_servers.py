import subprocess
import sys
import threading

import pytest

for _name in ("click", "rich", "uvicorn", "httpx", "anyio"):
    pytest.importorskip(_name, reason="the demo and the listener need the extra demo")

from hookguard.cli.demo import Seen, Step, judge, steps

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


def test_the_judge_looks_at_the_body_where_it_matters():
    step = Step("x", (200,), 0, lambda demo: [], b"challenge")
    assert judge(step, Seen((200,), 0, "", b"challenge"))
    assert not judge(step, Seen((200,), 0, "", b""))


def test_listen_prints_a_verdict_for_each_delivery_and_send_exits_by_the_answer(tmp_path):
    listener = subprocess.Popen(
        [*RUN, "listen", "github", "--secret", SECRET, "--port", "0", "--store", str(tmp_path / "claims.sqlite3"), "--show-body"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"PYTHONUNBUFFERED": "1", "COLUMNS": "200", "PATH": ""},
    )
    killer = threading.Timer(60, listener.kill)
    killer.start()
    try:
        url = next(word for word in listener.stdout.readline().split() if word.startswith("http"))

        def send(*words):
            return subprocess.run([*RUN, "send", f"{url}any/path", "github", *words], capture_output=True, text=True, check=False)

        good = send("--secret", SECRET, "--body", '{"a": 1}', "--id", "d-1", "--type", "push")
        assert good.returncode == 0, good.stdout + good.stderr
        assert good.stdout.startswith("200")
        assert "hookguard-duplicate: 1" in send("--secret", SECRET, "--body", '{"a": 1}', "--id", "d-1", "--type", "push").stdout
        forged = send("--secret", "another-secret-of-20-chars", "--body", "{}")
        assert forged.returncode == 1
        assert forged.stdout.startswith("401")
    finally:
        listener.terminate()
        printed = listener.communicate(timeout=30)[0]
        killer.cancel()
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
