"""Coinbase Developer Platform, whose webhooks Hook0 signs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hmac import compare_digest

from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError, MalformedHeader, MalformedSignature, MissingSignature, SignatureMismatch
from hookguard.headers import Headers
from hookguard.layout import MAX_CANDIDATES
from hookguard.place import FirstOf, InBody, InHeader
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.base import Draft, Key, Scheme, Verified
from hookguard.schemes.hmac import HmacKey
from hookguard.secret import Secret
from hookguard.timestamp import read_timestamp, write_timestamp

__all__ = ["COINBASE_CDP", "Hook0Scheme"]

_DOCS = Source("https://docs.cdp.coinbase.com/webhooks/verify-signatures", "2026-11-24")
_SENDER = Source("https://github.com/hook0/hook0", "2026-11-24")

_HEADER = "X-Hook0-Signature"
#: The list of signed headers, as it stands in the signature's ``h``.
_NAMES = re.compile(r"[a-z0-9-]+(?: [a-z0-9-]+)*", re.ASCII)
#: How the bytes behind the time begin where headers are signed as well.
_WITH_HEADERS = re.compile(rb"[a-z0-9-]+(?: [a-z0-9-]+)*\.")


class Hook0Scheme(Scheme):
    """``t=…,v0=…,h=…,v1=…``: HMAC-SHA256 over time and body (v0), or over time, named headers and body (v1).

    Where v1 is there it alone counts: v0 would let someone in between change the headers. It joins values and body by dots,
    so only the last value may hold one (an event type does), and the body must be a JSON object or array. ``headers`` are
    those that signing puts under a v1; without any it makes a v0.
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
        """Check every v1, or where there is none every v0."""
        value = delivery.headers.one(self.required_header)
        if not value:
            raise MissingSignature(f"no {_HEADER} header")
        if not value.isascii():
            raise MalformedSignature("the signature header holds characters that are not ASCII")
        items = [item.partition("=")[::2] for item in value.split(",")]
        if len(items) > MAX_CANDIDATES:
            raise MalformedHeader(f"the signature header lists {len(items)} items; {MAX_CANDIDATES} are read at most")
        stamps, names, v0, v1 = ([text for name, text in items if name == wanted] for wanted in ("t", "h", "v0", "v1"))
        if len(stamps) != 1 or len(names) > 1 or (v1 and not names) or not (v0 or v1):
            raise MalformedSignature("the signature header does not read as t=…,v0=… or t=…,h=…,v1=…")
        timestamp = read_timestamp(stamps[0])
        head = _head(stamps[0], names[0], delivery.headers, delivery.body) if v1 else _bare_head(stamps[0], delivery.body)
        for key in keys:
            expected = key.prepared.digest(head, delivery.body).hex()
            if any(compare_digest(expected, code) for code in v1 or v0):
                return key.name, timestamp
        raise SignatureMismatch(
            f"none of {len(keys)} secrets makes the {'v1' if v1 else 'v0'} signature: is it this subscription's secret, and did a"
            " proxy change the body or a signed header?"
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
    # What v1 signed for the same time, taken for the body of a v0, must not pass.
    if _WITH_HEADERS.match(body):
        raise MalformedSignature("the body begins as a list of signed headers does")
    return f"{stamp}.".encode()


def _head(stamp: str, names: str, headers: Headers, body: bytes) -> bytes:
    if not _NAMES.fullmatch(names):
        raise MalformedSignature("the signature header's list of headers is not names with single spaces between")
    values = []
    for name in names.split(" "):
        value = headers.whole(name)
        # A brace begins the body: a value with one in it could have taken a piece of it along.
        if value is None or "{" in value or "[" in value:
            raise MalformedSignature(f"the signed header {name!r} is missing or holds a brace")
        values.append(value)
    # Dots stand between all parts: one more of them, and the border could be at either.
    if any("." in value for value in values[:-1]):
        raise MalformedSignature("a signed header before the last holds a dot, so the signature has two readings")
    if not body.startswith((b"{", b"[")):
        raise MalformedSignature("the body is no JSON object or array, so the last signed header could end elsewhere")
    return f"{stamp}.{names}.{'.'.join(values)}.".encode("utf-8", "surrogatepass")


COINBASE_CDP = Preset(
    name="coinbase-cdp",
    title="Coinbase Developer Platform",
    scheme=Hook0Scheme(),
    # Products differ in where they put the id, and headers need not be signed; the sender keeps a body and sends it again.
    event_id=FirstOf(InHeader("X-Event-Id"), InBody("eventId"), InBody("id")),
    event_type=FirstOf(InHeader("X-Event-Type"), InBody("eventType"), InBody("type")),
    identity="content",
    profile=Profile(
        schedule=_DOCS.says("up to 60 times, with exponential backoff"),
        horizon=_DOCS.silent(7 * DAY),
        resigned=_SENDER.silent(True),
        stable_body=_SENDER.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.says("200 succeeds; anything else is tried again"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://docs.cdp.coinbase.com/webhooks/verify-signatures",
    note=(
        "Signed headers must arrive unchanged: a proxy that rewrites Content-Type breaks v1. Where both are sent, only v1 counts."
    ),
)
