"""Proofs that no hypothesis of a kind can match, so that nothing is spent on checking them."""

from __future__ import annotations

from collections.abc import Sequence

from hookguard.delivery import Delivery
from hookguard.errors import MalformedDelivery, Rejected
from hookguard.head.target import split_target
from hookguard.schemes.base import Key, Scheme
from hookguard.schemes.jwt import JwtScheme

__all__ = ["other_body_may_fit", "other_url_may_fit", "signed_part"]


def other_body_may_fit(scheme: Scheme, delivery: Delivery, keys: Sequence[Key]) -> bool:
    """Whether another body alone could make the delivery genuine."""
    if not scheme.covers:
        return False  # a token, which fits any body
    signature = scheme.carriers.signature
    if signature and not any(name in delivery.headers for name in signature):
        return False
    return _is_all_that_misfits("body", scheme, delivery, keys)


def other_url_may_fit(scheme: Scheme, delivery: Delivery, keys: Sequence[Key]) -> bool:
    """Whether another URL alone could make the delivery genuine."""
    return _is_all_that_misfits("url", scheme, delivery, keys)


def _is_all_that_misfits(part: str, scheme: Scheme, delivery: Delivery, keys: Sequence[Key]) -> bool:
    """Whether a token names another body or URL, and fits otherwise; True for a scheme that signs all parts together."""
    if type(scheme) is not JwtScheme or scheme.signs_privately or not scheme.token.header:
        return True
    try:
        return scheme.misfits(delivery, keys) == {part}
    except Rejected:
        return False  # nobody can read the token


def signed_part(url: str, scheme: Scheme) -> object:
    """Return the part of a URL that the scheme signs. The whole URL stands for one that cannot be split."""
    if "url" in scheme.covers:
        return url
    try:
        _, path, query = split_target(url)
    except MalformedDelivery:
        return url
    return path, query if "query" in scheme.covers else None
