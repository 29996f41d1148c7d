import threading

import pytest
from flask import Blueprint, Response, abort
from flask.views import MethodView, View
from flask_deliveries import SECRET, github, make_app, post, stripe

from hookguard import Event, MemoryStore, StoreUnavailable, presets
from hookguard_flask import HookGuard, current_webhook


class Shop:
    """An app whose handler does what the event asks for, and remembers what it ran."""

    def __init__(self, place, **config):
        self.app = make_app(**config)
        self.hooks = HookGuard(self.app)
        self.ran = []
        self.meanwhile = lambda: None
        for provider in ("stripe", "github"):
            place(self, provider)
        self.client = self.app.test_client()

    def handle(self):
        self.ran.append((current_webhook.id, current_webhook.attempt))
        self.meanwhile()
        wanted = current_webhook.json()
        match wanted.get("then"):
            case "raise":
                raise ValueError("the handler's own")
            case "exit":
                raise SystemExit(1)
            case "abort":
                abort(422)
            case "abort with an answer":
                abort(Response("", wanted["status"]))
        return "", wanted.get("status", 204)

    def post(self, delivery, provider="stripe"):
        return post(self.app.test_client(), delivery, f"/hooks/{provider}")


def view(shop, provider):
    @shop.app.post(f"/hooks/{provider}", endpoint=provider)
    @shop.hooks.guard(provider)
    def handle():
        return shop.handle()


def async_view(shop, provider):
    @shop.app.post(f"/hooks/{provider}", endpoint=provider)
    @shop.hooks.guard(provider)
    async def handle():
        return shop.handle()


def class_based(shop, provider):
    class Hook(View):
        methods = ("POST",)
        decorators = (shop.hooks.guard(provider),)

        def dispatch_request(self):
            return shop.handle()

    shop.app.add_url_rule(f"/hooks/{provider}", view_func=Hook.as_view(provider))


def method_view(shop, provider):
    class Hook(MethodView):
        decorators = (shop.hooks.guard(provider),)

        async def post(self):
            return shop.handle()

    shop.app.add_url_rule(f"/hooks/{provider}", view_func=Hook.as_view(provider))


def one_method(shop, provider):
    class Hook(MethodView):
        @shop.hooks.guard(provider)
        def post(self):
            return shop.handle()

    shop.app.add_url_rule(f"/hooks/{provider}", view_func=Hook.as_view(provider))


def blueprint(shop, provider):
    bp = Blueprint(provider, __name__, url_prefix="/hooks")
    bp.add_url_rule(f"/{provider}", view_func=shop.handle, methods=["POST"], endpoint="hook")
    shop.hooks.protect(bp, provider)
    shop.app.register_blueprint(bp)


def nested_blueprint(shop, provider):
    outer, inner = Blueprint(f"outer_{provider}", __name__, url_prefix="/hooks"), Blueprint(provider, __name__)
    inner.add_url_rule(f"/{provider}", view_func=shop.handle, methods=["POST"], endpoint="hook")
    shop.hooks.protect(outer, provider)
    outer.register_blueprint(inner)
    shop.app.register_blueprint(outer)


def below_a_prefix(shop, provider):
    shop.hooks.protect(shop.app, provider, prefix=f"/hooks/{provider}")

    async def handle():
        return shop.handle()

    shop.app.add_url_rule(f"/hooks/{provider}", view_func=handle, methods=["POST"], endpoint=provider)


def twice(shop, provider):
    shop.hooks.protect(shop.app, provider, prefix=f"/hooks/{provider}")
    view(shop, provider)


def blueprint_below_a_prefix(shop, provider):
    shop.hooks.protect(shop.app, provider, prefix=f"/hooks/{provider}")
    blueprint(shop, provider)


PLACES = [
    view,
    async_view,
    class_based,
    method_view,
    one_method,
    blueprint,
    nested_blueprint,
    below_a_prefix,
    twice,
    blueprint_below_a_prefix,
]


