"""hookguard for Django: a decorator, a class-based view, a middleware, settings with system checks."""

try:
    import django as _django  # noqa: F401
except ImportError as error:  # pragma: no cover - shown by the tests of installations without extras
    raise ImportError("hookguard_django needs Django: pip install 'hookguard-webhooks[django]'", name=error.name) from error

from hookguard_django.decorator import WebhookRequest, webhook
from hookguard_django.signals import webhook_answered, webhook_failed, webhook_handled, webhook_refused
from hookguard_django.views import WebhookView

__all__ = [
    "WebhookRequest",
    "WebhookView",
    "webhook",
    "webhook_answered",
    "webhook_failed",
    "webhook_handled",
    "webhook_refused",
]
