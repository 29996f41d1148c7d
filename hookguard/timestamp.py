"""Timestamps as providers write them, read strictly.

``int()`` and ``float()`` accept full-width digits, signs, underscores, spaces, ``nan`` and ``1e400``; none of these is a
timestamp, and some official SDKs sign another text than the one that came because of it. So the text is matched first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Literal

from hookguard.errors import ConfigurationError, MalformedTimestamp

__all__ = ["TimestampUnit", "need_unit", "read_timestamp", "write_timestamp"]

#: Seconds since 1970, milliseconds since 1970, either of them (told apart by their size), or an RFC 3339 date-time.
TimestampUnit = Literal["s", "ms", "s|ms", "rfc3339"]

#: From here on a number means milliseconds where it may mean either: as seconds it is the year 5138, as milliseconds 1973.
_MILLISECONDS = 100_000_000_000
_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)


def need_unit(unit: object) -> None:
    """Raise ConfigurationError unless timestamps can be read in this unit."""
    if not isinstance(unit, str) or unit not in READERS:
        raise ConfigurationError(f"timestamp_unit is {unit!r}; choose {', '.join(map(repr, READERS))}")


def read_timestamp(text: str, unit: TimestampUnit = "s") -> float:
    """Return ``text`` as seconds since 1970; raise MalformedTimestamp unless it is written just as ``unit`` says."""
    return READERS[unit](text)


def _seconds(text: str) -> float:
    # isdigit() alone would let other scripts' digits pass; twelve of them cover every year a clock can mean.
    if len(text) <= 12 and text.isdigit() and text.isascii() and text[0] != "0":
        return int(text)
    raise _malformed(text, "seconds since 1970")


def _milliseconds(text: str) -> float:
    if len(text) <= 15 and text.isdigit() and text.isascii() and text[0] != "0":
        return int(text) / 1000
    raise _malformed(text, "milliseconds since 1970")


def _either(text: str) -> float:
    if len(text) <= 15 and text.isdigit() and text.isascii() and text[0] != "0":
        number = int(text)
        return number / 1000 if number >= _MILLISECONDS else number
    raise _malformed(text, "seconds or milliseconds since 1970")


def _rfc3339(text: str) -> float:
    if match := _RFC3339.fullmatch(text):
        day, clock, fraction, zone = match.groups()
        zone = "+00:00" if zone in "Zz" else zone
        try:
            # Nanoseconds are cut: datetime holds six digits and Python 3.10 reads exactly three or six.
            whole = datetime.fromisoformat(f"{day}T{clock}{zone}").timestamp()
        except (ValueError, OverflowError):
            pass
        else:
            return whole + (float(fraction) if fraction else 0.0)
    raise _malformed(text, "an RFC 3339 date and time")


def _malformed(text: str, wanted: str) -> MalformedTimestamp:
    return MalformedTimestamp(f"the timestamp ({len(text)} characters) is not written as {wanted}")


#: The reader of each unit, for schemes: which one it is does not change from delivery to delivery.
READERS: dict[TimestampUnit, Callable[[str], float]] = {
    "s": _seconds,
    "ms": _milliseconds,
    "s|ms": _either,
    "rfc3339": _rfc3339,
}


def write_timestamp(seconds: float, unit: TimestampUnit = "s") -> str:
    """Write ``seconds`` since 1970 as ``read_timestamp`` reads it."""
    if unit in ("s", "s|ms"):
        return str(int(seconds))
    if unit == "ms":
        return str(round(seconds * 1000))
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat().replace("+00:00", "Z")
