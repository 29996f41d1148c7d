"""The settings of an endpoint's evidence, checked when the application starts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final, Union

from hookguard.errors import ConfigurationError
from hookguard.setting_names import known_settings

__all__ = ["KEEP", "EvidenceSettings", "read_span"]

#: Seconds that the record of a rejected delivery is kept: 30 days.
KEEP: Final = 30 * 86400.0

#: The longest time that a body may be kept, in seconds: the record must outlive it.
LONGEST_BODY: Final = KEEP

_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)(s|min|h|d)")
_UNITS: Final = {"s": 1, "min": 60, "h": 3600, "d": 86400}


def read_span(text: str) -> float | None:
    """Return the seconds of a span of time such as ``30s``, ``10min``, ``2h`` or ``3d``; None for any other text."""
    found = _SPAN.fullmatch(text)
    return None if found is None else float(found[1]) * _UNITS[found[2]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSettings:
    """The settings of an endpoint's records. Facts are always recorded; these add to them.

    - ``keep_body``: how long the body of a verified delivery is kept, in seconds or as ``"24h"``; None keeps no body.
    - ``keep_rejected_body``: whether the body of a rejected delivery is kept as well. Anybody may have sent it.
    - ``addresses``: ``"truncated"`` keeps the sender's network (/24, or /48 of IPv6); None keeps no address.

    Raises ConfigurationError.
    """

    keep_body: Union[float, str, None] = None
    keep_rejected_body: bool = False
    addresses: Union[str, None] = None

    def __post_init__(self) -> None:
        keep = self.keep_body
        seconds = read_span(keep) if isinstance(keep, str) else keep
        if keep is not None:
            if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds <= LONGEST_BODY:
                raise ConfigurationError(f"evidence: keep_body is {keep!r}; give seconds or a span such as '24h', up to 30 days")
            object.__setattr__(self, "keep_body", float(seconds))
        if not isinstance(self.keep_rejected_body, bool):
            raise ConfigurationError(f"evidence: keep_rejected_body is {self.keep_rejected_body!r}; choose True or False")
        if self.keep_rejected_body and keep is None:
            raise ConfigurationError("evidence: keep_rejected_body needs keep_body: set how long, as in 'keep_body': '24h'")
        if self.addresses not in (None, "truncated"):
            raise ConfigurationError(f"evidence: addresses is {self.addresses!r}; choose 'truncated', or leave it out")

    @classmethod
    def of(cls, given: object) -> EvidenceSettings:
        """Read the setting ``evidence``: True, a mapping (keys in upper or lower case), or EvidenceSettings."""
        if given is True:
            return cls()
        if isinstance(given, cls):
            return given
        if not isinstance(given, Mapping):
            raise ConfigurationError(f"evidence is {given!r}; choose True, False, or give a mapping of settings")
        return cls(**known_settings(given, [field.name for field in fields(cls)], "evidence"))

    @property
    def body_seconds(self) -> float | None:
        """How many seconds a body is kept; None if none is."""
        return None if self.keep_body is None else float(self.keep_body)
