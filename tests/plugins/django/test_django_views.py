import asyncio
import functools
import json
import logging
import threading

import pytest

pytest.importorskip("django")

from django_deliveries import SECRET, apost, github, post, settings, stripe
from django_site import configure, site

configure()

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.template import Context, Template
from django.template.response import SimpleTemplateResponse
from django.test import override_settings
from django.urls import path
from django.views import View

from hookguard import ConfigurationError, Delivery, Endpoint, Event, MemoryStore, StoreUnavailable, Verifier, presets
from hookguard_django import (
    WebhookView,
    current_webhook,
    get_current_webhook,
    webhook,
    webhook_duplicate,
    webhook_failed,
    webhook_handled,
    webhook_rejected,
)


class Shop:
    """A project with one guarded view, and what it ran."""

    def __init__(self):
        self.ran = []

    def handle(self, event):
        self.ran.append((event.id, event.attempt))
        wanted = event.headers.get("x-then") or "204"
        match wanted:
            case "raise":
                raise ZeroDivisionError
            case "404":
                raise Http404
            case "403":
                raise PermissionDenied
            case "json":
                event.json()
        return HttpResponse(status=int(wanted) if wanted.isdigit() else 204)


def function_view(shop, name):
    @webhook(name)
    def view(request, **kwargs):
        return shop.handle(request.webhook)

    return view


def async_view(shop, name):
    @webhook(name)
    async def view(request, **kwargs):
        await asyncio.sleep(0)
        return shop.handle(request.webhook)

    return view


def class_view(shop, name):
    class Hook(WebhookView):
        endpoint = name

        def received(self, request, event, **kwargs):
            assert event is request.webhook
            return shop.handle(event)

    return Hook.as_view()


def async_class_view(shop, name):
    class Hook(WebhookView):
        endpoint = name

        async def received(self, request, event, **kwargs):
            await asyncio.sleep(0)
            return shop.handle(event)

    return Hook.as_view()


def rest_function(shop, name):
    decorators = pytest.importorskip("rest_framework.decorators")

    @webhook(name)
    @decorators.api_view(["POST"])
    @decorators.authentication_classes([])
    @decorators.permission_classes([])
    def view(request, **kwargs):
        return shop.handle(request.webhook)

    return view


def rest_class(shop, name):
    views = pytest.importorskip("rest_framework.views")

    class Hook(views.APIView):
        authentication_classes = ()
        permission_classes = ()

        def post(self, request, **kwargs):
            return shop.handle(request.webhook)

    return webhook(name)(Hook.as_view())


WAYS = [function_view, async_view, class_view, async_class_view, rest_function, rest_class]


@pytest.fixture(params=["wsgi", "asgi"])
def send(request):
    """Send a delivery through either of Django's handlers."""
    if request.param == "wsgi":
        return post
    return lambda *args, **kwargs: asyncio.run(apost(*args, **kwargs))


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def shop(request):
    made = Shop()
    hooks = settings()
    with site(HOOKGUARD=hooks):
        views = [path(f"hook/{name}", request.param(made, name)) for name in ("stripe", "github", "slack")]
        with site(*views, HOOKGUARD=hooks):
            yield made


def then(delivery, what):
    return Delivery(delivery.body, {**dict(delivery.headers.items()), "X-Then": what}, delivery.method)


def test_an_event_runs_once_without_a_csrf_token(shop, send):
    assert send(stripe(), "/hook/stripe").status_code == 204
    answer = send(stripe(), "/hook/stripe")
    assert (answer.status_code, answer["Hookguard-Duplicate"], answer.content) == (200, "1", b"")
    assert "Content-Type" not in answer
    assert shop.ran == [("evt_1", 1)]


def test_forgeries_get_one_opaque_sentence(shop, send):
    answer = send(stripe()._replace(body=b"{}"), "/hook/stripe")
    assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")
    assert json.loads(answer.content) == {"type": "about:blank", "title": "webhook rejected", "status": 401}
    assert shop.ran == []


