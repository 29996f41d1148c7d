"""hookguard for Flask: an extension, a decorator that goes under the route, and a proxy to the event."""

try:
    import flask as _flask  # noqa: F401
except ImportError as error:  # pragma: no cover - shown by the tests of installations without extras
    raise ImportError("hookguard_flask needs Flask: pip install 'hookguard-webhooks[flask]'", name=error.name) from error

from hookguard_flask.current import current_webhook, get_current_webhook
from hookguard_flask.extension import HookGuard
from hookguard_flask.rejections import WebhookRejected
from hookguard_flask.signals import (
    send_outcome,
    webhook_challenged,
    webhook_dead,
    webhook_duplicate,
    webhook_failed,
    webhook_handled,
    webhook_rejected,
    webhook_stored,
    webhook_unavailable,
)

__all__ = [
    "HookGuard",
    "WebhookRejected",
    "current_webhook",
    "get_current_webhook",
    "send_outcome",
    "webhook_challenged",
    "webhook_dead",
    "webhook_duplicate",
    "webhook_failed",
    "webhook_handled",
    "webhook_rejected",
    "webhook_stored",
    "webhook_unavailable",
]
