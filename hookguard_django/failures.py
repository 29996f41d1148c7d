"""The status that Django answers to a view's exception, for the log and the records."""

from __future__ import annotations

from functools import cache
from typing import Final

from django.conf import settings
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest
from django.http.multipartparser import MultiPartParserError
from django.urls import get_resolver
from django.utils.module_loading import import_string
from django.views import defaults

__all__ = ["status_to"]

#: As in django.core.handlers.exception, with Django's own view of each error.
_ANSWERS: Final = (
    (Http404, 404, defaults.page_not_found),
    (PermissionDenied, 403, defaults.permission_denied),
    ((MultiPartParserError, BadRequest, SuspiciousOperation), 400, defaults.bad_request),
    (Exception, 500, defaults.server_error),
)


def status_to(request: HttpRequest, error: BaseException) -> int | None:
    """Return the status of the answer to an exception; None if a view or middleware of the project decides.

    None too inside of a REST framework's view, which passes a request of its own.
    """
    if not isinstance(request, HttpRequest) or _middleware_decides(tuple(settings.MIDDLEWARE)):
        return None
    for kinds, status, own in _ANSWERS:
        if isinstance(error, kinds):
            view = get_resolver(getattr(request, "urlconf", None)).resolve_error_handler(status)
            return status if view is own else None
    return None  # such as a cancellation


@cache
def _middleware_decides(names: tuple[str, ...]) -> bool:
    return any(hasattr(import_string(name), "process_exception") for name in names)
