"""The commands of the page about the command line, and those of the pages that show one, as they are printed."""

import re
import shlex
from contextlib import contextmanager

import pytest
import servers
from pages import blocks, shell
from running import free_port, serving

for _name in ("click", "rich", "uvicorn", "httpx", "anyio"):
    pytest.importorskip(_name, reason="the commands need the extra demo")

PAGE = blocks("docs/command-line.md")
SECRETS = {
    "STRIPE_SECRET": "whsec_shown-in-the-dashboard",
    "GITHUB_SECRET": "a-secret-of-your-own-choosing",
    "TWILIO_TOKEN": "0123456789abcdef0123456789abcdef",
}


def run(text, folder):
    return shell(text, folder, **SECRETS)


@contextmanager
def listening(preset, secret, folder):
    port = free_port()
    command = ["-m", "hookguard.cli", "listen", preset, "--secret-env", secret, "--port", str(port)]
    with serving(folder, command, port, SECRETS) as found:
        yield found


@pytest.mark.runs("docs/command-line.md", "The command line 2")
def test_a_signed_delivery_is_saved_and_verified(tmp_path):
    (tmp_path / "event.json").write_text('{"id": "evt_1", "type": "invoice.paid"}')
    done = run(PAGE["The command line 2"].printed(), tmp_path)
    assert (done.returncode, "evt_1" in done.stdout) == (0, True), done.stdout


@pytest.mark.runs("docs/command-line.md", "The command line 3", "The command line 4")
def test_a_listener_gets_what_is_sent(tmp_path):
    port = free_port()
    listen, send = (PAGE[f"The command line {number}"].printed().replace("8787", str(port)) for number in (3, 4))
    command = ["-m", "hookguard.cli", *shlex.split(listen)[1:]]
    with serving(tmp_path, command, port, SECRETS):
        done = run(send, tmp_path)
    assert done.stdout.startswith("200"), done.stdout


@pytest.mark.runs("docs/command-line.md", "The command line 5", "The command line 6")
def test_saved_deliveries_are_read_by_the_other_commands(tmp_path):
    port = free_port()
    listen, others = (PAGE[f"The command line {number}"].printed().replace("8787", str(port)) for number in (5, 6))
    command = ["-m", "hookguard.cli", *shlex.split(listen)[1:]]
    with serving(tmp_path, command, port, SECRETS) as (url, _):
        sent = run(f"hookguard send {url}/ github --secret-env GITHUB_SECRET --type push --id 1 --body '{{}}'", tmp_path)
        done = run(others, tmp_path)
    assert sent.stdout.startswith("200"), sent.stdout
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("200 OK") == 2
    assert done.stdout.count("hookguard-duplicate: 1") == 2


@pytest.mark.runs("docs/command-line.md", "The command line 7")
def test_a_delivery_whose_url_is_signed_is_sent_elsewhere(tmp_path):
    (tmp_path / "main.py").write_text(
        "import os\nfrom hookguard_starlette import HookGuard\n"
        "settings = {'secrets': [os.environ['TWILIO_TOKEN']], 'public_url': 'https://shop.example/hooks/twilio'}\n"
        "async def handle(scope, receive, send):\n"
        "    await send({'type': 'http.response.start', 'status': 204, 'headers': []})\n"
        "    await send({'type': 'http.response.body'})\n"
        "app = HookGuard({'twilio': settings}, store='memory://').wrap(handle, 'twilio')\n"
    )
    port = free_port()
    with serving(tmp_path, ["-m", "uvicorn", "main:app", "--lifespan", "off", "--port", str(port)], port, SECRETS) as (url, _):
        done = run(PAGE["The command line 7"].printed().replace("http://127.0.0.1:8000", url), tmp_path)
    assert done.stdout.startswith("204"), done.stdout


@pytest.mark.runs("docs/command-line.md", "What the world sends", "What the world sends 2")
def test_the_recipes_get_the_answers_that_stand_beside_them(tmp_path):
    recipes = PAGE["What the world sends"].printed() + PAGE["What the world sends 2"].printed()
    expected = re.findall(r"# (\d+)", recipes)
    with listening("stripe", "STRIPE_SECRET", tmp_path) as (url, printed):
        recipes = recipes.replace("http://127.0.0.1:8000", url).replace("\nhookguard send", "\n! hookguard send")
        recipes = recipes.replace("| sh ", "| sed 's/curl/curl --silent --include/' | sh ")
        done = run(f"set +e\n{recipes}", tmp_path)
    assert re.findall(r"^(?:HTTP/1.1 )?(\d{3})\b", done.stdout, re.MULTILINE) == expected, done.stdout
    verdicts = re.findall(r"^(handled|duplicate|rejected)", "".join(printed), re.MULTILINE)
    assert verdicts == ["handled", "duplicate", "rejected", "rejected", "rejected"]


@pytest.mark.runs("docs/command-line.md", "Shell completion", "Shell completion 2")
def test_shells_get_their_completion(tmp_path):
    done = run(PAGE["Shell completion"].printed() + "complete -p hookguard", tmp_path)
    assert "_hookguard_completion hookguard" in done.stdout
    fish = PAGE["Shell completion 2"].printed().replace("| source", "")
    assert "complete --no-files --command hookguard" in run(fish, tmp_path).stdout


@pytest.mark.runs("docs/stores.md", "Check it")
def test_a_store_is_checked(tmp_path):
    servers.needs("Redis")
    pytest.importorskip("redis")
    command = blocks("docs/stores.md")["Check it"].printed().replace("redis://127.0.0.1:6379/0", servers.REDIS)
    done = run(command, tmp_path)
    assert "of 8 workers that claimed one event concurrently, one got it" in done.stdout
    # A Redis for tests need not keep a file.
    assert all("no append-only file" in problem for problem in re.findall("problem: .*", done.stdout)), done.stdout


@pytest.mark.runs("docs/settings.md", "How old a delivery may be")
def test_a_preset_shows_its_tolerance(tmp_path):
    command, first, _, tolerance = blocks("docs/settings.md")["How old a delivery may be"].printed().splitlines()
    printed = run(command.removeprefix("$ "), tmp_path).stdout.splitlines()
    assert printed[0] == first
    assert tolerance in printed