@pytest.fixture(params=PLACES, ids=lambda place: place.__name__)
def place(request):
    return request.param


@pytest.fixture
def shop(place):
    return Shop(place)


def test_an_event_runs_once_and_its_duplicate_is_acknowledged(shop):
    event = stripe("evt_1")
    assert shop.post(event).status_code == 204
    again = shop.post(event)
    assert (again.status_code, again.data, again.headers["Hookguard-Duplicate"]) == (200, b"", "1")
    assert "Content-Type" not in again.headers
    assert shop.ran == [("evt_1", 1)]


def test_a_forged_delivery_runs_nothing_and_claims_nothing(shop):
    genuine = stripe("evt_1")
    forged = presets.STRIPE.sign(genuine.body, "another-secret-of-twenty")
    assert shop.post(forged).status_code == 401
    assert shop.post(genuine._replace(body=genuine.body.replace(b"evt_1", b"evt_2"))).status_code == 401
    assert shop.ran == []
    assert shop.post(genuine).status_code == 204


@pytest.mark.parametrize(
    ("wish", "status"), [({"status": 503}, 503), ({"status": 302}, 302), ({"then": "raise"}, 500), ({"then": "abort"}, 422)]
)
def test_an_event_that_is_not_acknowledged_is_released(shop, wish, status):
    event = stripe("evt_1", **wish)
    assert shop.post(event).status_code == status
    assert shop.post(event).status_code == status
    assert shop.ran == [("evt_1", 1), ("evt_1", 2)]


def test_an_exception_that_propagates_releases_the_event(place):
    shop = Shop(place, TESTING=True)
    event = stripe("evt_1", then="raise")
    for _ in range(2):
        with pytest.raises(ValueError, match="the handler's own"):
            shop.post(event)
    assert shop.ran == [("evt_1", 1), ("evt_1", 2)]


def test_a_worker_that_is_stopped_keeps_its_claim_until_the_lease_runs_out(shop):
    event = stripe("evt_1", then="exit")
    with pytest.raises(SystemExit):
        shop.post(event)
    again = shop.post(event)
    assert again.status_code == 503
    assert 1 <= int(again.headers["Retry-After"]) <= 60
    assert len(shop.ran) == 1


@pytest.mark.parametrize(("status", "again"), [(204, 200), (409, 409)])
def test_an_answer_that_is_aborted_with_counts_as_one(shop, status, again):
    event = stripe("evt_1", then="abort with an answer", status=status)
    assert shop.post(event).status_code == status
    assert shop.post(event).status_code == again


def test_a_genuine_body_that_cannot_be_read_is_answered_400_and_released(shop):
    event = github(b"{broken", "d-1")
    for _ in range(2):
        answer = shop.post(event, "github")
        assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    assert [attempt for _, attempt in shop.ran] == [1, 2]


def test_a_duplicate_of_a_running_event_gets_503_with_retry_after(shop):
    event = stripe("evt_1")
    meanwhile = []

    def repeat():
        thread = threading.Thread(target=lambda: meanwhile.append(shop.post(event)))
        thread.start()
        thread.join(10)

    shop.meanwhile = repeat
    assert shop.post(event).status_code == 204
    (second,) = meanwhile
    assert second.status_code == 503
    assert 1 <= int(second.headers["Retry-After"]) <= 60
    assert shop.ran == [("evt_1", 1)]


def test_a_request_over_the_concurrency_limit_gets_503_and_is_not_counted_for_ever(place):
    shop = Shop(place, HOOKGUARD_MAX_CONCURRENT=1)
    meanwhile = []

    def send_another():
        thread = threading.Thread(target=lambda: meanwhile.append(shop.post(stripe("evt_2"))))
        thread.start()
        thread.join(10)

    shop.meanwhile = send_another
    assert shop.post(stripe("evt_1")).status_code == 204
    assert (meanwhile[0].status_code, meanwhile[0].headers["Retry-After"]) == (503, "1")
    shop.meanwhile = lambda: None
    for wish in ({"then": "raise"}, {"status": 500}, {}):
        assert shop.post(stripe(f"evt_{wish}", **wish)).status_code in (500, 204)
    assert shop.post(stripe("evt_2")).status_code == 204
    assert [event_id for event_id, _ in shop.ran].count("evt_2") == 1


