import json

import pytest
from flask import Blueprint
from flask_deliveries import SECRET, github, make_app, post, stripe
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, Unauthorized

from hookguard import Delivery, MemoryStore, StoreUnavailable, presets
from hookguard.errors import BodyTooLarge, MalformedBody, MissingSignature, SignatureMismatch
from hookguard_flask import HookGuard, WebhookRejected, current_webhook

FORGED = presets.STRIPE.sign(b'{"id": "evt_1"}', "another-secret-of-twenty")


def by_decorator(app, hooks, found=None):
    app.post("/hook")(hooks.guard("stripe")(lambda: ("", 204)))
    if found is not None:
        app.register_error_handler(*found)


def by_blueprint(app, hooks, found=None):
    bp = Blueprint("bp", __name__)
    bp.add_url_rule("/hook", view_func=lambda: ("", 204), methods=["POST"], endpoint="hook")
    hooks.protect(bp, "stripe")
    if found is not None:
        bp.register_error_handler(*found)
    app.register_blueprint(bp)


@pytest.fixture(params=[by_decorator, by_blueprint], ids=lambda make: make.__name__)
def guarding(request):
    return request.param


@pytest.fixture
def app(guarding):
    app = make_app(HOOKGUARD_MAX_BODY=1000)
    guarding(app, HookGuard(app))
    return app


def test_the_sender_reads_one_opaque_sentence(app):
    answers = [
        post(app.test_client(), delivery)
        for delivery in (FORGED, stripe("evt_1")._replace(body=b"{}"), Delivery(b"{}", {}), stripe("evt_1")._replace(body=b""))
    ]
    for answer in answers:
        assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
        assert json.loads(answer.data) == {"type": "about:blank", "title": "webhook rejected", "status": 401}


@pytest.mark.parametrize("what", [401, WebhookRejected, Unauthorized, HTTPException])
def test_an_error_handler_finds_a_rejection(guarding, what):
    app = make_app()
    found = []

    def rejected(error):
        found.append(error)
        return "no", 401

    guarding(app, HookGuard(app), (what, rejected))
    answer = post(app.test_client(), FORGED)
    assert (answer.status_code, answer.text) == (401, "no")
    (error,) = found
    assert isinstance(error, (WebhookRejected, Unauthorized))
    assert isinstance(error.error, SignatureMismatch)
    assert error.code == 401
    assert SECRET not in f"{error} {error.error}"


def test_the_handler_of_the_nearest_status_and_of_the_app_is_found(app):
    found = []

    @app.errorhandler(413)
    def too_large(error):
        found.append((type(error.error), isinstance(error, RequestEntityTooLarge)))
        return error

    @app.errorhandler(401)
    def unauthorized(error):
        found.append(type(error.error))
        return error

    answer = post(app.test_client(), stripe("evt_1", filler="x" * 1000))
    assert (answer.status_code, answer.content_type) == (413, "application/problem+json")
    assert post(app.test_client(), Delivery(b"{}", {})).status_code == 401
    assert found == [(BodyTooLarge, True), MissingSignature]


def test_outcomes_other_than_rejections_raise_no_exception(app):
    app.register_error_handler(HTTPException, lambda error: pytest.fail("raised"))
    client = app.test_client()
    assert [post(client, stripe("evt_1")).status_code for _ in range(2)] == [204, 200]


def test_a_store_that_is_down_raises_no_exception():
    class Down(MemoryStore):
        def claim(self, *_, **__):
            raise StoreUnavailable("down")

    app = make_app(HOOKGUARD_STORE=Down())
    by_decorator(app, HookGuard(app))
    app.register_error_handler(HTTPException, lambda error: pytest.fail("raised"))
    answer = post(app.test_client(), stripe("evt_1"))
    assert (answer.status_code, answer.content_type) == (503, "application/problem+json")


def test_a_method_that_no_delivery_uses_is_answered_405_with_allow():
    app = make_app()
    hooks = HookGuard(app)
    app.route("/hook", methods=["POST", "PUT"])(hooks.guard("stripe")(lambda: ("", 204)))
    delivery = stripe("evt_1")
    answer = app.test_client().put("/hook", data=delivery.body, headers=list(delivery.headers.items()))
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("where", ["view", "blueprint"])
def test_a_genuine_body_that_cannot_be_read_is_a_rejection_like_any_other(where):
    app = make_app()
    hooks = HookGuard(app)
    found = []
    app.register_error_handler(400, lambda error: found.append(error.error) or error)

    def hook():
        return str(current_webhook.json())

    if where == "view":
        app.post("/hook")(hooks.guard("github")(hook))
    else:
        bp = Blueprint("bp", __name__)
        bp.post("/hook")(hook)
        hooks.protect(bp, "github")
        app.register_blueprint(bp)
    assert post(app.test_client(), github(b"{broken", "d-1")).status_code == 400
    assert [type(error) for error in found] == [MalformedBody]


def test_a_rejected_of_the_apps_own_is_left_to_the_app(caplog):
    app = make_app()
    hooks = HookGuard(app)
    hooks.protect(app, "stripe", prefix="/hooks/")

    @app.get("/elsewhere")
    def elsewhere():
        raise MalformedBody("the app's own")

    assert app.test_client().get("/elsewhere").status_code == 500
    assert "the app's own" in caplog.text
