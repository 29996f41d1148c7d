"""The exception that a dependency raises when there is a reply to send and nothing to handle."""

from __future__ import annotations

from hookguard import HookguardError, Rejected, Reply

__all__ = ["WebhookAnswered", "WebhookRejected"]


class WebhookAnswered(Exception):
    """Raised inside FastAPI when there is nothing to handle, as for a duplicate; the middleware answers with ``reply``."""

    def __init__(self, reply: Reply, error: HookguardError | None) -> None:
        super().__init__(type(error).__name__ if error else "answered")
        self.reply = reply
        self.error = error


class WebhookRejected(WebhookAnswered):
    """A delivery was rejected. ``error`` says why, for the operator; the sender gets ``reply``, one opaque sentence."""

    error: Rejected
