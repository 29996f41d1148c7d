"""Call a WSGI application (PEP 3333), in the caller's thread."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from hookguard.headers import Headers
from hookguard.work.calling import Answer, Call

__all__ = ["call_wsgi"]

WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def call_wsgi(app: WSGIApp, call: Call) -> Answer:
    """Call the application, and return its answer. Never raises what the application raises, not even SystemExit."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> Callable[[bytes], None]:
        started[:] = [(status, headers)]  # a second call replaces the first, with exc_info
        return _drop

    error: BaseException | None = None
    body: Iterable[bytes] = ()
    try:
        body = app(_environ(call), start_response)
        for _ in body:
            pass  # a streamed response runs the application's code to its end
    except BaseException as raised:  # in a thread of the worker, SystemExit is the handler's failure
        error = raised
    try:
        # Frameworks end the request here: Django closes its connections.
        getattr(body, "close", _drop)()
    except BaseException as raised:  # as above
        error = error or raised
    if not started:
        return Answer(error=error)
    status, headers = started[0]
    number: int | None = None
    with suppress(ValueError):
        number = int(status.partition(" ")[0])
    return Answer(number, Headers(headers), error)


def _environ(call: Call) -> dict[str, Any]:
    """Return the environ of a server that received this call."""
    name, port = call.server
    path, root = call.path.decode("latin-1"), call.root
    environ: dict[str, Any] = {
        "REQUEST_METHOD": call.method,
        "SCRIPT_NAME": root,
        "PATH_INFO": path[len(root) :] if root and f"{path}/".startswith(f"{root}/") else path,
        "QUERY_STRING": call.query,
        "RAW_URI": call.target,
        "REQUEST_URI": call.target,
        "SERVER_NAME": name,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": call.remote or "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": call.scheme,
        "wsgi.input": io.BytesIO(call.body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for header in call.headers:
        if "_" not in header:  # it would be mistaken for the name with a hyphen
            key = header.upper().replace("-", "_")
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = ",".join(call.headers.all(header))
    # The body is here as a whole, whatever the sender announced.
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ.pop("HTTP_CONTENT_LENGTH", None)
    environ |= {"HTTP_HOST": call.host, "CONTENT_LENGTH": str(len(call.body)), **call.extra}
    return environ


def _drop(*_: object) -> None:
    """Take what nobody reads."""
