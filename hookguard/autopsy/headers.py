"""Headers that may have been signed before a proxy or relay changed them: renamed, doubled, spelled otherwise."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from difflib import SequenceMatcher
from urllib.parse import unquote

from hookguard.autopsy.hypothesis import Changes, Hypothesis
from hookguard.delivery import Delivery
from hookguard.head.content_type import FORM
from hookguard.headers import Headers
from hookguard.schemes.base import Carriers

__all__ = ["headers_changed", "is_alike", "like_names", "with_header"]

#: The most headers that are taken for a missing one.
MAX_CANDIDATES = 12
#: Headers of every request, which hold no signature.
# fmt: off
_COMMON = frozenset({
    "accept", "accept-encoding", "accept-language", "cache-control", "connection", "content-encoding",
    "content-length", "content-type", "cookie", "date", "forwarded", "host", "origin", "pragma", "referer", "te",
    "traceparent", "tracestate", "transfer-encoding", "user-agent", "via", "x-forwarded-for", "x-forwarded-host",
    "x-forwarded-port", "x-forwarded-proto", "x-forwarded-server", "x-real-ip", "x-request-id",
})
# fmt: on
_LIKE = 0.72
_QUOTES = "\"'`<>"
_LONG_HEX = re.compile(r"[0-9A-Fa-f]{32,}", re.ASCII)
_DIGEST = re.compile(r"[A-Za-z0-9+/_-]{20,}={0,2}", re.ASCII)
_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,15}[=:, ]+")
_NUMBER = re.compile(r"([0-9]{9,11})(?:([0-9]{3})(?:[0-9]{3}){0,2})?(?:\.[0-9]+)?", re.ASCII)
_DATES = ("%a, %d %b %Y %H:%M:%S GMT", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%a %b %d %H:%M:%S %Y", "%Y-%m-%d %H:%M:%S%z")


def with_header(delivery: Delivery, *pairs: tuple[str, str]) -> Delivery:
    """Return the delivery with these headers in place of those of the same names."""
    names = {name for name, _ in pairs}
    kept = [pair for pair in delivery.headers.items() if pair[0].lower() not in names]
    return Delivery(delivery.body, Headers([*kept, *pairs]), delivery.method, delivery.url)


def headers_changed(delivery: Delivery, carriers: Carriers, prefix: str, *, reads_type: bool) -> Changes:
    """Yield deliveries with other headers, the likeliest first. ``prefix`` is the text before a signature."""
    yield from _doubled(delivery, carriers)
    yield from _spelled(delivery, carriers, prefix)
    yield from _renamed(delivery, carriers)
    if carriers.timestamp:
        yield from _timestamps(delivery, carriers.timestamp)
    yield from _ids(delivery, carriers)
    if reads_type:
        for kind in (FORM, "application/json", f"{FORM}; charset=utf-8"):
            if delivery.headers.get("content-type", "").lower() != kind:
                yield Hypothesis("content_type", f"signed as {kind}", with_header(delivery, ("content-type", kind)))


def _doubled(delivery: Delivery, carriers: Carriers) -> Changes:
    """Take one of several equal or different lines, or one half of a joined line."""
    for name in carriers.all:
        lines = delivery.headers.all(name)
        if len(lines) > 1:
            for line in dict.fromkeys(lines[:8]):
                yield Hypothesis("header_duplicated", name, with_header(delivery, (name, line)), obvious=True)
        elif lines:
            for half in _halves(lines[0]):
                twice = lines[0].count(half) > 1
                yield Hypothesis("header_duplicated", name, with_header(delivery, (name, half)), obvious=twice)
    several = [(name, delivery.headers.all(name)[0]) for name in carriers.all if len(delivery.headers.all(name)) > 1]
    if len(several) > 1:
        names = ", ".join(name for name, _ in several)
        yield Hypothesis("header_duplicated", names, with_header(delivery, *several), obvious=True)


def _halves(value: str) -> Iterator[str]:
    for gap in (", ", ",", "; ", ";", " "):
        size, odd = divmod(len(value) - len(gap), 2)
        if size > 0 and not odd and value[size : size + len(gap)] == gap:
            yield value[:size]
            if value[:size] != value[size + len(gap) :]:
                yield value[size + len(gap) :]
    if "," in value:
        items = [item.strip() for item in value.split(",", 16)]
        if len(items) <= 8:
            yield from dict.fromkeys(item for item in items if item and item != value)


def _spelled(delivery: Delivery, carriers: Carriers, prefix: str) -> Changes:
    for name in carriers.signature:
        value = delivery.headers.get(name)
        if value:
            for changed in dict.fromkeys(_spellings(value, prefix)):
                if changed and changed != value:
                    obvious = changed in (value.strip().strip(_QUOTES).strip(), unquote(value))
                    yield Hypothesis("signature_spelling", name, with_header(delivery, (name, changed)), obvious)


def _spellings(value: str, prefix: str) -> Iterator[str]:
    """Return other spellings of a signature header's value."""
    bare = value.strip().strip(_QUOTES).strip()
    yield bare
    yield _LONG_HEX.sub(lambda found: found[0].lower(), value)
    yield _LONG_HEX.sub(lambda found: found[0].upper(), value)
    yield value.lower()
    yield value.replace(" ", "+")
    yield re.sub(r"(?<![,;]) ", "+", value)
    yield unquote(value)
    yield value.replace("\\", "").replace('"', "")
    yield re.sub(r"\s+", "", value)
    yield from (_DIGEST.sub(change, value) for change in (_std, _web, _padded))
    yield value.rstrip("=")
    if found := _PREFIX.match(bare):
        rest = bare[found.end() :]
        yield rest
        yield prefix + rest
        yield found[0].lower() + rest
    for start in dict.fromkeys((prefix, "sha256=", "sha1=", "sha512=", "v0=", "v1=", "v1,", "Bearer ")):
        if start and not bare.startswith(start):
            yield start + bare
    for item in re.split(r"[\s,;]+", bare, maxsplit=8):
        if len(item) >= 20:
            yield item
            yield prefix + item
    yield _DIGEST.sub(_as_base64, value)
    yield _DIGEST.sub(_as_hex, value)
    if not bare.startswith(prefix):
        yield prefix + _DIGEST.sub(_as_base64, bare)
        yield prefix + _DIGEST.sub(_as_hex, bare)