@pytest.mark.parametrize(
    ("what", "status"), [("500", 500), ("404", 404), ("403", 403), ("raise", 500), ("422", 422), ("302", 302)]
)
def test_anything_but_2xx_releases_the_event(shop, send, what, status):
    assert send(then(stripe(), what), "/hook/stripe").status_code == status
    assert send(stripe(), "/hook/stripe").status_code == 204
    assert shop.ran == [("evt_1", 1), ("evt_1", 2)]


def test_a_genuine_body_that_cannot_be_read_answers_400(shop, send):
    answer = send(then(github(b"not json"), "json"), "/hook/github")
    assert (answer.status_code, json.loads(answer.content)["title"]) == (400, "webhook rejected")


def test_a_challenge_is_answered_without_the_view(shop, send):
    challenge = presets.SLACK.sign(b'{"type": "url_verification", "challenge": "abc"}', SECRET)
    answer = send(challenge, "/hook/slack")
    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, b"abc", "text/plain; charset=utf-8")
    assert shop.ran == []


def test_other_methods_are_answered_405(shop, send):
    answer = send(stripe()._replace(method="GET", body=b""), "/hook/stripe")
    assert (answer.status_code, answer["Allow"]) == (405, "POST")


# --- the rest needs no way of its own


@pytest.fixture
def hook():
    """Serve one view of the test's at /hook."""
    opened = []

    def serve(view, store=None, **more):
        given = settings(store)
        for name in ("LEASE", "MAX_CONCURRENT", "REQUIRE_HTTPS"):
            if name in more:
                given[name] = more.pop(name)
        manager = site(path("hook", view), HOOKGUARD=given, **more)
        manager.__enter__()
        opened.append(manager)

    yield serve
    for manager in reversed(opened):
        manager.__exit__(None, None, None)


def test_the_body_and_the_form_can_be_read_in_the_view_as_always(hook):
    seen = []

    @webhook("github")
    def view(request):
        seen.append((request.body, request.POST.dict(), request.webhook.form))
        return HttpResponse()

    hook(view)
    form = github(b"payload=%7B%7D", **{"Content-Type": "application/x-www-form-urlencoded"})
    assert post(form).status_code == 200
    assert seen == [(form.body, {"payload": "{}"}, {"payload": "{}"})]


def test_the_view_keeps_its_name_and_its_arguments(hook):
    @webhook("stripe")
    def paid(request, shop_id):
        """The effect of a payment."""
        return JsonResponse({"shop": shop_id})

    assert (paid.__name__, paid.__doc__) == ("paid", "The effect of a payment.")
    assert paid.csrf_exempt
    with site(path("hook/<int:shop_id>", paid), HOOKGUARD=settings()):
        assert json.loads(post(stripe(), "/hook/7").content) == {"shop": 7}


def test_a_template_is_rendered_while_a_failure_still_releases_the_event(hook):
    class Broken(SimpleTemplateResponse):
        @property
        def rendered_content(self):
            return Template("{{ 1|nothing }}").render(Context())

    @webhook("stripe")
    def view(request):
        return Broken("none")

    hook(view, TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}])
    assert post(stripe()).status_code == 500
    seen = []

    @webhook("stripe")
    def mended(request):
        seen.append(request.webhook.attempt)
        return HttpResponse()

    from django.conf import settings as django_settings

    django_settings.ROOT_URLCONF.urlpatterns[:] = [path("hook", mended)]
    from django.urls import clear_url_caches

    clear_url_caches()
    assert post(stripe()).status_code == 200
    assert seen == [2]


def test_a_streaming_answer_is_an_answer(hook):
    hook(webhook("stripe")(lambda request: StreamingHttpResponse([b"a", b"b"])))
    assert b"".join(post(stripe()).streaming_content) == b"ab"


