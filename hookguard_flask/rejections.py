"""Rejections as HTTP exceptions, which ``@app.errorhandler(401)`` finds like any other."""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import Response
from werkzeug.exceptions import HTTPException, default_exceptions

from hookguard import HookguardError, Rejected, Reply
from hookguard_flask.delivery import response_of

__all__ = ["WebhookRejected", "answer", "rejection"]


class WebhookRejected(HTTPException):
    """A delivery was rejected. ``error`` says why, for the operator; the sender gets ``reply``, one opaque sentence."""

    error: Rejected
    reply: Reply

    def get_response(self, environ: Any = None, scope: Any = None) -> Response:
        """Return the reply as Flask's response."""
        return response_of(self.reply)


def answer(reply: Reply, error: HookguardError | None) -> Response:
    """Raise what was rejected; return any other reply, such as to a duplicate, a challenge, or 503."""
    if isinstance(error, Rejected):
        raise rejection(reply, error)
    return response_of(reply)


def rejection(reply: Reply, error: Rejected) -> WebhookRejected:
    """Return a rejection as an exception, which is also Werkzeug's own for that status."""
    rejected = _kind(reply.status)()
    rejected.error, rejected.reply = error, reply
    return rejected


@cache
def _kind(status: int) -> type[WebhookRejected]:
    # Flask looks handlers up by class, so the code has to be the class's.
    plain = default_exceptions.get(status, HTTPException)
    bases = (WebhookRejected,) if plain is HTTPException else (WebhookRejected, plain)
    return type(f"WebhookRejected{status}", bases, {"code": status})
