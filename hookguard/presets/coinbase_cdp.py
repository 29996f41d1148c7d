"""Coinbase Developer Platform; Hook0 signs its webhooks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hmac import compare_digest

from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError, MalformedHeader, MalformedSignature, MissingSignature, SignatureMismatch
from hookguard.facts import DAY, Facts, Source
from hookguard.headers import Headers
from hookguard.place import FirstOf, InBody, InHeader
from hookguard.preset import Preset
from hookguard.schemes.base import Draft, Key, Scheme, Verified
from hookguard.schemes.hmac import HmacKey
from hookguard.schemes.layout import MAX_CANDIDATES, timestamps_of
from hookguard.schemes.timestamp import read_timestamp, write_timestamp
from hookguard.secret import Secret

__all__ = ["COINBASE_CDP", "Hook0Scheme"]

_DOCS = Source("https://docs.cdp.coinbase.com/webhooks/verify-signatures", "2026-11-24")
_SENDER = Source("https://github.com/hook0/hook0", "2026-11-24")
_ENGINE = Source("https://github.com/hook0/hook0/blob/master/output-worker/src/work.rs", "2026-11-30")

_HEADER = "X-Hook0-Signature"
_STAMPS = timestamps_of("t=")
#: The list of signed headers, as in the signature's ``h``.
_NAMES = re.compile(r"[a-z0-9-]+(?: [a-z0-9-]+)*", re.ASCII)
#: The beginning of the bytes behind the time, if headers are signed too.
_WITH_HEADERS = re.compile(rb"[a-z0-9-]+(?: [a-z0-9-]+)*\.")


class Hook0Scheme(Scheme):
    """``t=…,v0=…,h=…,v1=…``: HMAC-SHA256 over time and body (v0), or over time, named headers and body (v1).

    If v1 is present, only v1 counts: with v0 a proxy could change the headers. v1 joins values and body with dots, so only the
    last value may hold a dot (an event type does), and the body must be a JSON object or array. ``headers`` are the ones to sign
    with v1; without any, signing makes a v0.
    """

    __slots__ = ("headers",)

    where = "header `X-Hook0-Signature`"
    what = "HMAC-SHA-256 of `{timestamp}.{body}`, or of named headers as well"

    covers = frozenset({"body"})
    signs_timestamp = True
    required_header = _HEADER.lower()

    def __init__(self, *, headers: Sequence[str] = ()) -> None:
        names = " ".join(headers)
        if headers and not _NAMES.fullmatch(names):
            raise ConfigurationError(f"headers={headers!r}: write names in lower case")
        self.headers = tuple(headers)

    def prepare(self, secret: Secret) -> HmacKey:
        """Hash the key's two blocks once."""
        return HmacKey(secret.key("text"), "sha256")

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Check every v1, or without a v1 every v0."""
        value = delivery.headers.one(self.required_header)
        if not value:
            raise MissingSignature(f"no {_HEADER} header", header=_HEADER)
        if not value.isascii():
            raise MalformedSignature("the signature header holds characters that are not ASCII")
        # Servers join repeated lines with "," or with ", ". A second timestamp is found in both.
        items = [item.strip(" ").partition("=")[::2] for item in value.split(",")]
        if len(items) > MAX_CANDIDATES:
            raise MalformedHeader(
                f"the signature header lists {len(items)} items; at most {MAX_CANDIDATES} are read",
                header=_HEADER,
                size=len(items),
                limit=MAX_CANDIDATES,
            )
        stamps, names, v0, v1 = ([text for name, text in items if name == wanted] for wanted in ("t", "h", "v0", "v1"))
        if len(stamps) != 1 or len(_STAMPS.findall(value)) > 1 or len(names) > 1 or (v1 and not names) or not (v0 or v1):
            raise MalformedSignature("the signature header does not have the form t=…,v0=… or t=…,h=…,v1=…")
        timestamp = read_timestamp(stamps[0])
        head = _head(stamps[0], names[0], delivery.headers, delivery.body) if v1 else _bare_head(stamps[0], delivery.body)
        for key in keys:
            expected = key.prepared.digest(head, delivery.body).hex()
            if any(compare_digest(expected, code) for code in v1 or v0):
                return key.name, timestamp
        raise SignatureMismatch(
            f"the {'v1' if v1 else 'v0'} signature does not match (secrets tried: {len(keys)}). Check that this is the"
            " subscription's secret, and that no proxy changed the body or a signed header.",
            secrets=len(keys),
            candidates=len(v1 or v0),
            size=len(delivery.body),
        )

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign with every key."""
        headers = dict(draft.headers)
        stamp = write_timestamp(draft.timestamp)
        if self.headers:
            names = " ".join(self.headers)
            head, start = _head(stamp, names, Headers(headers), draft.body), f"t={stamp},h={names}"
        else:
            head, start = _bare_head(stamp, draft.body), f"t={stamp}"
        version = "v1" if self.headers else "v0"
        headers[_HEADER] = start + "".join(f",{version}={key.prepared.digest(head, draft.body).hex()}" for key in keys)
        return Delivery(draft.body, headers, draft.method, draft.url)

    def __repr__(self) -> str:
        return f"Hook0Scheme(headers={self.headers!r})"


def _bare_head(stamp: str, body: bytes) -> bytes:
    # The text that v1 signed at the same time must not be accepted as the body of a v0.
    if _WITH_HEADERS.match(body):
        raise MalformedSignature("the body begins as a list of signed headers does")
    return f"{stamp}.".encode()


def _head(stamp: str, names: str, headers: Headers, body: bytes) -> bytes:
    if not _NAMES.fullmatch(names):
        raise MalformedSignature("the signature header's list of headers is not names with single spaces between")
    values = []
    for name in names.split(" "):
        value = headers.whole(name)
        # A brace begins the body: a value with a brace could hold a part of the body.
        if value is None or "{" in value or "[" in value:
            raise MalformedSignature(f"the signed header {name!r} is missing or holds a brace")
        values.append(value)
    # Dots separate all parts: with one more dot, the border could be at either.
    if any("." in value for value in values[:-1]):
        raise MalformedSignature("a signed header before the last holds a dot, so the signature has two readings")
    if not body.startswith((b"{", b"[")):
        raise MalformedSignature("the body is not a JSON object or array, so the last signed header could end elsewhere")
    return f"{stamp}.{names}.{'.'.join(values)}.".encode("utf-8", "surrogatepass")


COINBASE_CDP = Preset(
    name="coinbase-cdp",
    title="Coinbase Developer Platform",
    scheme=Hook0Scheme(),
    # Products have the id in different places, and headers may be unsigned. The sender keeps id and body in retries.
    event_id=FirstOf(InHeader("X-Event-Id"), InBody("eventId"), InBody("id")),
    # The body first: it is signed, and the header may be unsigned.
    event_type=FirstOf(InBody("eventType"), InBody("type"), InHeader("X-Event-Type")),
    identity="id+content",
    facts=Facts(
        schedule=_DOCS.says("up to 60 times, with exponential backoff"),
        horizon=_DOCS.silent(7 * DAY),
        # Its engine signs each attempt with the time of that attempt.
        resigned=_ENGINE.says(True),
        stable_body=_SENDER.silent(None),
        stable_id=_SENDER.silent(True),
        largest_body=_SENDER.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.says("200 succeeds; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://docs.cdp.coinbase.com/webhooks/verify-signatures",
    note="Signed headers must arrive unchanged: a proxy that rewrites Content-Type breaks v1. If both are sent, only v1 counts.",
)
