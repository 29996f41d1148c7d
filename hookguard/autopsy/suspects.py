"""Suspicions: shapes that look like a cause, where nothing was proved."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher

from hookguard.autopsy.finding import Finding, finding
from hookguard.autopsy.json_bodies import read_tokens
from hookguard.delivery import Delivery
from hookguard.preset import Preset
from hookguard.privacy.secret_mistakes import find_secret_mistake, is_placeholder
from hookguard.schemes.base import Key, Scheme

__all__ = ["DAY", "YEARS", "all_of", "nearly"]

DAY = 86400.0
#: A signed time that is off by more was read in a wrong unit.
YEARS = 5 * 365 * DAY

_REPLACEMENT = "\ufffd".encode()
#: A masked or invented value: one character repeated many times.
_REPEATED = re.compile(r"(.)\1{7,}")
#: The fewest characters of a signature that must agree, and the most that may differ.
AGREEING, DIFFERING = 16, 4
_PARTS = re.compile(r"[\s,;.]+")
_PREFIX = re.compile(r"\A[A-Za-z0-9-]{1,15}[=:,]")


def all_of(preset: Preset, own: Sequence[Key], delivery: Delivery, *, body_read: bool = True) -> list[Finding]:
    """Return what looks like a cause, the likeliest first."""
    found: list[Finding] = []
    for key in own:
        if key.secret.looks_like(_is_placeholder):
            found.append(finding("secret_placeholder", "suspected", f"secret {key.name}"))
        for shape, name in preset.not_secrets:
            if key.secret.looks_like(lambda text, shape=shape: re.match(shape, text) is not None):  # type: ignore[misc]  # a default binds the loop's shape
                found.append(finding("secret_kind", "suspected", f"secret {key.name} looks like {name}"))
                break
    if body_read and preset.body_covered:
        found += _of_body(delivery)
    return found


def _is_placeholder(text: str) -> bool:
    if text.startswith("-----BEGIN "):
        return False
    mistake = find_secret_mistake(text)
    placeholder = mistake is not None and ("placeholder" in mistake or "masked" in mistake)
    return placeholder or is_placeholder(text) or _REPEATED.search(text) is not None


def _of_body(delivery: Delivery) -> list[Finding]:
    body, announced = delivery.body, delivery.headers.get("content-length", "")
    length = int(announced) if announced.isdecimal() and len(announced) < 12 else None
    if not body:
        return [finding("body_empty", "suspected")] if length or delivery.method in ("POST", "PUT") else []
    if _REPLACEMENT in body:
        return [finding("body_charset", "suspected", "characters were replaced by U+FFFD")]
    if length is not None and length > len(body):
        return [finding("body_truncated", "suspected", f"{len(body)} bytes came, Content-Length announced {length}")]
    if body.lstrip().startswith((b"{", b"[")) and len(body) <= 1 << 18:
        text = body.decode("utf-8", "replace")
        if not text.rstrip().endswith(("}", "]")) and read_tokens(text) is None:
            return [finding("body_truncated", "suspected", "the JSON does not end")]
    return []


def nearly(scheme: Scheme, delivery: Delivery, key: Key, header: str) -> bool:
    """Whether the header holds the key's own signature but for a few characters, or the beginning of it."""
    came = delivery.headers.get(header)
    if not came or len(came) > 4096:
        return False
    try:
        expected = scheme.expected(delivery, key)
    except Exception:  # the delivery may be anything
        return False
    return any(_is_near(part, right) for right in expected for part in (came, *_PARTS.split(came)[:16]))


def _is_near(came: str, right: str) -> bool:
    bare, wanted = _PREFIX.sub("", came), _PREFIX.sub("", right)
    if min(len(bare), len(wanted)) < AGREEING or bare == wanted:
        return False  # the signature is right: the claims that it covers are not
    if wanted.startswith(bare) or wanted.endswith(bare) or bare.startswith(wanted):
        return True
    if abs(len(bare) - len(wanted)) > DIFFERING:
        return False
    if (Counter(bare) & Counter(wanted)).total() < max(len(bare), len(wanted)) - DIFFERING:
        return False  # too few characters are in both, whatever their order
    same = sum(block.size for block in SequenceMatcher(None, bare, wanted, autojunk=False).get_matching_blocks())
    return max(len(bare), len(wanted)) - same <= DIFFERING
