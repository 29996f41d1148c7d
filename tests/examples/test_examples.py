"""Each example, started as its first lines say, receives what the world sends; the command in those lines is taken."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from running import EXAMPLES, PUSH, SECRETS, free_port, post, serving, start

from hookguard import presets

#: Each example, what it needs, and the command of its first lines for a port.
COMMANDS = {
    "flask_app.py": ("flask", lambda port: ["-m", "flask", "--app", "flask_app.py", "run", "--port", port]),
    "django_app.py": ("django", lambda port: ["django_app.py", "runserver", "--noreload", port]),
    "starlette_app.py": ("starlette", lambda port: ["-m", "uvicorn", "starlette_app:app", "--port", port]),
    "fastapi_app.py": ("fastapi", lambda port: ["-m", "uvicorn", "fastapi_app:app", "--port", port]),
}


@pytest.fixture(params=COMMANDS)
def example(request):
    needed, command = COMMANDS[request.param]
    pytest.importorskip(needed)
    if "uvicorn" in command("0"):
        pytest.importorskip("uvicorn")
    return request.param


@pytest.fixture
def running(example, tmp_path):
    """Start it on a copy, so that its store stays out of the checkout; as often as the test likes."""
    shutil.copy(EXAMPLES / example, tmp_path)

    def run():
        port = free_port()
        return serving(tmp_path, COMMANDS[example][1](str(port)), port, SECRETS)

    return run


def test_every_example_is_tried():
    with_worker = Path(__file__).with_name("test_worker_examples.py").read_text("utf-8")
    others = {path.name for path in EXAMPLES.glob("*.py") if f'"{path.stem}":' in with_worker}
    assert {*COMMANDS, *others} == {path.name for path in EXAMPLES.glob("*.py")}


def test_an_example_handles_each_delivery_once_and_remembers_it_after_a_restart(running):
    paid = presets.STRIPE.sign(b'{"id": "evt_1", "type": "invoice.paid"}', SECRETS["STRIPE_SECRET"])
    forged = presets.STRIPE.sign(b'{"id": "evt_2", "type": "invoice.paid"}', "whsec_of-somebody-else")
    with running() as (url, printed):
        assert [post(f"{url}/hooks/github", PUSH) for _ in range(2)] == [204, 200]
        assert post(f"{url}/hooks/stripe", paid) == 204
        assert post(f"{url}/hooks/stripe", forged) == 401
    with running() as (url, _):
        assert post(f"{url}/hooks/stripe", paid) == 200
    text = "".join(printed)
    assert text.count("pushed to refs/heads/main") == 1
    assert text.count("paid: evt_1") == 1
    assert "stripe rejected: stripe, signature_mismatch" in text


def test_the_command_in_its_first_lines_is_taken(example, running):
    pytest.importorskip("click")
    pytest.importorskip("httpx")
    target, words = re.search(
        r"    hookguard send (\S+) (.*?)\n\"\"\"", (EXAMPLES / example).read_text("utf-8"), re.DOTALL
    ).groups()
    with running() as (url, _):
        command = f'"{sys.executable}" -m hookguard.cli send {url}/{target.split("/", 3)[3]} {words}'
        result = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.startswith("204")


def test_without_its_secrets_it_does_not_start_and_says_why(example, tmp_path):
    shutil.copy(EXAMPLES / example, tmp_path)
    process = start(tmp_path, COMMANDS[example][1]("0"), {})
    printed = process.communicate(timeout=60)[0]
    assert process.returncode != 0
    assert "is the setting or the environment variable unset?" in printed
