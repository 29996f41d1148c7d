"""The README's three apps, pasted into new projects and run as it says."""

import os
import re
import subprocess
import sys

import pages
import pytest

for needed in ("flask", "django", "fastapi", "uvicorn", "click", "httpx"):
    pytest.importorskip(needed)

from running import PUSH, SECRETS, free_port, post, serving

README = pages.blocks("README.md")


def flask(folder, port):
    README["Flask"].write(folder, "app.py")
    return ["-m", "flask", "run", "--port", str(port)]


def django(folder, port):
    subprocess.run([sys.executable, "-m", "django", "startproject", "mysite", "."], cwd=folder, check=True)
    for name, block in (("settings.py", README["Django"]), ("urls.py", README["Django 2"])):
        with (folder / "mysite" / name).open("a") as file:
            file.write("\n" + block.printed())
    subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0"], cwd=folder, check=True, env={**os.environ, **SECRETS})
    return ["manage.py", "runserver", "--noreload", str(port)]


def fastapi(folder, port):
    README["FastAPI"].write(folder, "main.py")
    return ["-m", "uvicorn", "main:app", "--port", str(port)]


@pytest.mark.parametrize(
    "framework",
    [
        pytest.param(flask, marks=pytest.mark.runs("README.md", "Flask"), id="flask"),
        pytest.param(django, marks=pytest.mark.runs("README.md", "Django", "Django 2"), id="django"),
        pytest.param(fastapi, marks=pytest.mark.runs("README.md", "FastAPI"), id="fastapi"),
    ],
)
@pytest.mark.runs("README.md", "Use it 2", "Send it something")
def test_the_app_works_when_it_is_pasted(framework, tmp_path):
    exported = pages.shell(README["Use it 2"].printed() + 'printf "%s" "$GITHUB_SECRET"', tmp_path).stdout
    assert exported == SECRETS["GITHUB_SECRET"]
    send = README["Send it something"].printed().splitlines()[1]
    port = free_port()
    with serving(tmp_path, framework(tmp_path, port), port, SECRETS) as (url, printed):
        here = send.replace("http://127.0.0.1:5000", url)
        for answer in ("204", "200"):
            sent = pages.shell(here, tmp_path, **SECRETS).stdout
            assert sent.startswith(answer), sent
        assert "hookguard-duplicate: 1" in sent.lower()
        assert pages.shell(here.replace("--id 1", "--id 2"), tmp_path, **SECRETS).stdout.startswith("204")
        assert post(f"{url}/hooks/github", PUSH._replace(body=b"{}")) == 401
    assert "".join(printed).count("push 1 ") == 1


@pytest.mark.parametrize("page", pages.pages())
def test_the_pages_links_lead_somewhere(page):
    text = (pages.ROOT / page).read_text("utf-8")
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text):
        file = (pages.ROOT / page).parent / target if target else pages.ROOT / page
        assert file.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", file.read_text("utf-8"), re.MULTILINE)
            anchors = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
            assert anchor in anchors, f"{target}#{anchor}"


def words(table):
    """The words of the demo's table, without its lines and the time it took."""
    return re.sub(r"in [\d.]+ s", "", re.sub(r"[^\x00-\x7f]", "", table)).split()


@pytest.mark.runs("README.md", "See it work 2")
def test_the_demo_prints_the_table_of_the_readme(tmp_path):
    assert words(pages.shell("hookguard demo", tmp_path).stdout) == words(README["See it work 2"].printed())


IMPORTS = """
import hashlib, hmac, os
from flask import Flask, abort, request
from hookguard_flask import HookGuard, current_webhook
"""


def first_screen(name, handle):
    """Execute a block of the first screen in an app, with the imports that it leaves out."""
    names = {"handle": handle}
    exec(IMPORTS, names)
    app = names["app"] = names["Flask"](__name__)
    app.config["HOOKGUARD_STORE"] = "memory://"
    README[name].run(names)
    return app.test_client()


@pytest.mark.parametrize(
    ("name", "after_failure", "not_ascii"),
    [
        pytest.param("hookguard", 200, 500, marks=pytest.mark.runs("README.md", "hookguard"), id="today"),
        pytest.param("hookguard 2", 204, 401, marks=pytest.mark.runs("README.md", "hookguard 2"), id="hookguard"),
    ],
)
def test_the_code_of_today_loses_the_event_that_hookguard_runs_again(name, after_failure, not_ascii, monkeypatch):
    monkeypatch.setenv("GITHUB_SECRET", SECRETS["GITHUB_SECRET"])
    handled = []

    def handle(document):
        handled.append(document)
        if len(handled) == 1:
            raise RuntimeError

    client = first_screen(name, handle)
    headers = {"Content-Type": "application/json", **dict(PUSH.headers.items())}

    def send(**changed):
        return client.post("/hooks/github", data=PUSH.body, headers={**headers, **changed}).status_code

    assert send(**{"X-Hub-Signature-256": "sha256=" + "0" * 64}) == 401
    assert send(**{"X-Hub-Signature-256": "sha256=\xe9"}) == not_ascii
    assert not handled
    assert [send(), send()] == [500, after_failure]
    assert len(handled) == (1 if after_failure == 200 else 2)
