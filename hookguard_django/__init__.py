"""hookguard for Django: a decorator, a class-based view, a middleware, settings with system checks."""

try:
    import django as _django  # noqa: F401
except ImportError as error:  # pragma: no cover - shown by the tests of installations without extras
    raise ImportError("hookguard_django needs Django: pip install 'hookguard-webhooks[django]'", name=error.name) from error

from hookguard_django.conf import async_guard_for, guard_for
from hookguard_django.current import WebhookRequest, current_webhook, get_current_webhook
from hookguard_django.decorator import webhook
from hookguard_django.handed import arun, run
from hookguard_django.page import page_urls
from hookguard_django.signals import (
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
from hookguard_django.views import WebhookView, relay

__all__ = [
    "WebhookRequest",
    "WebhookView",
    "arun",
    "async_guard_for",
    "current_webhook",
    "get_current_webhook",
    "guard_for",
    "page_urls",
    "relay",
    "run",
    "send_outcome",
    "webhook",
    "webhook_challenged",
    "webhook_dead",
    "webhook_duplicate",
    "webhook_failed",
    "webhook_handled",
    "webhook_rejected",
    "webhook_stored",
    "webhook_unavailable",
]
