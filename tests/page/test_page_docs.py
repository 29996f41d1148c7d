"""The page of the manual about the page: each block as it is printed."""

import asyncio
import logging
import re

import pytest
from inboxes import SECRET, Box
from page_sites import ALL, BASE, KEY, page_site, settings
from pages import ROOT, blocks

from hookguard.config import Settings
from hookguard.page.door import MAY
from hookguard.page.site import HEADERS

PAGE = blocks("docs/page.md")
TEXT = (ROOT / "docs" / "page.md").read_text("utf-8")


@pytest.fixture
def box(tmp_path):
    return Box(tmp_path / "hookguard.sqlite3")


@pytest.mark.runs("docs/page.md", "Mounting it")
def test_the_example_for_flask_lets_operators_in(box):
    flask = pytest.importorskip("flask")
    from hookguard_flask import HookGuard

    app = flask.Flask("shop")
    app.config.update(HOOKGUARD=settings(box), SECRET_KEY=KEY)
    PAGE["Mounting it"].run({"app": app, "hooks": HookGuard(app)})
    client = app.test_client()
    assert client.get(f"{BASE}/").status_code == 404
    with client.session_transaction() as session:
        session.update(role="operator", name="ada")
    assert "signed in as ada" in client.get(f"{BASE}/").text


@pytest.mark.runs("docs/page.md", "Mounting it 2")
def test_the_example_for_django_lets_nobody_in_who_has_not_logged_in(box):
    pytest.importorskip("django")
    from django_site import configure, site

    configure()
    from django.conf import settings as django_settings
    from django.test import Client

    with site(HOOKGUARD={name.upper(): value for name, value in settings(box).items()}):
        django_settings.ROOT_URLCONF.urlpatterns[:] = PAGE["Mounting it 2"].run()["urlpatterns"]
        answer = Client().get(f"{BASE}/")
        assert answer.status_code == 404
        assert answer["Content-Security-Policy"]


@pytest.mark.runs("docs/page.md", "Mounting it 3")
def test_the_example_for_starlette_lets_operators_in(box):
    pytest.importorskip("starlette")
    import httpx
    from starlette.responses import Response
    from starlette.routing import Route

    from hookguard_starlette import HookGuard

    given = settings(box)
    app = PAGE["Mounting it 3"].run({"hooks": HookGuard(given["endpoints"], store=given["store"]), "SECRET_KEY": KEY})["app"]

    async def login(request):
        request.session.update(role="operator", name="ada")
        return Response()

    app.router.routes.append(Route("/login", login))

    async def visit():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
            return [await client.get(path) for path in (f"{BASE}/", "/login", f"{BASE}/")]

    before, _, after = asyncio.run(visit())
    assert before.status_code == 404
    assert "signed in as ada" in after.text


@pytest.mark.runs("docs/page.md", "Hiding values")
def test_the_values_of_the_example_are_hidden():
    given = {"endpoints": PAGE["Hiding values"].run({"SECRET": SECRET})["ENDPOINTS"]}
    settings = Settings(given, where="HOOKGUARD", default_store=None)
    assert settings.endpoint("stripe").inbox.hide == ("/data/object/card", "/data/object/customer_email")


@pytest.mark.runs("docs/page.md", "Rerun and drop")
def test_the_lines_of_the_log_are_those_of_the_page(tmp_path, caplog):
    pytest.importorskip("flask")
    caplog.set_level(logging.INFO, "hookguard.inbox")
    with page_site("flask", tmp_path / "hookguard.sqlite3") as site:
        key = site.box.put("evt_1")
        site.box.kill(key)
        site.who = ("grace", ALL[1])
        site.act(key, "body")
        site.who = ("ada", ALL[1])
        site.act(key, "rerun", reason="the mail server was down")
    logged = [f"{record.levelname} {record.getMessage()}" for record in caplog.records]
    printed = PAGE["Rerun and drop"].printed().replace("4f1c2a9be0d7…", key).replace("4f1c2a9be0d7", key[:12]).splitlines()
    assert printed[::-1] == [line for line in logged if line in printed]


def test_the_table_has_every_word():
    assert tuple(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)) == MAY


def test_the_policy_and_the_pictures_are_those_of_the_page():
    assert f"`{dict(HEADERS)['Content-Security-Policy']}`" in TEXT.replace("\n", " ")
    pictures = re.findall(r"\((images/[\w-]+\.png)\)", TEXT)
    assert sorted(pictures) == sorted(f"images/{path.name}" for path in (ROOT / "docs" / "images").glob("page-*.png"))
