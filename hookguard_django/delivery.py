"""A Django request as a delivery, and a reply as a Django response and back."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Any, Union

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseBase, RawPostDataException, UnreadablePostError

from hookguard import AsyncGuard, Delivery, Guard, Headers, Receipt, Reply
from hookguard.errors import BodyTooLarge, MalformedDelivery, TruncatedBody
from hookguard.guard.resuming import WORKER
from hookguard.head.content_type import agreed_type
from hookguard.head.target import host_of, split_target

if TYPE_CHECKING:
    from django.core.handlers.asgi import ASGIRequest

__all__ = ["LIMITED", "head_of", "mark_of", "receive", "reply_of", "response_of"]

_log = logging.getLogger("hookguard.django")

#: The key of an ASGI scope that says that the body was limited while it came.
LIMITED = "hookguard.limited"


def receive(request: HttpRequest, guard: Union[Guard, AsyncGuard]) -> Receipt | Delivery:
    """Return the delivery, or the receipt of one that is rejected by its head or while it is read; or a worker's receipt.

    RuntimeError when something read the body before.
    """
    if (resumed := guard.resume(mark_of(request))) is not None:
        _agree(request, guard, resumed.event.headers, request.body)
        return resumed
    target = _target(request)
    try:
        url = guard.endpoint.url(target, {request.path, request.path_info})
    except MalformedDelivery as error:
        return guard.reject(error, head_of(request))
    meta = request.META
    headers, method, remote = Headers.from_wsgi(meta), request.method or "", meta.get("REMOTE_ADDR") or None
    secure, root = request.is_secure(), meta.get("SCRIPT_NAME", "")
    server = "" if "HTTP_HOST" in meta else host_of(meta.get("SERVER_NAME", ""), meta.get("SERVER_PORT"))
    head = Delivery(b"", headers, method, url, remote, secure, target, root, server)
    if hasattr(request, "scope") and not _asgi(request).scope.get(LIMITED):
        _warn_of_bodies()
    if (rejected := guard.screen(head)) is not None:
        return rejected
    try:
        if not meta.get("CONTENT_LENGTH"):
            _read_unannounced(request, guard.endpoint.max_body)
        body = request.body
    except RequestDataTooBig:
        return guard.reject(
            BodyTooLarge("the body is over DATA_UPLOAD_MAX_MEMORY_SIZE: raise it to the endpoint's MAX_BODY"), head
        )
    except UnreadablePostError:
        return guard.reject(TruncatedBody("the sender hung up before the end of the body"), head)
    except RawPostDataException as error:
        raise RuntimeError(
            "the body of this webhook was read before hookguard could verify it: a middleware above read request.POST of a"
            " multipart body, or request.read(); let hookguard come first"
        ) from error
    _agree(request, guard, headers, body)
    return Delivery(body, headers, method, url, remote, secure, target, root, server)


def mark_of(request: HttpRequest) -> object:
    """Return what a worker, or somebody else, put where a worker puts its receipt."""
    return _asgi(request).scope.get(WORKER) if hasattr(request, "scope") else request.META.get(WORKER)


def _agree(request: HttpRequest, guard: Union[Guard, AsyncGuard], headers: Headers, body: bytes) -> None:
    """Let Django parse the body as what it is: nobody signs the Content-Type, and Django follows it."""
    kind = agreed_type(headers, body, forms=guard.endpoint.preset.sends_forms)
    if kind is not None:
        request.META["CONTENT_TYPE"] = kind
        request.content_type, request.content_params = kind, {}
        # Everything that was parsed by the Content-Type that came.
        for kept in ("headers", "_post", "_files"):
            request.__dict__.pop(kept, None)


def head_of(request: HttpRequest) -> Delivery:
    """Return a delivery's method, headers and sender, without its URL and its body."""
    remote = request.META.get("REMOTE_ADDR") or None
    return Delivery(b"", Headers.from_wsgi(request.META), request.method or "", "", remote, request.is_secure())


@cache
def _warn_of_bodies() -> None:
    """Log once in a process that Django keeps bodies of any size under ASGI."""
    _log.warning(
        "Django under ASGI keeps a whole body, of any size and from anybody, before a view can reject it: in asgi.py, import"
        " get_asgi_application from hookguard_django.asgi, or limit bodies in the proxy in front"
    )


def _read_unannounced(request: HttpRequest, limit: int) -> None:
    """Read a body without Content-Length, at most one byte over ``limit``; Django alone would read nothing of it, or all.

    Under WSGI only where the server ends the body itself, as gunicorn does. RequestDataTooBig if the body is over Django's own
    limit, UnreadablePostError if the sender hung up.
    """
    if hasattr(request, "_body") or getattr(request, "_read_started", False):
        return
    environ: dict[str, Any] = getattr(request, "environ", {})
    chunked = environ.get("wsgi.input_terminated") and "HTTP_TRANSFER_ENCODING" in environ
    if not chunked and not hasattr(request, "scope"):
        return
    own = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    most = limit if own is None else min(limit, own)
    read = environ["wsgi.input"].read if chunked else request.read
    pieces: list[bytes] = []
    left = most + 1
    try:
        while left > 0 and (piece := read(min(left, 1 << 16))):
            pieces.append(piece)
            left -= len(piece)
    except Exception as error:
        # A server's own exception, such as gunicorn's for chunks that break off.
        raise UnreadablePostError(str(error)) from error
    if left <= 0 and most < limit:
        raise RequestDataTooBig
    # Where Django keeps the body that it read, so that the view may use request.POST as always.
    request._body = b"".join(pieces)


def response_of(reply: Reply) -> HttpResponse:
    """Return a reply as Django's response."""
    response = HttpResponse(reply.body, status=reply.status, headers=dict(reply.headers))
    if "Content-Type" not in dict(reply.headers):
        del response["Content-Type"]
    return response


def reply_of(response: HttpResponseBase) -> Reply | None:
    """Return a view's response as a reply; None for one that is streamed, whose body can be read only once."""
    if not isinstance(response, HttpResponse):
        return None
    return Reply(response.status_code, tuple(response.items()), response.content)


def _target(request: HttpRequest) -> str:
    """The path and query as they came over the wire, where the server says it; else rebuilt, which is not exact."""
    raw = str(request.META.get("RAW_URI") or request.META.get("REQUEST_URI") or "")
    if raw:
        # A proxy may send the absolute form: https://host/path
        return raw if raw.startswith("/") else str(split_target(raw)._replace(origin=""))
    if hasattr(request, "scope"):
        scope = _asgi(request).scope
        if path := scope.get("raw_path"):
            query = scope.get("query_string", b"")
            target: str = path.partition(b"?")[0].decode("latin-1")
            return f"{target}?{query.decode('latin-1')}" if query else target
    return request.get_full_path()


def _asgi(request: HttpRequest) -> ASGIRequest:
    return request  # type: ignore[return-value]  # told by its scope
