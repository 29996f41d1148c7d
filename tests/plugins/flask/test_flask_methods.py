from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Blueprint
from flask.views import MethodView
from flask_deliveries import SECRET, make_app, post, stripe

from hookguard import Endpoint, Reply, Verifier, presets
from hookguard_flask import HookGuard, current_webhook


class Handshake:
    """A challenge like that of providers that ask for an echo with GET, and look for the URL with HEAD."""

    methods = frozenset({"GET", "HEAD"})
    comes_unsigned = True

    def unsigned(self, delivery):
        if delivery.method == "HEAD":
            return Reply(200)
        token = parse_qs(urlsplit(delivery.url).query).get("challenge", [""])[0]
        return Reply.text(200, token) if delivery.method == "GET" and token.isalnum() else None

    def signed(self, event):
        return None


ASKING = replace(presets.STRIPE, name="asking", challenge=Handshake())


def asking_app():
    app = make_app(HOOKGUARD_ENDPOINTS={"asking": {"preset": ASKING, "secrets": [SECRET]}})
    return app, HookGuard(app)


def post_only_route(app, hooks):
    app.post("/hook")(hooks.guard("asking")(lambda: (current_webhook.id, 200)))


def class_based(app, hooks):
    class Hook(MethodView):
        decorators = (hooks.guard("asking"),)

        def post(self):
            return current_webhook.id

    app.add_url_rule("/hook", view_func=Hook.as_view("hook"))


def blueprint(app, hooks):
    bp = Blueprint("bp", __name__)
    bp.add_url_rule("/hook", view_func=hooks.guard("asking")(lambda: current_webhook.id), methods=["POST"], endpoint="hook")
    app.register_blueprint(bp)


def protected_blueprint(app, hooks):
    bp = Blueprint("bp", __name__)
    bp.add_url_rule("/hook", view_func=lambda: current_webhook.id, methods=["GET", "POST"], endpoint="hook")
    hooks.protect(bp, "asking")
    app.register_blueprint(bp)


def before_the_app_was_known(app, _):
    later = HookGuard()
    bp = Blueprint("bp", __name__)
    bp.post("/hook")(later.guard("asking")(lambda: current_webhook.id))
    later.init_app(app)
    app.register_blueprint(bp)


@pytest.mark.parametrize(
    "place",
    [post_only_route, class_based, blueprint, protected_blueprint, before_the_app_was_known],
    ids=lambda place: place.__name__,
)
def test_challenges_by_get_and_head_reach_the_guard(place):
    app, hooks = asking_app()
    place(app, hooks)
    client = app.test_client()
    answer = client.get("/hook?challenge=abc")
    assert (answer.status_code, answer.text, answer.mimetype) == (200, "abc", "text/plain")
    assert client.head("/hook").status_code == 200
    assert client.get("/hook").status_code == 401
    assert post(client, stripe("evt_1")).text == "evt_1"


def test_an_endpoint_given_as_an_object_brings_its_methods_as_well():
    app = make_app()
    hooks = HookGuard()
    bp = Blueprint("bp", __name__)
    bp.post("/hook")(hooks.guard(Endpoint(Verifier(ASKING, [SECRET])))(lambda: ""))
    hooks.init_app(app)
    app.register_blueprint(bp)
    assert app.test_client().get("/hook?challenge=abc").text == "abc"


def test_a_post_only_provider_adds_no_method():
    app = make_app()
    hooks = HookGuard(app)
    app.post("/hook")(hooks.guard("stripe")(lambda: ""))
    assert app.test_client().get("/hook").status_code == 405


def test_slacks_challenge_is_answered_and_runs_nothing():
    app = make_app(HOOKGUARD_ENDPOINTS={"slack": {"secrets": [SECRET]}})
    hooks = HookGuard(app)
    app.post("/hook")(hooks.guard("slack")(lambda: pytest.fail("ran")))
    body = b'{"type": "url_verification", "challenge": "3eZbrw1aB10"}'
    answer = post(app.test_client(), presets.SLACK.sign(body, SECRET))
    assert (answer.status_code, answer.text, answer.mimetype) == (200, "3eZbrw1aB10", "text/plain")
    assert post(app.test_client(), presets.SLACK.sign(body, "another-secret-of-twenty")).status_code == 401


@pytest.mark.parametrize("how", ["view", "blueprint", "app"])
def test_flasks_own_options_are_not_guarded(how, caplog):
    app = make_app()
    hooks = HookGuard(app)

    def hook():
        return "", 204

    if how == "view":
        app.post("/hook")(hooks.guard("stripe")(hook))
    elif how == "app":
        hooks.protect(app, "stripe")
        app.post("/hook")(hook)
    else:
        bp = Blueprint("bp", __name__)
        bp.post("/hook")(hook)
        hooks.protect(bp, "stripe")
        app.register_blueprint(bp)
    answer = app.test_client().options("/hook")
    assert (answer.status_code, set(answer.allow)) == (200, {"POST", "OPTIONS"})
    assert caplog.records == []


def test_a_protected_blueprint_lets_pages_through_and_no_change():
    app = make_app()
    hooks = HookGuard(app)
    bp = Blueprint("bp", __name__)
    bp.get("/status")(lambda: "fine")

    @bp.route("/hook", methods=["POST", "PUT", "PATCH", "DELETE", "REPORT"])
    def hook():
        return "ran", 200

    hooks.protect(bp, "stripe")
    app.register_blueprint(bp)
    client = app.test_client()
    assert client.get("/status").text == "fine"
    delivery = stripe("evt_1")
    for method in ("PUT", "PATCH", "DELETE", "REPORT"):
        answer = client.open("/hook", method=method, data=delivery.body, headers=list(delivery.headers.items()))
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert post(client, delivery).text == "ran"


def test_the_prefixes_of_an_app_each_have_their_endpoint_and_the_rest_has_none():
    app = make_app()
    hooks = HookGuard(app)
    hooks.protect(app, "stripe", prefix="/hooks/stripe")
    hooks.protect(app, "github", prefix="/hooks/github")
    for path in ("/hooks/stripe", "/hooks/github", "/hooks", "/%68ooks/stripe/x", "/elsewhere"):
        app.add_url_rule(path.replace("%68", "h"), path, lambda: "ran", methods=["POST"])
    client = app.test_client()
    assert post(client, stripe("evt_1"), "/hooks/stripe").text == "ran"
    assert post(client, presets.GITHUB.sign(b"{}", SECRET, id="d-1"), "/hooks/github").text == "ran"
    for path in ("/hooks/stripe", "/hooks/github", "/%68ooks/stripe/x", "/hooks/%73tripe"):
        assert client.post(path).status_code == 401
    for path in ("/hooks", "/elsewhere"):
        assert client.post(path).text == "ran"
