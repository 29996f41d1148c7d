"""Contentful: requests signed as a whole (method, path, chosen headers and body)."""

from __future__ import annotations

import re
from collections.abc import Sequence
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
from hookguard.place import InHeader
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.base import Draft, Key, Scheme, Verified
from hookguard.schemes.hmac import HmacKey
from hookguard.secret import Secret
from hookguard.timestamp import read_timestamp, write_timestamp

__all__ = ["CONTENTFUL", "ContentfulScheme"]

_SDK = Source("https://github.com/contentful/node-apps-toolkit/tree/master/src/requests", "2026-11-24")
_DOCS = Source("https://www.contentful.com/developers/docs/webhooks/request-verification/", "2026-11-24")
_RETRIES = Source("https://www.contentful.com/developers/docs/webhooks/retry-policy/", "2026-11-25")

_SIGNATURE = "x-contentful-signature"
_SIGNED = "x-contentful-signed-headers"
_TIMESTAMP = "x-contentful-timestamp"

_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)
MAX_SIGNED = 50

#: What JavaScript's encodeURIComponent and encodeURI leave as it is, besides letters and digits.
_COMPONENT = "-_.!~*'()"
_WHOLE = _COMPONENT + ";,/?:@&=+$#"


class ContentfulScheme(Scheme):
    """HMAC of method, path with query, the headers that are listed, and the body, a line each.

    The list and the timestamp must be among the headers listed. The path is escaped as the official package does it, twice in
    its query.
    """

    __slots__ = ()

    covers = frozenset({"method", "query", "body", _SIGNED, _TIMESTAMP})
    signs_timestamp = True
    required_header = _SIGNATURE

    @property
    def what(self) -> str:
        """The hash, and what goes into it."""
        return "HMAC-SHA-256 of method, path, listed headers and body, a line each"

    def prepare(self, secret: Secret) -> HmacKey:
        """Hash the key's two blocks once."""
        return HmacKey(secret.key(), "sha256")

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Build the canonical request and try every key."""
        headers = delivery.headers
        came = headers.whole(_SIGNATURE)
        if not came:
            raise MissingSignature(f"no {_SIGNATURE} header")
        if not _HEX.fullmatch(came):
            raise MalformedSignature(f"the {_SIGNATURE} header is not 64 hex digits in lower case")
        stamp = headers.one(_TIMESTAMP)
        if not stamp:
            raise MissingTimestamp(f"no {_TIMESTAMP} header")
        timestamp = read_timestamp(stamp, "ms")
        parts = _canonical(delivery)
        for key in keys:
            if compare_digest(key.prepared.digest(*parts).hex(), came):
                return key.name, timestamp
        raise SignatureMismatch(
            f"none of {len(keys)} secrets makes the signature over {delivery.method} {delivery.url!r} and {len(delivery.body)}"
            " bytes: is it this app's secret, and is this the path that Contentful was given?"
        )

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign the list, the timestamp and every header of the draft, unless the draft lists those to sign."""
        if len(keys) != 1:
            raise ConfigurationError(f"{_SIGNATURE} carries one signature: sign with one secret")
        headers = {name: value for name, value in draft.headers.items() if name.lower() not in (_SIGNATURE, _TIMESTAMP)}
        lower = {name.lower() for name in headers}
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
    """What is signed before the body, and the body."""
    listed = delivery.headers.one(_SIGNED)
    if not listed:
        raise MissingSignature(f"no {_SIGNED} header")
    names = sorted({name.strip().lower() for name in listed.split(",")})
    if len(names) > MAX_SIGNED or not all(map(_NAME.fullmatch, names)):
        raise MalformedSignature(f"the {_SIGNED} header lists more than {MAX_SIGNED} names, or one that is none")
    if _SIGNED not in names or _TIMESTAMP not in names or _SIGNATURE in names:
        raise MalformedSignature(f"the {_SIGNED} header must list itself and {_TIMESTAMP}, and not the signature")
    values = {name: (delivery.headers.one(name) or "").strip() for name in names if name in delivery.headers}
    if any(f";{name}:" in value.lower() for value in values.values() for name in names):
        raise MalformedSignature("a signed header's value reads like a further header, so the signature has two readings")
    lines = ";".join(f"{name}:{value}" for name, value in values.items())
    head = f"{delivery.method}\n{_path(delivery.url)}\n{lines}\n"
    return head.encode("utf-8", "surrogatepass"), delivery.body


def _path(url: str) -> str:
    """The path and query as the official package escapes them.

    It leaves out what is behind a second question mark, which nothing would sign then: such a query is refused.
    """
    if not url.startswith("/"):
        # Only path and query are signed.
        url = "/" + url.partition("://")[2].partition("/")[2]
    path, mark, query = url.partition("?")
    if "?" in query:
        raise MalformedSignature("the query holds a second question mark, and nothing behind it is signed")
    if mark:
        path = f"{path}?{quote(query, safe=_COMPONENT, errors='surrogatepass')}"
    return quote(path, safe=_WHOLE, errors="surrogatepass")


CONTENTFUL = Preset(
    name="contentful",
    title="Contentful",
    scheme=ContentfulScheme(),
    # There is none. Bodies carry the entry's versions and times.
    event_id=None,
    event_type=InHeader("X-Contentful-Topic"),
    identity="content",
    # As the official package has it.
    tolerance=30.0,
    # A GET or a DELETE has no body that would tell it from the next one.
    methods=frozenset({"POST", "PUT", "PATCH"}),
    profile=Profile(
        schedule=_RETRIES.says(
            "twice, 30 seconds apart; a policy of one's own asks for up to 99 times, ever later, over about 24 hours"
        ),
        horizon=_RETRIES.says(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(30.0),
        statuses=_DOCS.silent("2xx succeeds; 429 and 5xx are tried again"),
        networks=_DOCS.silent(None),
    ),
    docs=_DOCS.address,
    note=(
        "The path is signed as Contentful was given it: a proxy must not change it, nor the headers that are listed. A path or"
        " query with escapes in it is escaped once more by Contentful's package, and so here: better use a plain one."
    ),
)