def _std(found: re.Match[str]) -> str:
    return _pad(found[0].replace("-", "+").replace("_", "/"))


def _web(found: re.Match[str]) -> str:
    return found[0].replace("+", "-").replace("/", "_")


def _padded(found: re.Match[str]) -> str:
    return _pad(found[0])


def _pad(text: str) -> str:
    bare = text.rstrip("=")
    return bare + "=" * (-len(bare) % 4)


def _as_base64(found: re.Match[str]) -> str:
    text = found[0]
    return base64.b64encode(bytes.fromhex(text)).decode() if _LONG_HEX.fullmatch(text) and len(text) % 2 == 0 else text


def _as_hex(found: re.Match[str]) -> str:
    text = found[0]
    try:
        return text if _LONG_HEX.fullmatch(text) else base64.b64decode(_std(found), validate=True).hex()
    except binascii.Error:
        return text


def like_names(delivery: Delivery, name: str) -> list[str]:
    """Return the names of headers that may hold a missing one, the likeliest first: by name, then by the look of the value."""
    plain = _plain(name)
    scored: list[tuple[float, str]] = []
    for came in list(dict.fromkeys(delivery.headers))[:64]:
        lower = came.lower()
        if lower == name or lower in _COMMON or len(lower) > 128:
            continue
        other = _plain(lower)
        likeness = 1.0 if other == plain or other.endswith(plain) else SequenceMatcher(None, plain, other).ratio()
        value = delivery.headers.get(came, "")
        likeness += 0.1 if _DIGEST.search(value) else 0.0
        scored.append((-likeness, lower))
    return [came for _, came in sorted(scored)[:MAX_CANDIDATES]]


