"""The page in three frameworks, asked the same way: over one inbox in a file, with a visitor that each test chooses."""

import asyncio
import re
import secrets
import time
from contextlib import contextmanager
from html import unescape
from typing import NamedTuple

from inboxes import SECRET, Box

from hookguard.evidence.contract import DeliveryRecord, KeptBody

BASE = "/ops/webhooks"
KEY = "signs-the-forms-of-the-page"
ALL = ("ada", {"look", "open", "rerun", "drop"})
CANARY = "canary-4242"
HOSTILE = "<script>alert(1)</script>\"'&\u202e\x1b[31m\nnew line"
FRAMEWORKS = ("flask", "django", "starlette")

#: Settings of the endpoint whose events the box holds.
INBOX = {"hide": ["/card"]}


class Answer(NamedTuple):
    status: int
    headers: dict  # names in lower case
    body: bytes

    @property
    def text(self):
        return self.body.decode()


class PageSite:
    """Asks one framework. ``who`` is what ``allow`` returns."""

    def __init__(self, box, ask):
        self.box = box
        self.who = ALL
        self._ask = ask
        self.answers = []

    def get(self, path="/", **headers):
        return self.ask("GET", path, None, headers)

    def post(self, path, form, **headers):
        return self.ask("POST", path, form, headers)

    def ask(self, method, path, form=None, headers=None):
        named = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        status, got, body = self._ask(method, BASE + path, form, named)
        answer = Answer(status, {name.lower(): value for name, value in got}, body)
        self.answers.append(answer)
        return answer

    def token(self, action, path):
        """The token of the form for an action, on the page at ``path``."""
        return token_of(self.get(path).text, action)

    def act(self, key, action, **form):
        """Fill in one of the forms on the page of an entry, and send it."""
        path = f"/entry/{key}/{action}"
        return self.post(path, {"token": self.token(path, f"/entry/{key}"), **form})


def reject(box, age=0.0, **facts):
    """Store the record of a rejected delivery that came some seconds ago."""
    now = time.time()
    given = {
        "endpoint": "stripe",
        "provider": "stripe",
        "outcome": "rejected",
        "status": 401,
        "reason_code": "signature_mismatch",
    }
    found = DeliveryRecord(delivery=secrets.token_hex(16), at=now - age, keep_until=now + 600, **{**given, **facts})
    assert box.evidence().write([(found, KeptBody(CANARY.encode()))]) == 1
    return found


def token_of(text, action):
    form = re.search(rf'<form[^>]*action="{BASE}{re.escape(action)}"[^>]*>(.*?)</form>', text, re.DOTALL)
    assert form, (action, text)
    return unescape(re.search(r'name="token" value="([^"]+)"', form[1])[1])


def settings(box, *, evidence=False, **inbox):
    endpoint = {"secrets": [SECRET], "inbox": {**INBOX, **inbox}, "evidence": evidence}
    return {"endpoints": {"stripe": endpoint}, "store": box.url}


@contextmanager
def page_site(framework, path, **inbox):
    """Open the page over an inbox in ``path``."""
    box = Box(path)
    given = settings(box, **inbox)
    with {"flask": _flask, "django": _django, "starlette": _starlette}[framework](box, given) as found:
        yield found


@contextmanager
def _flask(box, given):
    from flask import Flask

    from hookguard_flask import HookGuard

    app = Flask("shop")
    app.config.update(HOOKGUARD=given, SECRET_KEY=KEY, PROPAGATE_EXCEPTIONS=True)
    app.register_blueprint(HookGuard(app).page(allow=lambda request: site.who), url_prefix=BASE)
    client = app.test_client()

    def ask(method, path, form, headers):
        answer = client.open(path, method=method, data=form, headers=headers)
        return answer.status_code, list(answer.headers), answer.data

    site = PageSite(box, ask)
    yield site


@contextmanager
def _django(box, given):
    from django_site import configure
    from django_site import site as project

    configure()
    from django.conf import settings as django_settings
    from django.test import Client
    from django.urls import path

    from hookguard_django import page_urls

    def ask(method, where, form, headers):
        client = Client(enforce_csrf_checks=True)
        data = {"data": form} if form is not None else {}
        answer = getattr(client, method.lower())(where, headers=headers, **data)
        return answer.status_code, list(answer.items()), answer.content

    site = PageSite(box, ask)
    upper = {name.upper(): value for name, value in given.items()}
    with project(HOOKGUARD=upper, SECRET_KEY=KEY):
        django_settings.ROOT_URLCONF.urlpatterns[:] = [path(f"{BASE[1:]}/", page_urls(allow=lambda request: site.who))]
        yield site


@contextmanager
def _starlette(box, given):
    import httpx
    from starlette.applications import Starlette
    from starlette.routing import Mount

    from hookguard_starlette import HookGuard

    async def allow(request):
        assert request.url.path.startswith(BASE)
        return site.who

    hooks = HookGuard(given["endpoints"], store=given["store"])
    app = Starlette(routes=[Mount(BASE, hooks.page(allow=allow, secret_key=KEY))])

    async def send(method, path, form, headers):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
            return await client.request(method, path, data=form, headers=headers)

    def ask(method, path, form, headers):
        answer = asyncio.run(send(method, path, form, headers))
        return answer.status_code, answer.headers.multi_items(), answer.content

    site = PageSite(box, ask)
    yield site
