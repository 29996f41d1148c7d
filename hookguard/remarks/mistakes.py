"""Several mistakes in settings, reported together."""

from __future__ import annotations

from collections.abc import Sequence

from hookguard.errors import ConfigurationError

__all__ = ["Mistakes"]


class Mistakes(ConfigurationError):
    """The mistakes in the settings of several endpoints, one in each line of the text; ``each`` has them."""

    each: Sequence[ConfigurationError] = ()

    def __init__(self, mistakes: Sequence[ConfigurationError]) -> None:
        super().__init__("\n".join(map(str, mistakes)), each=tuple(mistakes))
