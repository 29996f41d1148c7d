"""The status that the log reports for an exception that leaves the application: 500, or missing if a handler decides."""

import pytest

pytest.importorskip("starlette")

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Route
from starlette_deliveries import make_hooks, post, stripe


class Raises:
    """A middleware inside of the guard that raises."""

    error = ValueError()

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        raise self.error


@pytest.mark.parametrize(
    ("error", "handled", "answered", "known"),
    [
        (ValueError(), None, 500, 500),
        (ValueError(), ValueError, 418, None),
        (ValueError(), Exception, 418, None),
        (ValueError(), 500, 418, None),
        (ValueError(), 404, 500, 500),
        (HTTPException(403), None, 403, None),
    ],
)
def test_status_is_known_unless_a_handler_decides(error, handled, answered, known, monkeypatch):
    async def decide(request, error):
        return Response(status_code=418)

    async def view(request):
        return Response()

    heard = []
    monkeypatch.setattr(Raises, "error", error)
    hooks = make_hooks(observers=[heard.append])
    route = Route("/hook", view, methods=["POST"], middleware=[hooks.middleware("stripe"), Middleware(Raises)])
    app = Starlette(routes=[route], exception_handlers={} if handled is None else {handled: decide})
    assert post(app, stripe("evt_1")).status_code == answered
    assert [(outcome.outcome, outcome.status) for outcome in heard] == [("failed", known)]
