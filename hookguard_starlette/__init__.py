"""hookguard for Starlette, FastAPI, Litestar, Quart and any other ASGI application."""

try:
    import anyio as _anyio  # noqa: F401
except ImportError as error:  # pragma: no cover - shown by the tests of installations without extras
    raise ImportError(
        "hookguard_starlette needs anyio: pip install 'hookguard-webhooks[starlette]' (or [fastapi])", name=error.name
    ) from error

from hookguard_starlette.current import current_webhook, get_current_webhook
from hookguard_starlette.extension import HookGuard
from hookguard_starlette.middleware import WebhookMiddleware
from hookguard_starlette.rejections import WebhookAnswered, WebhookRejected

__all__ = [
    "HookGuard",
    "WebhookAnswered",
    "WebhookMiddleware",
    "WebhookRejected",
    "current_webhook",
    "get_current_webhook",
]
