"""Send webhooks: signed by Standard Webhooks, tried again, and only to addresses that may be connected to."""

from hookguard.sender.sending import Accepted, Gone, NotAccepted, asend_webhook, send_webhook

__all__ = ["Accepted", "Gone", "NotAccepted", "asend_webhook", "send_webhook"]
