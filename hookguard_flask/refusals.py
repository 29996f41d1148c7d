"""Replies as Flask's responses and back, and refusals as HTTP exceptions that ``@app.errorhandler(401)`` finds like any other."""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import Response
from werkzeug.exceptions import HTTPException, default_exceptions

from hookguard import HookguardError, Rejected, Reply

__all__ = ["WebhookRejected", "answer", "refusal", "reply_of", "response_of"]


class WebhookRejected(HTTPException):
    """A delivery was refused. ``refusal`` is hookguard's own error, for your eyes; the sender gets one opaque sentence."""

    refusal: Rejected
    reply: Reply

    def get_response(self, environ: Any = None, scope: Any = None) -> Response:
        """Return the reply as hookguard words it."""
        return response_of(self.reply)


def answer(reply: Reply, error: HookguardError | None) -> Response:
    """Raise what was refused; return any other reply, such as to a duplicate, a challenge, or 503."""
    if isinstance(error, Rejected):
        raise refusal(reply, error)
    return response_of(reply)


def refusal(reply: Reply, error: Rejected) -> WebhookRejected:
    """Return a refusal as an exception, which is also Werkzeug's own for that status."""
    rejected = _kind(reply.status)()
    rejected.refusal, rejected.reply = error, reply
    return rejected


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


@cache
def _kind(status: int) -> type[WebhookRejected]:
    # Flask looks handlers up by class, so the code has to be the class's.
    plain = default_exceptions.get(status, HTTPException)
    bases = (WebhookRejected,) if plain is HTTPException else (WebhookRejected, plain)
    return type(f"WebhookRejected{status}", bases, {"code": status})
