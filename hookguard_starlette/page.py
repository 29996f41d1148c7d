"""The page as an ASGI application."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import anyio.to_thread

from hookguard import ConfigurationError
from hookguard.config import Settings
from hookguard.errors import BodyTooLarge
from hookguard.page.door import Door
from hookguard.page.mount import need_allow, open_page
from hookguard.page.site import LARGEST_FORM, Page, PageRequest
from hookguard_starlette.delivery import Receive, Scope, Send, read_body, send_reply

__all__ = ["Allow", "PageApp"]

#: Returns None, or the visitor's name and a set of ``look``, ``open``, ``rerun``, ``drop``; or an awaitable of that.
Allow = Callable[..., Any]

#: Fields of a form.
_FIELDS = 20


class PageApp:
    """Serves the page at the path where it is mounted. ``allow`` gets Starlette's Request, and may be a coroutine."""

    def __init__(self, settings: Settings, allow: Allow | None, secret_key: str | bytes | None) -> None:
        need_allow(allow, "hooks.page(allow=who, secret_key=SECRET_KEY)")
        Door(secret_key)
        try:
            from starlette.requests import Request  # noqa: PLC0415 - the rest of the plugin needs no Starlette
        except ImportError:
            raise ConfigurationError(
                "page: allow takes Starlette's Request, and Starlette is not installed:"
                " pip install 'hookguard-webhooks[starlette]'"
            ) from None
        self._request: Callable[[Scope], Any] = Request
        self._allow: Allow = allow  # type: ignore[assignment]  # it was checked
        self._secret_key = secret_key
        self._settings = settings
        self._made: Page | None = None
        if settings.names_store:
            self._made = self._open()  # the default store makes a file, so the first request opens it

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; close a websocket."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: the server answers 403
        if scope["type"] != "http":
            return
        allowed = self._allow(self._request(scope))
        if inspect.isawaitable(allowed):
            allowed = await allowed
        if self._made is None:
            self._made = self._open()
        form = await _form(scope, receive) if allowed and scope["method"] == "POST" else {}
        await send_reply(send, await self._made.answer(_asked(scope, form), allowed))

    def _open(self) -> Page:
        return open_page(self._settings, self._secret_key, anyio.to_thread.run_sync)


def _asked(scope: Scope, form: dict[str, str]) -> PageRequest:
    base, rest = _place(scope)
    return PageRequest(
        scope["method"],
        quote(base),
        rest,
        dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")[:8192])),
        form,
        {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
    )


def _place(scope: Scope) -> tuple[str, str]:
    """Return the path of the page, and the path within it: without a slash at the end, or at either end."""
    root, path = scope.get("root_path", "").rstrip("/"), scope["path"]
    if root and f"{path}/".startswith(f"{root}/"):
        return root, path[len(root) :].strip("/")
    # Litestar cuts the path and leaves the root as it is.
    raw = scope.get("raw_path")
    whole = unquote(raw.partition(b"?")[0].decode("latin-1")) if raw else path
    rest = path.strip("/")
    return whole.rstrip("/").removesuffix(rest).rstrip("/"), rest


async def _form(scope: Scope, receive: Receive) -> dict[str, str]:
    """Return the fields of a form; none of another or a large body, so that the page rejects it."""
    kind = next((value for name, value in scope["headers"] if name.lower() == b"content-type"), b"")
    if kind.partition(b";")[0].strip().lower() != b"application/x-www-form-urlencoded":
        return {}
    try:
        body = await read_body(receive, LARGEST_FORM)
        return dict(parse_qsl((body or b"").decode("latin-1"), keep_blank_values=True, max_num_fields=_FIELDS))
    except (BodyTooLarge, ValueError):
        return {}
