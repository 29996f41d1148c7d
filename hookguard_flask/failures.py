"""The status that Flask answers to a view's exception, for the log and the records."""

from __future__ import annotations

from flask import Flask, Request
from werkzeug.exceptions import HTTPException, InternalServerError

__all__ = ["status_to"]


def status_to(app: Flask, came: Request, error: BaseException) -> int | None:
    """Return the status of the answer to an exception; None if one of the application's error handlers decides."""
    if not isinstance(error, Exception) or _has_handler(app, came, error):
        return None
    if not isinstance(error, HTTPException):
        return None if _has_handler(app, came, InternalServerError()) else 500
    return None if app.trap_http_exception(error) else error.code


def _has_handler(app: Flask, came: Request, error: Exception) -> bool:
    codes = {None, error.code} if isinstance(error, HTTPException) else {None}
    for owner in (*came.blueprints, None):
        handlers = app.error_handler_spec.get(owner, {})
        if any(kind in handlers.get(code, {}) for code in codes for kind in type(error).__mro__):
            return True
    return False
