"""How one target of several is chosen for an attempt. No clock, no I/O."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Mapping, Sequence

__all__ = ["Chooser", "smooth"]

#: Entries whose last target is remembered, to prefer another.
MOST_REMEMBERED = 10_000


def smooth(weights: Mapping[str, int], current: dict[str, int]) -> str:
    """Choose by smooth weighted round robin, as nginx does: of 5, 1 and 1, the order is a, a, b, a, c, a, a.

    ``current`` is the state, which changes. The counts are exact over each round, and no target gets its share in one piece.
    """
    for name, weight in weights.items():
        current[name] = current.get(name, 0) + weight
    best = max(weights, key=lambda name: current[name])
    current[best] -= sum(weights.values())
    return best


class Chooser:
    """Orders the targets for one attempt: the first one is tried, and with ``failover`` the others after it."""

    def __init__(self, spread: str, weights: Mapping[str, int]) -> None:
        self._spread = spread
        self._weights = weights
        self._current: dict[str, int] = {}
        self._failed: OrderedDict[str, str] = OrderedDict()

    def order(self, key: str, names: Sequence[str]) -> list[str]:
        """Return the targets to try for the entry of this key, of those in ``names``, of which there is at least one."""
        if self._spread == "failover":
            return list(names)
        last = self._failed.get(key)
        others = [name for name in names if name != last] or list(names)
        if self._spread == "weighted":
            return [smooth({name: self._weights[name] for name in others}, self._current)]
        return [random.choice(others)]  # noqa: S311 - a spread, not a secret

    def failed(self, key: str, name: str) -> None:
        """Let the entry's next attempt prefer another target."""
        self._failed[key] = name
        self._failed.move_to_end(key)
        while len(self._failed) > MOST_REMEMBERED:
            self._failed.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Forget the entry."""
        self._failed.pop(key, None)