def is_alike(name: str, came: str) -> bool:
    """Whether a header's name is so like a missing one that it may be the same."""
    plain, other = _plain(name), _plain(came)
    return other == plain or other.endswith(plain) or SequenceMatcher(None, plain, other).ratio() >= _LIKE


def _plain(name: str) -> str:
    text = name.lower().replace("_", "-")
    for start in ("http-", "x-original-", "x-forwarded-", "x-amzn-remapped-", "x-proxy-", "original-", "forwarded-", "x-"):
        text = text.removeprefix(start)
    return text


def _renamed(delivery: Delivery, carriers: Carriers) -> Changes:
    missing = [name for name in carriers.all if name not in delivery.headers]
    if not missing:
        return
    # A proxy renames all of them in the same way: every missing one from its likeliest header.
    candidates = {name: like_names(delivery, name) for name in missing[:6]}
    pairs = [(name, found[0]) for name, found in candidates.items() if found and is_alike(name, found[0])]
    if len(pairs) > 1:
        changed = [(name, delivery.headers[came]) for name, came in pairs]
        detail = ", ".join(f"{name} came as {came}" for name, came in pairs)
        yield Hypothesis("header_renamed", detail, with_header(delivery, *changed))
    for name, found in candidates.items():
        for came in found:
            changed_to = with_header(delivery, (name, delivery.headers[came]))
            yield Hypothesis("header_renamed", f"{name} came as {came}", changed_to)


def _timestamps(delivery: Delivery, name: str) -> Changes:
    value = delivery.headers.get(name)
    if not value:
        return
    for changed in dict.fromkeys(_timestamp_spellings(value.strip().strip("\"'"))):
        if changed != value:
            yield Hypothesis("timestamp_spelling", name, with_header(delivery, (name, changed)))


def _timestamp_spellings(value: str) -> Iterator[str]:
    yield value
    moments: list[float] = []
    if found := _NUMBER.fullmatch(value):
        seconds, thousandths = int(found[1]), found[2] or "000"
        yield from (str(seconds), f"{seconds}{thousandths}", f"{seconds}000", f"{seconds}.0")
        moments.append(seconds + int(thousandths) / 1000)
    moments += _read_dates(value)
    for moment in moments:
        if not 0 < moment < 4e9:
            continue
        at = datetime.fromtimestamp(moment, timezone.utc)
        plain = at.strftime("%Y-%m-%dT%H:%M:%S")
        yield from (str(int(moment)), str(round(moment * 1000)), f"{plain}Z", f"{plain}.{at.microsecond // 1000:03}Z")
        yield from (f"{plain}+00:00", plain, plain.replace("T", " "), f"{plain}.{at.microsecond:06}Z", f"{moment}")
        yield at.strftime(_DATES[0])


def _read_dates(value: str) -> Iterator[float]:
    try:
        at = datetime.fromisoformat(value.replace("Z", "+00:00"))
        yield (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        for form in _DATES:
            try:
                at = datetime.strptime(value, form).replace(tzinfo=timezone.utc)
                yield at.timestamp()
            except (ValueError, OverflowError):
                continue


def _ids(delivery: Delivery, carriers: Carriers) -> Changes:
    """Put other values of the delivery in the place of a signed id: a relay's own id may stand there."""
    for name in carriers.others:
        came = delivery.headers.get(name)
        if came is None:
            continue
        values = [
            (other, value)
            for other, value in delivery.headers.items()
            if other not in _COMMON and other not in carriers.all and 4 <= len(value) <= 128 and value != came
        ]
        for other, value in values[:MAX_CANDIDATES]:
            yield Hypothesis("id_replaced", f"{name}: the signed id is in {other}", with_header(delivery, (name, value)))
