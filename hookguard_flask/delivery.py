"""A Flask request as a delivery: the raw body, within the endpoint's limit."""

from __future__ import annotations

from wsgiref.util import request_uri

from flask import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from hookguard import Delivery, Guard, Headers, Receipt
from hookguard.errors import BodyTooLarge, MalformedDelivery, TruncatedBody

__all__ = ["receive"]


def receive(request: Request, guard: Guard) -> Receipt | Delivery:
    """Return the delivery, or the receipt of one that is refused by its head or while it is read.

    The body stays cached, so that the view may use ``request.json`` and ``request.form`` as always. RuntimeError when
    something read it before.
    """
    limit = guard.endpoint.max_body
    if request.max_content_length is not None:
        limit = min(limit, request.max_content_length)
    # One byte more than allowed: Werkzeug cuts a chunked body at its limit without a word, and a cut body must be seen.
    # Set before anything is refused, so that whoever reads the form of a refused delivery is held to it as well.
    request.max_content_length = limit + 1
    head = Delivery(
        b"",
        Headers.from_wsgi(request.environ),
        request.method,
        guard.endpoint.url(_target(request)),
        request.remote_addr,
        request.is_secure,
    )
    if (refused := guard.screen(head)) is not None:
        return refused
    try:
        body = request.get_data(cache=True)
    except RequestEntityTooLarge:
        return guard.refuse(_too_large(limit), head)
    except ClientDisconnected:
        return guard.refuse(TruncatedBody("the sender hung up before the end of the body"), head)
    except Exception as error:
        # A server's own exception, such as gunicorn's for chunks that are none.
        return guard.refuse(MalformedDelivery(f"the server could not read the body: {type(error).__name__}"), head)
    if len(body) > limit:
        return guard.refuse(_too_large(limit), head)
    if not body and request.content_length:
        raise RuntimeError(
            "the body of this webhook was read before hookguard could verify it: something touched request.form,"
            " request.stream or get_data(cache=False) in a signal handler or a WSGI middleware; let hookguard come first"
        )
    return head._replace(body=body)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body is over {limit} bytes: max_body, or the app's MAX_CONTENT_LENGTH")


def _target(request: Request) -> str:
    """The path and query as they came over the wire, where the server says it; else rebuilt, which is not exact."""
    environ = request.environ
    raw: str = environ.get("RAW_URI") or environ.get("REQUEST_URI") or request_uri(environ)
    # The absolute form, which a proxy may send: https://host/path
    return raw if raw.startswith("/") else "/" + raw.partition("://")[2].partition("/")[2]
