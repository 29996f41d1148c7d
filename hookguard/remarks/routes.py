"""The methods of a guarded route, compared with those of its provider."""

from __future__ import annotations

from collections.abc import Iterable

from hookguard.remarks import Remark

__all__ = ["missing_methods"]


def missing_methods(path: str, missing: Iterable[str], methods: Iterable[str], advice: str = "") -> Remark:
    """Return the remark on a route that lacks methods of its provider; ``advice`` is added to the fix."""
    return Remark(
        "W5",
        f"{path} takes no {' and no '.join(sorted(missing))}, which the provider's challenge uses",
        f"Give the route methods={sorted(methods)}{advice}",
    )
