"""The status that the log reports for the answer to a view's exception: known if Flask decides it, missing if the app does."""

import pytest

pytest.importorskip("flask")

from flask import Flask, abort
from werkzeug.exceptions import InternalServerError, NotFound

from hookguard import MemoryStore, presets
from hookguard_flask import HookGuard, webhook_failed

SECRET = "whsec_GpbHODqYsK2jn1fwRv2119uNETI485Tg"


def raised():
    raise ValueError("the view's own mistake")


@pytest.mark.parametrize(
    ("fails", "handled", "answered", "known"),
    [
        (raised, None, 500, 500),
        (raised, ValueError, 418, None),
        (raised, Exception, 418, None),
        (raised, 500, 418, None),
        (raised, InternalServerError, 418, None),
        (raised, 404, 500, 500),
        (lambda: abort(503), None, 503, 503),
        (lambda: abort(503), 503, 418, None),
        (lambda: abort(503), NotFound, 503, 503),
    ],
)
def test_status_is_known_unless_an_error_handler_decides(fails, handled, answered, known):
    app = Flask("failing")
    app.config["HOOKGUARD"] = {"endpoints": {"stripe": {"secrets": [SECRET]}}, "store": MemoryStore()}
    app.post("/hook")(HookGuard(app).guard("stripe")(fails))
    if handled is not None:
        app.register_error_handler(handled, lambda error: ("", 418))
    heard = []
    signed = presets.STRIPE.sign(b'{"id": "evt_1"}', SECRET)
    with webhook_failed.connected_to(lambda sender, **facts: heard.append(facts["outcome"]), app):
        status = app.test_client().post("/hook", data=signed.body, headers=list(signed.headers.items())).status_code
    assert (status, [outcome.status for outcome in heard]) == (answered, [known])