@pytest.mark.parametrize("answer", [None, "text", 204])
def test_a_view_that_returns_no_response_raises_a_clear_error(hook, answer):
    hook(webhook("stripe")(lambda request: answer))
    with pytest.raises(TypeError, match="not an HttpResponse"):
        post(stripe(), raises=True)
    assert post(stripe()).status_code == 500


def test_a_coroutine_behind_a_plain_wrapper_is_found_out(hook):
    async def view(request):
        return HttpResponse()

    hook(webhook("stripe")(functools.wraps(view)(lambda request: view(request))))  # noqa: PLW0108 - it hides the coroutine
    with pytest.raises(TypeError, match="decorate the asynchronous view itself"):
        post(stripe(), raises=True)


class Down(MemoryStore):
    """A store that can be switched off."""

    def __init__(self, *failing):
        super().__init__()
        self.failing = set(failing)

    def claim(self, key, **arguments):
        if "claim" in self.failing:
            raise StoreUnavailable("down")
        return super().claim(key, **arguments)

    def complete(self, key, **arguments):
        if "complete" in self.failing:
            raise StoreUnavailable("down")
        return super().complete(key, **arguments)


@pytest.mark.parametrize("failing", ["claim", "complete"])
@pytest.mark.parametrize("way", [function_view, async_view])
def test_a_store_that_is_down_answers_503(hook, send, failing, way):
    hook(lambda request: None)
    shop = Shop()
    store = Down(failing)
    with site(path("hook", way(shop, "stripe")), HOOKGUARD=settings(store)):
        answer = send(stripe())
        assert (answer.status_code, answer["Retry-After"]) == (503, "30")
        assert len(shop.ran) == (failing == "complete")


def test_requests_over_the_concurrency_limit_get_503(hook):
    inside, leave = threading.Event(), threading.Event()

    @webhook("stripe")
    def view(request):
        inside.set()
        assert leave.wait(10)
        return HttpResponse()

    hook(view, MAX_CONCURRENT=1)
    first = threading.Thread(target=post, args=(stripe(),))
    first.start()
    assert inside.wait(10)
    answer = post(stripe("evt_2"))
    leave.set()
    first.join()
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert post(stripe("evt_2")).status_code == 200


def test_twenty_concurrent_duplicates_run_one_time():
    shop = Shop()
    with site(path("hook", function_view(shop, "stripe")), HOOKGUARD=settings()):
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(post(stripe()).status_code)) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(shop.ran) == 1
    assert len(answers) == 20
    assert set(answers) <= {200, 204, 503}


@pytest.mark.parametrize("asynchronous", [False, True])
def test_current_webhook_is_the_requests_own_and_is_gone_afterwards(hook, asynchronous):
    seen = []

    def see(request):
        assert isinstance(current_webhook, Event)
        assert current_webhook == get_current_webhook() == request.webhook
        seen.append((type(get_current_webhook()), current_webhook.id))
        return HttpResponse(status=204)

    async def see_later(request):
        await asyncio.sleep(0)
        return see(request)

    hook(webhook("stripe")(see_later if asynchronous else see))
    assert [post(stripe(name)).status_code for name in ("evt_1", "evt_2", "evt_2")] == [204, 204, 200]
    assert seen == [(Event, "evt_1"), (Event, "evt_2")]
    with pytest.raises(RuntimeError, match="no webhook is being handled here"):
        get_current_webhook()
    with pytest.raises(RuntimeError, match="no webhook is being handled here"):
        current_webhook.id  # noqa: B018 - reading it is what is tested


def test_signals_are_sent_for_each_outcome(hook):
    heard = []
    signals = {"handled": webhook_handled, "duplicate": webhook_duplicate, "rejected": webhook_rejected, "failed": webhook_failed}

    def hear(name):
        def receiver(sender, outcome, **_):
            heard.append((name, sender, outcome.outcome))

        return receiver

    receivers = {name: hear(name) for name in signals}
    for name, signal in signals.items():
        signal.connect(receivers[name])
    try:
        shop = Shop()
        hook(function_view(shop, "stripe"))
        post(stripe())
        post(stripe())
        post(stripe()._replace(body=b""))
        post(then(stripe("evt_2"), "500"))
    finally:
        for name, signal in signals.items():
            signal.disconnect(receivers[name])
    assert heard == [
        ("handled", "stripe", "handled"),
        ("duplicate", "stripe", "duplicate"),
        ("rejected", "stripe", "rejected"),
        ("failed", "stripe", "failed"),
    ]


