"""A Django request as a delivery, and a reply as a Django response and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseBase, RawPostDataException, UnreadablePostError

from hookguard import AsyncGuard, Delivery, Guard, Headers, Receipt, Reply
from hookguard.errors import BodyTooLarge, TruncatedBody

if TYPE_CHECKING:
    from django.core.handlers.asgi import ASGIRequest

__all__ = ["receive", "reply_of", "response_of"]


def receive(request: HttpRequest, guard: Union[Guard, AsyncGuard]) -> Receipt | Delivery:
    """Return the delivery, or the receipt of one that is refused by its head or while it is read.

    RuntimeError when something read the body before.
    """
    head = Delivery(
        b"",
        Headers.from_wsgi(request.META),
        request.method or "",
        guard.endpoint.url(_target(request)),
        request.META.get("REMOTE_ADDR") or None,
        request.is_secure(),
    )
    if (refused := guard.screen(head)) is not None:
        return refused
    try:
        body = request.body
    except RequestDataTooBig:
        return guard.refuse(
            BodyTooLarge("the body is over DATA_UPLOAD_MAX_MEMORY_SIZE: raise it to the endpoint's MAX_BODY"), head
        )
    except UnreadablePostError:
        return guard.refuse(TruncatedBody("the sender hung up before the end of the body"), head)
    except RawPostDataException as error:
        raise RuntimeError(
            "the body of this webhook was read before hookguard could verify it: a middleware above read request.POST of a"
            " multipart body, or request.read(); let hookguard come first"
        ) from error
    return head._replace(body=body)


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
    raw = request.META.get("RAW_URI") or request.META.get("REQUEST_URI")
    if raw:
        # A proxy may send the absolute form: https://host/path
        return str(raw) if raw.startswith("/") else "/" + str(raw).partition("://")[2].partition("/")[2]
    if hasattr(request, "scope"):
        scope = _asgi(request).scope
        if path := scope.get("raw_path"):
            query = scope.get("query_string", b"")
            target: str = path.partition(b"?")[0].decode("latin-1")
            return f"{target}?{query.decode('latin-1')}" if query else target
    return request.get_full_path()


def _asgi(request: HttpRequest) -> ASGIRequest:
    return request  # type: ignore[return-value]  # told by its scope
