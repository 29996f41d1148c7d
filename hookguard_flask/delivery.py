"""A Flask request as a delivery, its body within the endpoint's limit, and a reply as a Flask response and back."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from flask import Request, Response
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from hookguard import Delivery, Guard, Headers, Receipt, Reply
from hookguard.errors import BodyTooLarge, MalformedDelivery, TruncatedBody
from hookguard.guard.resuming import WORKER
from hookguard.head.content_type import PLAIN_JSON, agreed_type
from hookguard.head.target import host_of

__all__ = ["allow_form", "head_of", "receive", "reply_of", "response_of"]


def receive(request: Request, guard: Guard) -> Receipt | Delivery:
    """Return the delivery, or the receipt of one that is rejected by its head or while it is read; or a worker's receipt.

    The body stays cached, so that the view may use ``request.json`` and ``request.form`` as always. RuntimeError when
    something read it before.
    """
    environ = request.environ
    if (resumed := guard.resume(environ.get(WORKER))) is not None:
        _read_again(request, guard, resumed)
        return resumed
    limit = guard.endpoint.max_body
    if (own := request.max_content_length) is not None:
        limit = min(limit, own)
    # One byte more than allowed: Werkzeug cuts a chunked body at its limit without a word, and a cut body must be seen.
    # Set before anything is rejected, so that a later read of a rejected delivery's form has the same limit.
    request.max_content_length = limit + 1
    target = _target(environ)
    try:
        url = guard.endpoint.url(target, {request.path, request.root_path + request.path})
    except MalformedDelivery as error:
        return guard.reject(error, head_of(request))
    headers, sender, secure = Headers.from_wsgi(environ), request.remote_addr, request.is_secure
    root = environ.get("SCRIPT_NAME", "")
    server = "" if "HTTP_HOST" in environ else host_of(environ.get("SERVER_NAME", ""), environ.get("SERVER_PORT"))
    head = Delivery(b"", headers, request.method, url, sender, secure, target, root, server)
    if (rejected := guard.screen(head)) is not None:
        return rejected
    try:
        body = request.get_data(cache=True)
    except RequestEntityTooLarge:
        return guard.reject(_too_large(limit), head)
    except ClientDisconnected:
        return guard.reject(TruncatedBody("the sender hung up before the end of the body"), head)
    except Exception as error:
        # A server's own exception, such as gunicorn's for chunks that are not valid.
        return guard.reject(MalformedDelivery(f"the server could not read the body: {type(error).__name__}"), head)
    if len(body) > limit:
        return guard.reject(_too_large(limit), head)
    if not body and request.content_length:
        raise RuntimeError(
            "the body of this webhook was read before hookguard could verify it: something touched request.form,"
            " request.stream or get_data(cache=False) in a signal handler or a WSGI middleware; let hookguard come first"
        )
    _agree(request, guard, headers, body)
    return Delivery(body, headers, request.method, url, sender, secure, target, root, server)


def _read_again(request: Request, guard: Guard, receipt: Receipt) -> None:
    """Let the view read an event from the inbox as it would have read the delivery. Its size was checked when it came."""
    request.max_content_length = None
    _agree(request, guard, receipt.event.headers, request.get_data(cache=True))


def head_of(request: Request) -> Delivery:
    """Return a delivery's method, headers and sender, without its URL and its body."""
    return Delivery(b"", Headers.from_wsgi(request.environ), request.method, "", request.remote_addr, request.is_secure)


def allow_form(request: Request) -> None:
    """Let the view read the form of a verified delivery, which is in memory already, whatever MAX_FORM_MEMORY_SIZE says."""
    if request.environ.get("CONTENT_TYPE") in PLAIN_JSON:
        return  # no form: Flask looks the limit up through two proxies, 4 us
    if (limit := request.max_form_memory_size) is not None:
        request.max_form_memory_size = max(limit, len(request.get_data(cache=True)))


def response_of(reply: Reply) -> Response:
    """Return a reply as Flask's response."""
    response = Response(reply.body, reply.status, list(reply.headers))
    if "Content-Type" not in dict(reply.headers):
        del response.headers["Content-Type"]
    return response


def reply_of(response: Response) -> Reply | None:
    """Return a view's response as a reply; None for one that is streamed, whose body can be read only once."""
    if not response.is_sequence:
        return None
    return Reply(response.status_code, tuple(response.headers), response.get_data())


def _agree(request: Request, guard: Guard, headers: Headers, body: bytes) -> None:
    """Let Flask parse the body as what it is: nobody signs the Content-Type, and Flask follows it."""
    kind = agreed_type(headers, body, forms=guard.endpoint.preset.sends_forms)
    if kind is not None:
        request.environ["CONTENT_TYPE"] = kind
        # Everything that was parsed by the Content-Type that came.
        for kept in ("_parsed_content_type", "_cached_json", "form", "files", "values"):
            request.__dict__.pop(kept, None)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body is over {limit} bytes: max_body, or the app's MAX_CONTENT_LENGTH")


def _target(environ: dict[str, Any]) -> str:
    """The path and query as they came over the wire, where the server says it; else rebuilt, which is not exact."""
    raw: str = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
    if raw:
        return raw
    # Not werkzeug's or wsgiref's URL: it holds the Host header, in which a sender could write another path.
    path = quote(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""), safe="/;=,", encoding="latin-1")
    query = environ.get("QUERY_STRING", "")
    return f"{path}?{query}" if query else path