def test_the_log_says_why_and_hides_what_must_be_hidden(hook, caplog):
    caplog.set_level(logging.INFO, "hookguard")
    hook(function_view(Shop(), "stripe"))
    post(stripe(card="4242-never-in-a-log"))
    post(stripe(card="4242-never-in-a-log")._replace(body=b"other"))
    handled, rejected = [record for record in caplog.records if record.name == "hookguard"]
    assert (handled.outcome, handled.event_id, handled.status, handled.secret) == ("handled", "evt_1", 204, "#1")
    assert (rejected.outcome, rejected.reason_code, rejected.status) == ("rejected", "signature_mismatch", 401)
    everything = "".join(repr(vars(record)) for record in (handled, rejected))
    assert "4242-never-in-a-log" not in everything
    assert SECRET not in everything


def test_changed_settings_are_read_again_in_a_test(hook):
    hook(function_view(Shop(), "stripe"))
    assert post(stripe()).status_code == 204
    with override_settings(
        HOOKGUARD={"ENDPOINTS": {"stripe": {"SECRETS": ["another-secret-of-some-length"]}}, "STORE": MemoryStore()}
    ):
        assert post(stripe()).status_code == 401
    assert post(stripe()).status_code == 200


def test_an_endpoint_made_by_hand(hook):
    endpoint = Endpoint(Verifier("github", SECRET), name="by-hand")
    shop = Shop()
    hook(function_view(shop, endpoint))
    assert post(github()).status_code == 204
    assert shop.ran == [("1", 1)]


def test_an_unknown_endpoint_says_which_there_are(hook):
    hook(function_view(Shop(), "strpe"))
    with pytest.raises(ConfigurationError, match="did you mean 'stripe'"):
        post(stripe(), raises=True)


def test_without_our_app_the_default_store_is_a_file_in_the_projects_folder(tmp_path):
    given = {"ENDPOINTS": {"stripe": {"SECRETS": [SECRET]}}}
    with site(path("hook", function_view(Shop(), "stripe")), HOOKGUARD=given, BASE_DIR=tmp_path, INSTALLED_APPS=[]):
        assert post(stripe()).status_code == 204
    assert (tmp_path / "hookguard.sqlite3").exists()
    with (
        site(path("hook", function_view(Shop(), "stripe")), HOOKGUARD=given, INSTALLED_APPS=[]),
        pytest.raises(ConfigurationError, match="BASE_DIR"),
    ):
        post(stripe(), raises=True)


def test_a_path_without_its_slash_is_answered_by_a_redirect_that_providers_do_not_follow():
    """The trap that check U2 warns of."""
    shop = Shop()
    with site(path("hook/", function_view(shop, "stripe")), HOOKGUARD=settings(), APPEND_SLASH=True, DEBUG=False):
        assert post(stripe(), "/hook").status_code == 301
        assert post(stripe(), "/hook/").status_code == 204
    assert len(shop.ran) == 1


def test_a_decorator_without_a_name_asks_for_it():
    class Nameless(WebhookView):
        def received(self, request, event):
            return HttpResponse()

    class Plain(View):
        pass

    for wrong in (
        lambda: webhook(lambda request: HttpResponse()),
        lambda: webhook(None),
        Nameless.as_view,
        lambda: webhook(Plain),
    ):
        with pytest.raises(ConfigurationError, match="give the endpoint's name"):
            wrong()
    with pytest.raises(ConfigurationError, match="Plain is a class"):
        webhook("stripe")(Plain)
