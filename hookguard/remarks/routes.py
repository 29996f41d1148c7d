"""The methods of a guarded route, compared with those of its provider."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from hookguard.remarks import Remark

__all__ = ["missing_methods"]


def missing_methods(
    path: str, taken: AbstractSet[str], deliveries: AbstractSet[str], methods: AbstractSet[str], advice: str = ""
) -> Remark:
    """Return the remark on a route that lacks some of its provider's ``methods``; ``deliveries`` are those of deliveries.

    ``advice`` is added to the fix.
    """
    needed, use = (methods, "the provider's challenge uses") if deliveries <= taken else (deliveries, "every delivery uses")
    return Remark(
        "W5",
        f"{path} takes no {' and no '.join(sorted(needed - taken))}, which {use}",
        f"Give the route methods={sorted(methods)}{advice}",
    )
