"""The page in Django: its permissions decide, no middleware gives the page away, and the admin hides the same values."""

import asyncio

import pytest

pytest.importorskip("django")

from django_site import configure, site

configure()

from django.contrib.auth.models import AnonymousUser, User
from django.test import AsyncClient, Client
from django.urls import path
from inboxes import Box
from page_sites import ALL, BASE, KEY, reject, settings, token_of

from hookguard import ConfigurationError
from hookguard_django import page_urls

LOGIN = [
    "django.middleware.common.CommonMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
]
COOKIES = {"SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies"}


@pytest.fixture
def box(tmp_path):
    return Box(tmp_path / "hookguard.sqlite3")


def hooks(box, **given):
    return {name.upper(): value for name, value in settings(box, **given).items()}


def mount(**given):
    from django.conf import settings as django_settings

    django_settings.ROOT_URLCONF.urlpatterns[:] = [path(f"{BASE[1:]}/", page_urls(**given))]


class Permitted(User):
    """A user whose permissions are a list, without a table."""

    class Meta:
        proxy = True
        app_label = "auth"

    def has_perm(self, perm, obj=None):
        return perm in self.permitted


def person(*permissions, is_staff=True, is_active=True):
    user = Permitted(username="grace", is_staff=is_staff, is_active=is_active)
    user.permitted = [f"hookguard.{name}_webhookinbox" for name in permissions]
    return user


class As:
    """A middleware that logs one person in."""

    user = AnonymousUser()

    def __init__(self, get_response):
        self._get_response = get_response

    def __call__(self, request):
        request.user = self.user
        return self._get_response(request)


@pytest.fixture
def client(box, monkeypatch):
    with site(HOOKGUARD=hooks(box), MIDDLEWARE=[f"{__name__}.As"], SECRET_KEY=KEY):
        mount()
        yield Client(enforce_csrf_checks=True)


def test_by_default_staff_with_the_permission_to_view_sees_the_page(box, client, monkeypatch):
    nobody = [AnonymousUser(), person("view", is_staff=False), person("view", is_active=False), person("open", "rerun", "drop")]
    for user in nobody:
        monkeypatch.setattr(As, "user", user)
        assert client.get(f"{BASE}/").status_code == 404
    monkeypatch.setattr(As, "user", person("view"))
    page = client.get(f"{BASE}/")
    assert page.status_code == 200
    assert "signed in as grace" in page.content.decode()


def test_rejected_deliveries_need_their_own_permission(box, monkeypatch):
    rejected = reject(box)
    both = person("view")
    both.permitted.append("hookguard.view_delivery")
    with site(HOOKGUARD=hooks(box, evidence=True), MIDDLEWARE=[f"{__name__}.As"], SECRET_KEY=KEY):
        mount()
        client = Client(enforce_csrf_checks=True)
        for user, status in ((person("view"), 404), (both, 200)):
            monkeypatch.setattr(As, "user", user)
            page = client.get(f"{BASE}/rejected")
            assert page.status_code == status
            assert (rejected.mark in page.content.decode()) == (status == 200)
            overview = client.get(f"{BASE}/").content.decode()
            assert ("Rejected" in overview) == (status == 200)


def test_each_permission_of_the_model_allows_its_own_action(box, client, monkeypatch):
    key = box.put("evt_1")
    box.kill(key)
    for permission, action in (("open", "body"), ("rerun", "rerun"), ("drop", "drop")):
        monkeypatch.setattr(As, "user", person("view", permission))
        text = client.get(f"{BASE}/entry/{key}").content.decode()
        assert [f'{key}/{each}"' in text for each in ("body", "rerun", "drop")] == [
            each == action for each in ("body", "rerun", "drop")
        ]
    token = token_of(text, f"/entry/{key}/drop")
    assert client.post(f"{BASE}/entry/{key}/drop", {"token": token, "reason": "a test event"}).status_code == 200
    assert box.state(key) is None


def test_no_middleware_gives_the_page_away(box):
    with site(HOOKGUARD=hooks(box), MIDDLEWARE=LOGIN, SECRET_KEY=KEY, APPEND_SLASH=True, **COOKIES):
        mount()
        for where in (BASE, f"{BASE}/", f"{BASE}/entries"):
            assert Client().get(where).status_code == 404


def test_the_page_needs_the_users_of_django_or_a_function(box):
    with site(HOOKGUARD=hooks(box), INSTALLED_APPS=["hookguard_django"]):
        with pytest.raises(ConfigurationError, match=r'"django.contrib.auth" is not in INSTALLED_APPS'):
            page_urls()
        mount(allow=lambda request: ALL)
        assert Client().get(f"{BASE}/").status_code == 200


def test_a_store_without_an_inbox_is_a_mistake():
    with (
        site(HOOKGUARD={"ENDPOINTS": {}, "STORE": "memory://"}),
        pytest.raises(ConfigurationError, match="cannot keep deliveries"),
    ):
        page_urls()


def test_the_page_reads_an_asynchronous_inbox():
    pytest.importorskip("asyncpg")
    import servers

    servers.needs("PostgreSQL")
    url = servers.POSTGRESQL.replace("postgresql://", "postgresql+asyncpg://")
    given = {"ENDPOINTS": {"stripe": {"SECRETS": ["a-long-enough-secret"], "INBOX": True}}, "STORE": url}

    async def visit():
        from hookguard_django.conf import endpoints

        client = AsyncClient()
        answers = [await client.get(f"{BASE}/{where}") for where in ("", "entries", f"entry/{'0' * 64}")]
        await endpoints().store.close()
        return [answer.status_code for answer in answers]

    with site(HOOKGUARD=given, MIDDLEWARE=[]):
        mount(allow=lambda request: ALL)
        assert asyncio.run(visit()) == [200, 200, 404]
