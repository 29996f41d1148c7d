from dataclasses import replace

import pytest
from flask import Blueprint
from flask.views import MethodView
from flask_deliveries import SECRET, make_app, post, stripe

from hookguard import ConfigurationError, Endpoint, InHeader, InQuery, Reply, Verifier, presets
from hookguard.challenge import AnyOf, Echo, Fixed
from hookguard_flask import HookGuard, current_webhook

ASKING = replace(
    presets.STRIPE,
    name="asking",
    challenge=AnyOf(
        Echo(InQuery("challenge"), method="GET", comes_unsigned=True),
        Fixed(Reply(200), method="HEAD", comes_unsigned=True),
        Echo(InHeader("Asked"), method="OPTIONS", comes_unsigned=True, as_header="Answered"),
    ),
)


def asking_app():
    app = make_app(HOOKGUARD_ENDPOINTS={"asking": {"preset": ASKING, "secrets": [SECRET]}})
    return app, HookGuard(app)


def post_only_route(app, hooks):
    app.post("/hook")(hooks.guard("asking")(lambda: (current_webhook.id, 200)))


def class_based(app, hooks):
    class Hook(MethodView):
        decorators = (hooks.guard("asking"),)
        provide_automatic_options = False  # as Flask would not ask the guard

        def post(self):
            return current_webhook.id

    app.add_url_rule("/hook", view_func=Hook.as_view("hook"))


def blueprint(app, hooks):
    bp = Blueprint("bp", __name__)
    bp.add_url_rule("/hook", view_func=hooks.guard("asking")(lambda: current_webhook.id), methods=["POST"], endpoint="hook")
    app.register_blueprint(bp)


def protected_blueprint(app, hooks):
    bp = Blueprint("bp", __name__)
    bp.add_url_rule("/hook", view_func=lambda: current_webhook.id, methods=["GET", "OPTIONS", "POST"], endpoint="hook")
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
def test_challenges_by_get_head_and_options_reach_the_guard(place, caplog):
    app, hooks = asking_app()
    place(app, hooks)
    client = app.test_client()
    answer = client.get("/hook?challenge=abc")
    assert (answer.status_code, answer.text, answer.mimetype) == (200, "abc", "text/plain")
    assert client.head("/hook").status_code == 200
    assert client.get("/hook").status_code == 401
    asked = client.options("/hook", headers={"Asked": "who"})
    assert (asked.status_code, asked.headers.get("Answered"), asked.text) == (200, "who", "")
    assert client.options("/hook").status_code == 401
    assert post(client, stripe("evt_1")).text == "evt_1"
    assert "takes no" not in caplog.text


def test_a_route_made_before_the_app_was_known_is_rejected_when_the_challenge_would_not_reach_it():
    app = make_app(HOOKGUARD_ENDPOINTS={"asking": {"preset": ASKING, "secrets": [SECRET]}})
    hooks = HookGuard()
    app.post("/hook")(hooks.guard("asking")(lambda: ""))
    with pytest.raises(ConfigurationError, match=r"/hook takes no GET and no HEAD, .* before the view gets its route"):
        hooks.init_app(app)


def protected_without_methods(app, hooks):
    bp = Blueprint("bp", __name__)
    bp.post("/hook")(lambda: current_webhook.id)
    hooks.protect(bp, "asking")
    app.register_blueprint(bp)


def single_method(app, hooks):
    class Hook(MethodView):
        @hooks.guard("asking")
        def post(self):
            return current_webhook.id

    app.add_url_rule("/hook", view_func=Hook.as_view("hook"))


@pytest.mark.parametrize("place", [protected_without_methods, single_method], ids=lambda place: place.__name__)
def test_a_route_that_a_challenge_does_not_reach_is_named_in_the_log(place, caplog):
    app, hooks = asking_app()
    place(app, hooks)
    client = app.test_client()
    assert post(client, stripe("evt_1")).text == "evt_1"
    assert "/hook takes no GET and no HEAD" in caplog.text
    caplog.clear()
    assert post(client, stripe("evt_2")).text == "evt_2"
    assert "takes no" not in caplog.text


def test_an_app_is_protected_before_flask_checks_methods():
    app, hooks = asking_app()
    hooks.protect(app, "asking", prefix="/hook")
    app.post("/hook")(lambda: current_webhook.id)
    client = app.test_client()
    assert client.get("/hook?challenge=abc").text == "abc"
    assert client.options("/hook", headers={"Asked": "who"}).headers["Answered"] == "who"
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
    assert [record for record in caplog.records if record.name == "hookguard"] == []


def test_the_first_request_settles_who_answers_options():
    app = make_app()
    hooks = HookGuard(app)
    app.post("/hook")(hooks.guard("stripe")(lambda: ""))
    (rule,) = (rule for rule in app.url_map.iter_rules() if rule.rule == "/hook")
    assert type(rule.provide_automatic_options) is not bool
    assert app.test_client().options("/hook").status_code == 200
    assert rule.provide_automatic_options is True


def test_flasks_own_options_may_be_switched_off():
    app = make_app(PROVIDE_AUTOMATIC_OPTIONS=False)
    hooks = HookGuard(app)
    app.post("/hook")(hooks.guard("stripe")(lambda: ""))
    answer = app.test_client().options("/hook")
    assert (answer.status_code, set(answer.allow)) == (405, {"POST"})


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
