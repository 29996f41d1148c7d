"""hookguard for Starlette, FastAPI, Litestar, Quart and any other ASGI application."""

try:
    import anyio as _anyio  # noqa: F401
except ImportError as error:  # pragma: no cover - shown by the tests of installations without extras
    raise ImportError(
        "hookguard_starlette needs anyio: pip install 'hookguard-webhooks[starlette]' (or [fastapi])", name=error.name
    ) from error

from hookguard_starlette.asgi import WebhookMiddleware, WebhookRefused, current_webhook
from hookguard_starlette.extension import HookGuard

__all__ = ["HookGuard", "WebhookMiddleware", "WebhookRefused", "current_webhook"]
