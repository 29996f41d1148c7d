import pytest
from flask import Blueprint, Flask
from flask.views import MethodView
from flask_deliveries import make_app, post, stripe

from hookguard_flask import HookGuard

flask_wtf = pytest.importorskip("flask_wtf")


@pytest.fixture(params=["hookguard first", "CSRFProtect first"])
def app(request):
    app = make_app(SECRET_KEY="a-key-for-sessions")
    if request.param == "CSRFProtect first":
        flask_wtf.CSRFProtect(app)
        app.hooks = HookGuard(app)
    else:
        app.hooks = HookGuard(app)
        flask_wtf.CSRFProtect(app)
    return app


def deliver(app: Flask, path="/hook", method="POST"):
    delivery = stripe(f"evt_{path}_{method}")
    return app.test_client().open(path, method=method, data=delivery.body, headers=list(delivery.headers.items())).status_code


def test_a_guarded_view_needs_no_token_and_every_other_still_does(app):
    @app.post("/hook")
    @app.hooks.guard("stripe")
    def hook():
        return "", 204

    @app.post("/other")
    def other():
        raise AssertionError("reached without a token")

    assert deliver(app) == 204
    assert deliver(app, "/other") == 400
    assert app.test_client().post("/hook").status_code == 401


def test_a_protected_blueprint_needs_no_token(app):
    bp = Blueprint("bp", __name__)

    class Hook(MethodView):
        def post(self):
            return "", 204

    bp.add_url_rule("/hook", view_func=Hook.as_view("hook"))
    app.hooks.protect(bp, "stripe")
    app.register_blueprint(bp)
    assert deliver(app) == 204


def test_a_view_that_is_reached_from_outside_the_prefix_as_well_still_needs_one(app):
    app.hooks.protect(app, "stripe", prefix="/hooks/")

    def both():
        return "", 204

    def inside():
        return "", 204

    app.add_url_rule("/hooks/both", "both", both, methods=["POST"])
    app.add_url_rule("/elsewhere", "both", both, methods=["POST"])
    app.add_url_rule("/hooks/inside", "inside", inside, methods=["POST"])
    assert deliver(app, "/hooks/inside") == 204
    assert deliver(app, "/elsewhere") == 400


def test_a_class_with_one_guarded_method_is_exempt_when_no_other_method_changes_anything(app):
    class Hook(MethodView):
        def get(self):
            return "status"

        @app.hooks.guard("stripe")
        def post(self):
            return "", 204

    class Mixed(Hook):
        def put(self):
            raise AssertionError("reached without a token")

    app.add_url_rule("/hook", view_func=Hook.as_view("hook"))
    app.add_url_rule("/mixed", view_func=Mixed.as_view("mixed"))
    assert deliver(app) == 204
    assert deliver(app, "/mixed", "PUT") == 400
    assert deliver(app, "/mixed") == 400


def test_a_namesake_that_is_not_guarded_keeps_both_under_protection(app):
    # Flask-WTF knows a view by its module and name.
    def guarded():
        def hook():
            return "", 204

        return app.hooks.guard("stripe")(hook)

    def unguarded():
        def hook():
            raise AssertionError("reached without a token")

        return hook

    app.add_url_rule("/hook", "one", guarded(), methods=["POST"])
    app.add_url_rule("/other", "two", unguarded(), methods=["POST"])
    assert deliver(app) == 400
    assert deliver(app, "/other") == 400


def test_without_csrfprotect_nothing_is_looked_for():
    app = make_app()
    hooks = HookGuard(app)
    app.extensions.pop("csrf", None)
    app.post("/hook")(hooks.guard("stripe")(lambda: ("", 204)))
    assert post(app.test_client(), stripe("evt_1")).status_code == 204
