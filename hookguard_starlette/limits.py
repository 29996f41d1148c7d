"""The limit of a framework behind the guard that is under an endpoint's: it rejects what was verified."""

from __future__ import annotations

from typing import Any

from hookguard import Endpoint
from hookguard.guard.limits import say_smaller_limits

__all__ = ["body_limit", "say_app_limit"]


def body_limit(app: Any) -> dict[str, int | None]:
    """Return the limit of an application whose ``asgi_app`` is wrapped, such as Quart's, in bytes; empty if it has none."""
    config = getattr(getattr(app, "__self__", app), "config", None)
    return {"MAX_CONTENT_LENGTH": config.get("MAX_CONTENT_LENGTH")} if isinstance(config, dict) else {}


def say_app_limit(app: Any, endpoint: Endpoint) -> None:
    """Log the limit of an application where it is under the endpoint's."""
    say_smaller_limits(endpoint, body_limit(app), "Raise it, or lower max_body")