class Broken(MemoryStore):
    def __init__(self, step, outcome):
        super().__init__()

        def fail(*_, **__):
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        setattr(self, step, fail)


def test_a_store_that_is_down_is_answered_503_and_runs_nothing(place):
    shop = Shop(place, HOOKGUARD_STORE=Broken("claim", StoreUnavailable("down")))
    answer = shop.post(stripe("evt_1"))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert shop.ran == []


@pytest.mark.parametrize("outcome", [StoreUnavailable("down"), False], ids=["down", "lease lost"])
def test_an_event_that_cannot_be_completed_is_not_acknowledged(place, outcome):
    shop = Shop(place, HOOKGUARD_STORE=Broken("complete", outcome))
    answer = shop.post(stripe("evt_1"))
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    assert shop.ran == [("evt_1", 1)]


def test_completed_before_the_answer_leaves(place):
    seen = []

    class Store(MemoryStore):
        def complete(self, *args, **kwargs):
            seen.append("complete")
            return super().complete(*args, **kwargs)

    shop = Shop(place, HOOKGUARD_STORE=Store())
    application = shop.app.wsgi_app

    def listening(environ, start_response):
        def starting(*args):
            seen.append("start_response")
            return start_response(*args)

        return application(environ, starting)

    shop.app.wsgi_app = listening
    assert shop.post(stripe("evt_1")).status_code == 204
    assert seen == ["complete", "start_response"]


@pytest.mark.parametrize("where", [blueprint, below_a_prefix], ids=lambda place: place.__name__)
def test_with_protect_the_answer_of_an_error_handler_is_what_counts(where):
    shop = Shop(where)

    @shop.app.errorhandler(ValueError)
    def settle_for_it(error):
        return "", 202

    event = stripe("evt_1", then="raise")
    assert [shop.post(event).status_code for _ in range(2)] == [202, 200]


def test_a_later_before_request_that_answers_decides_over_the_event():
    app = make_app()
    hooks = HookGuard(app)
    bp = Blueprint("bp", __name__)
    hooks.protect(bp, "stripe")
    seen = []

    @bp.before_request
    def maintenance():
        seen.append(current_webhook.id)
        return "", 503

    bp.add_url_rule("/hook", view_func=lambda: "", methods=["POST"], endpoint="hook")
    app.register_blueprint(bp)
    assert [post(app.test_client(), stripe("evt_1")).status_code for _ in range(2)] == [503, 503]
    assert seen == ["evt_1", "evt_1"]


def test_two_guards_of_different_endpoints_both_have_their_say():
    app = make_app(HOOKGUARD_ENDPOINTS={name: {"preset": "stripe", "secrets": [SECRET]} for name in ("outer", "inner")})
    hooks = HookGuard(app)
    hooks.protect(app, "outer")
    ran = []

    @app.post("/hook")
    @hooks.guard("inner")
    def hook():
        ran.append(current_webhook.id)
        return "", 500 if len(ran) == 1 else 204

    client = app.test_client()
    assert [post(client, stripe("evt_1")).status_code for _ in range(3)] == [500, 204, 200]
    assert ran == ["evt_1", "evt_1"]


def test_current_webhook_is_the_event(shop):
    kinds = []
    shop.meanwhile = lambda: kinds.append((isinstance(current_webhook, Event), current_webhook.provider, current_webhook.type))
    shop.post(stripe("evt_1"))
    assert kinds == [(True, "stripe", "invoice.paid")]
