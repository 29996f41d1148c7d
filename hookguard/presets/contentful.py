"""Contentful: the signature covers method, path, listed headers and body."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from hmac import compare_digest
from urllib.parse import quote

from hookguard.delivery import Delivery
from hookguard.errors import (
    ConfigurationError,
    MalformedHeader,
    MalformedSignature,
    MissingSignature,
    MissingTimestamp,
    SignatureMismatch,
)
from hookguard.facts import DAY, MIB, Facts, Source
from hookguard.head.target import split_target
from hookguard.headers import ReplaceableName
from hookguard.place import InHeader
from hookguard.preset import Preset
from hookguard.privacy.shown import shown_url
from hookguard.schemes.base import Draft, Key, Scheme, Verified, signed_url
from hookguard.schemes.hmac import HmacKey
from hookguard.schemes.timestamp import read_timestamp, write_timestamp
from hookguard.secret import Secret

__all__ = ["CONTENTFUL", "ContentfulScheme"]

_SDK = Source("https://github.com/contentful/node-apps-toolkit/tree/master/src/requests", "2026-11-24")
_DOCS = Source("https://www.contentful.com/developers/docs/webhooks/request-verification/", "2026-11-24")
_RETRIES = Source("https://www.contentful.com/developers/docs/webhooks/retry-policy/", "2026-11-25")
_LIMITS = Source("https://www.contentful.com/developers/docs/technical-limits/", "2026-11-30")

_SIGNATURE = "x-contentful-signature"
_SIGNED = "x-contentful-signed-headers"
_TIMESTAMP = "x-contentful-timestamp"

_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)
MAX_SIGNED = 50

#: Characters that JavaScript's encodeURIComponent and encodeURI keep, beside letters and digits.
_COMPONENT = "-_.!~*'()"
_WHOLE = _COMPONENT + ";,/?:@&=+$#"


class ContentfulScheme(Scheme):
    """HMAC of method, path with query, the listed headers, and the body, one line each.

    The list must name itself and the timestamp. The path is escaped like in the official package, the query twice.
    """

    __slots__ = ()

    covers = frozenset({"method", "path", "query", "body", _SIGNED, _TIMESTAMP})
    signs_timestamp = True
    required_header = _SIGNATURE

    @property
    def what(self) -> str:
        """The hash and the signed content."""
        return "HMAC-SHA-256 of method, path, listed headers and body, a line each"

    def prepare(self, secret: Secret) -> HmacKey:
        """Hash the key's two blocks once."""
        return HmacKey(secret.key(), "sha256")

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Build the canonical request and try every key."""
        headers = delivery.headers
        came = headers.whole(_SIGNATURE)
        if not came:
            raise MissingSignature(f"no {_SIGNATURE} header", header=_SIGNATURE)
        if not _HEX.fullmatch(came):
            raise MalformedSignature(f"the {_SIGNATURE} header is not 64 hex digits in lower case")
        stamp = headers.one(_TIMESTAMP)
        if not stamp:
            raise MissingTimestamp(f"no {_TIMESTAMP} header", header=_TIMESTAMP)
        timestamp = read_timestamp(stamp, "ms")
        parts = _canonical(delivery)
        for key in keys:
            if compare_digest(key.prepared.digest(*parts).hex(), came):
                return key.name, timestamp
        where = shown_url(delivery.url)
        raise SignatureMismatch(
            f"signature does not match {delivery.method} {where!r} and a body of {len(delivery.body)} bytes (secrets tried:"
            f" {len(keys)}). Check that this is the app's secret, and that this is the path that Contentful has.",
            secrets=len(keys),
            candidates=1,
            size=len(delivery.body),
        )

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign the list, the timestamp and every header that the caller gave, unless the draft has its own list."""
        if len(keys) != 1:
            raise ConfigurationError(f"{_SIGNATURE} carries one signature: sign with one secret")
        headers = {name: value for name, value in draft.headers.items() if name.lower() not in (_SIGNATURE, _TIMESTAMP)}
        # A Content-Type that the caller did not give may be replaced later: it is sent, and not signed.
        lower = {name.lower() for name in headers if not isinstance(name, ReplaceableName)}
        headers[_TIMESTAMP] = write_timestamp(draft.timestamp, "ms")
        if _SIGNED not in lower:
            headers[_SIGNED] = ",".join(sorted({*lower, _SIGNED, _TIMESTAMP}))
        try:
            parts = _canonical(Delivery(draft.body, headers, draft.method, draft.url))
        except (MalformedHeader, MalformedSignature) as error:
            raise ConfigurationError(f"these headers cannot be signed: {error}") from None
        headers[_SIGNATURE] = keys[0].prepared.digest(*parts).hex()
        return Delivery(draft.body, headers, draft.method, draft.url)

    def __repr__(self) -> str:
        return "ContentfulScheme()"


