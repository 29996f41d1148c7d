"""Timestamps as providers write them, read strictly, and compared with the clock.

``int()`` and ``float()`` accept full-width digits, signs, underscores, spaces, ``nan`` and ``1e400``. None of these is a
timestamp, and some official SDKs then check the signature over a different text than was sent. So the text is matched first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Literal

from hookguard.errors import ConfigurationError, MalformedTimestamp, TimestampOutOfTolerance

__all__ = [
    "TimestampUnit",
    "check_freshness",
    "check_ten_digits",
    "check_validity",
    "need_unit",
    "read_timestamp",
    "write_timestamp",
]

#: Seconds since 1970, milliseconds since 1970, either of them (the size decides), or an RFC 3339 date-time.
TimestampUnit = Literal["s", "ms", "s|ms", "rfc3339"]

#: For ``"s|ms"``, numbers from here on are milliseconds: as seconds this is the year 5138, as milliseconds 1973.
_MILLISECONDS = 100_000_000_000
#: Seconds that two clocks may differ, for tokens with dates of their own.
LEEWAY = 30.0
_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)


def need_unit(unit: object) -> None:
    """Raise ConfigurationError unless timestamps can be read in this unit."""
    if not isinstance(unit, str) or unit not in READERS:
        raise ConfigurationError(f"timestamp_unit is {unit!r}; choose {', '.join(map(repr, READERS))}")


def read_timestamp(text: str, unit: TimestampUnit = "s") -> float:
    """Return ``text`` as seconds since 1970; raise MalformedTimestamp unless it is written exactly in ``unit``."""
    return READERS[unit](text)


def _seconds(text: str) -> float:
    # isdigit() alone accepts digits of other scripts. Twelve digits cover every year that a clock can show.
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


#: The reader of each unit. A scheme chooses its reader once, not for each delivery.
READERS: dict[TimestampUnit, Callable[[str], float]] = {
    "s": _seconds,
    "ms": _milliseconds,
    "s|ms": _either,
    "rfc3339": _rfc3339,
}


def write_timestamp(seconds: float, unit: TimestampUnit = "s") -> str:
    """Write ``seconds`` since 1970 in ``unit``; ``read_timestamp`` is its inverse."""
    if unit in ("s", "s|ms"):
        return str(int(seconds))
    if unit == "ms":
        return str(round(seconds * 1000))
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat().replace("+00:00", "Z")


def check_freshness(timestamp: float, now: float, tolerance: float, gateway_delay: float = 0.0) -> None:
    """Raise TimestampOutOfTolerance unless the signed timestamp is at most ``tolerance`` seconds off.

    It may be ``gateway_delay`` seconds older.
    """
    off = now - timestamp
    if -tolerance <= off <= tolerance + gateway_delay:
        return
    side = "old" if off > 0 else "in the future"
    allowed = tolerance + (gateway_delay if off > 0 else 0.0)
    raise TimestampOutOfTolerance(
        f"the signed timestamp is {abs(off):.0f} s {side}; {allowed:.0f} s are allowed."
        " If this happens with every delivery, check this machine's clock.",
        off=off,
        tolerance=allowed,
    )


def check_ten_digits(timestamp: float) -> None:
    """Raise TimestampOutOfTolerance unless the signed timestamp has ten digits, in seconds: from 2001 to 2286."""
    if not 1e9 <= timestamp < 1e10:
        raise TimestampOutOfTolerance(
            "the signed timestamp does not have ten digits: some may have been moved to or from the text beside it"
        )


def check_validity(start: float | None, end: float | None, now: float, gateway_delay: float) -> None:
    """Raise TimestampOutOfTolerance unless a token is valid now by its own dates, give or take ``LEEWAY``."""
    if (start is not None and now < start - LEEWAY) or (end is not None and now > end + LEEWAY + gateway_delay):
        raise TimestampOutOfTolerance("the token is not valid yet, or has expired (nbf, iat, exp)")
