"""Limits of a framework that are lower than an endpoint's own: reported when the application starts."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from hookguard.endpoint import Endpoint
from hookguard.remarks import Remark

__all__ = ["say_smaller_limits", "smaller_limits"]

_limits = logging.getLogger("hookguard.limits")


def smaller_limits(endpoint: Endpoint, limits: Mapping[str, int | None], advice: str) -> list[Remark]:
    """Return a remark on each of the framework's limits (in bytes) that is under the endpoint's ``max_body``."""
    return [
        Remark("W3", f"endpoint {endpoint.name!r} accepts bodies of {endpoint.max_body} bytes, and {name} only {limit}", advice)
        for name, limit in limits.items()
        if limit is not None and limit < endpoint.max_body
    ]


def say_smaller_limits(endpoint: Endpoint, limits: Mapping[str, int | None], advice: str) -> None:
    """Log the framework's smaller limits when the application starts: a rejected delivery may never be retried."""
    for remark in smaller_limits(endpoint, limits, advice):
        _limits.warning("%s: larger deliveries are rejected. %s.", remark.sentence, remark.fix)
