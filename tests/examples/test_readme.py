"""The README's three apps, pasted into new projects and run as it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

for needed in ("flask", "django", "fastapi", "uvicorn", "click", "httpx"):
    pytest.importorskip(needed)

from running import PUSH, SECRETS, free_port, post, serving

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def blocks(title):
    """The Python under one of its headings."""
    section = re.search(rf"^### {title}\n(.*?)^##", README, re.DOTALL | re.MULTILINE)[1]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


def flask(folder, port):
    (folder / "app.py").write_text(blocks("Flask")[0])
    return ["-m", "flask", "run", "--port", str(port)]


def django(folder, port):
    subprocess.run([sys.executable, "-m", "django", "startproject", "mysite", "."], cwd=folder, check=True)
    for name, block in zip(("settings.py", "urls.py"), blocks("Django"), strict=True):
        with (folder / "mysite" / name).open("a") as file:
            file.write("\n" + block)
    assert "python manage.py migrate" in README
    subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0"], cwd=folder, check=True, env={**os.environ, **SECRETS})
    return ["manage.py", "runserver", "--noreload", str(port)]


def fastapi(folder, port):
    (folder / "main.py").write_text(blocks("FastAPI")[0])
    return ["-m", "uvicorn", "main:app", "--port", str(port)]


@pytest.mark.parametrize("framework", [flask, django, fastapi], ids=lambda framework: framework.__name__)
def test_the_app_works_when_it_is_pasted(framework, tmp_path):
    port = free_port()
    with serving(tmp_path, framework(tmp_path, port), port, SECRETS) as (url, printed):
        assert [post(f"{url}/hooks/github", PUSH) for _ in range(2)] == [204, 200]
        assert post(f"{url}/hooks/github", PUSH._replace(body=b"{}")) == 401
        command = re.search(r"^hookguard send \S+ (.*)$", README, re.MULTILINE)[1].replace("--id 1", "--id 2")
        sent = subprocess.run(
            f'"{sys.executable}" -m hookguard.cli send {url}/hooks/github {command}',
            shell=True,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **SECRETS},
        )
        assert sent.stdout.startswith("204"), sent.stdout + sent.stderr
    assert "".join(printed).count("push 1 ") == 1


def test_its_links_lead_somewhere():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (Path(__file__).parents[2] / target).exists(), target


def test_the_pages_links_lead_somewhere():
    docs = Path(__file__).parents[2] / "docs"
    for page in docs.glob("*.md"):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8")):
            assert (docs / target).exists(), f"{page.name}: {target}"