def _canonical(delivery: Delivery) -> tuple[bytes, bytes]:
    """Return the signed text before the body, and the body."""
    listed = delivery.headers.one(_SIGNED)
    if not listed:
        raise MissingSignature(f"no {_SIGNED} header", header=_SIGNED)
    names = _names(listed)
    values = {name: value.strip() for name in names if (value := delivery.headers.one(name)) is not None}
    lists = [value.lower() for value in values.values() if ";" in value]
    if any(f";{name}:" in value for value in lists for name in names):
        raise MalformedSignature("a signed header's value looks like another header, so the signature has two readings")
    lines = ";".join(f"{name}:{value}" for name, value in values.items())
    head = f"{delivery.method}\n{_path(delivery.url)}\n{lines}\n"
    return head.encode("utf-8", "surrogatepass"), delivery.body


# An endpoint's deliveries list the same headers at the same URL. To read both each time would be half of a check.
@lru_cache(maxsize=16)
def _names(listed: str) -> tuple[str, ...]:
    """Return the sorted names of the signed headers."""
    names = tuple(sorted({name.strip().lower() for name in listed.split(",")}))
    if len(names) > MAX_SIGNED or not all(map(_NAME.fullmatch, names)):
        raise MalformedSignature(f"the {_SIGNED} header lists more than {MAX_SIGNED} names, or a name that is not valid")
    if _SIGNED not in names or _TIMESTAMP not in names or _SIGNATURE in names:
        raise MalformedSignature(f"the {_SIGNED} header must list itself and {_TIMESTAMP}, and not the signature")
    return names


@lru_cache(maxsize=16)
def _path(url: str) -> str:
    """Return the path and query, escaped like in the official package.

    The package drops the text behind a second question mark, so nothing would sign it: such a query is rejected.
    """
    with signed_url():
        target = split_target(url)
    path = target.path or "/"
    if target.query is not None:
        if "?" in target.query:
            raise MalformedSignature("the query holds a second question mark, and nothing behind it is signed")
        path = f"{path}?{quote(target.query, safe=_COMPONENT, errors='surrogatepass')}"
    return quote(path, safe=_WHOLE, errors="surrogatepass")


CONTENTFUL = Preset(
    name="contentful",
    title="Contentful",
    scheme=ContentfulScheme(),
    # Contentful's own header for recognizing a repeated delivery. It may be unsigned.
    event_id=InHeader("X-Contentful-Idempotency-Key"),
    event_type=InHeader("X-Contentful-Topic"),
    identity="id+content",
    # A GET or a DELETE has no body that distinguishes it from the next one.
    methods=frozenset({"POST", "PUT", "PATCH"}),
    facts=Facts(
        schedule=_RETRIES.says(
            "twice, 30 seconds apart; your own policy may ask for up to 99 times with growing gaps, over about 24 hours"
        ),
        horizon=_RETRIES.says(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        # A request to Contentful has up to 1 MB, and Contentful adds system fields.
        largest_body=_LIMITS.silent(2 * MIB),
        timeout=_DOCS.silent(30.0),
        statuses=_DOCS.silent("2xx succeeds; 429 and 5xx are retried"),
        networks=_DOCS.silent(None),
    ),
    docs=_DOCS.address,
    note=(
        "The path is signed as configured at Contentful: a proxy must not change it or the listed headers. Contentful's"
        " package escapes a path or query with escapes once more, and so does this preset: prefer a URL without escapes."
    ),
)
