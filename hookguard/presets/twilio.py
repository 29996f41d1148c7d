"""Twilio."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from hmac import compare_digest
from urllib.parse import urlsplit

from hookguard.delivery import Delivery
from hookguard.documents import says_form
from hookguard.errors import ConfigurationError, MalformedDelivery, MalformedSignature, SignatureMismatch
from hookguard.headers import Headers
from hookguard.place import FirstOf, InForm, InHeader
from hookguard.preset import Preset
from hookguard.profile import Profile, Source
from hookguard.schemes.base import Draft, Key, Verified
from hookguard.schemes.form import FormScheme, joined_fields, read_pairs
from hookguard.schemes.hmac import HmacKey
from hookguard.secret import Secret

__all__ = ["TWILIO", "TwilioScheme"]

_DOCS = Source("https://www.twilio.com/docs/usage/security#validating-requests", "2026-11-24")
_TIMEOUT = Source("https://www.twilio.com/docs/api/errors/11205", "2026-11-25")
_OVERRIDES = Source("https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides", "2026-11-25")

_SETTINGS = "x-twilio-webhooks-signature-settings"
_DIGESTS = {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}
_BODY_HASH = re.compile(r"[?&]bodySHA256=([0-9A-Fa-f]{64})\Z", re.ASCII)


class TwilioScheme(FormScheme):
    """HMAC of the URL and the form; for any other body, of the URL, whose query then holds the body's SHA-256.

    Twilio adds and leaves out ports as it pleases, so the URL is tried as it is, without a port and with the usual one. A
    request signed with a shared key says so in a header of its own, which names the hash as well; both are HMACs with the
    same secret, so that whoever changes that header gains nothing.
    """

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("X-Twilio-Signature", digest="sha1")

    @property
    def what(self) -> str:
        """The hashes, and what goes into them."""
        return "HMAC-SHA-1 or HMAC-SHA-256 of the URL (with bodySHA256 in it) and the form's sorted fields"

    def prepare(self, secret: Secret) -> dict[str, HmacKey]:  # type: ignore[override]
        """Make a key for each hash."""
        key = secret.key()
        return {digest: HmacKey(key, digest) for digest in _DIGESTS.values()}

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Check the signature, and the body's hash where the URL carries one."""
        digest = _digest(delivery.headers)
        found = super().verify(delivery, [key._replace(prepared=key.prepared[digest]) for key in keys])
        if not says_form(delivery.headers) or not read_pairs(delivery.body):
            promised = _promised(delivery.url)
            # A body that was taken away is judged as well: the URL says that there was one.
            if (delivery.body or promised is not None) and not compare_digest(
                hashlib.sha256(delivery.body).hexdigest(), promised or ""
            ):
                raise SignatureMismatch("the URL is genuine, and its bodySHA256 is not the body's")
        return found

    def content(self, delivery: Delivery) -> bytes:
        """Return the signed text with the URL that has no port, as one signature fits it with and without."""
        return min(self._messages(delivery), key=len)

    def _messages(self, delivery: Delivery) -> list[bytes]:
        fields = self._fields(delivery)
        return [(url + fields).encode("utf-8", "surrogatepass") for url in _variants(delivery.url)]

    def _fields(self, delivery: Delivery) -> str:
        if not delivery.body:
            return ""
        if says_form(delivery.headers):
            # A pair that comes twice is signed once.
            return joined_fields(set(read_pairs(delivery.body)))
        if _promised(delivery.url) is None:
            raise MalformedSignature("the body is no form and the URL carries no bodySHA256: nothing signs the body")
        return ""

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign; a body that is no form puts its hash into the URL."""
        try:
            digest = _digest(Headers(draft.headers))
            if draft.body and not says_form(Headers(draft.headers)) and _promised(draft.url) is None:
                url = f"{draft.url}{'&' if '?' in draft.url else '?'}bodySHA256={hashlib.sha256(draft.body).hexdigest()}"
                draft = draft._replace(url=url)
        except (MalformedDelivery, MalformedSignature) as error:
            raise ConfigurationError(f"this cannot be signed: {error}") from None
        return super().sign(draft, [key._replace(prepared=key.prepared[digest]) for key in keys])


def _promised(url: str) -> str | None:
    """The body's hash, which Twilio puts at the end of the URL; anywhere else it may be what a form's field says.

    No request's target has a fragment, so that a "#" is a field's as well.
    """
    found = _BODY_HASH.search(url)
    return found[1].lower() if found else None


def _digest(headers: Headers) -> str:
    """The hash that the settings header names: SHA-1 where it is missing or names none."""
    for part in (headers.one(_SETTINGS) or "").split(","):
        name, _, value = part.partition("=")
        if name.strip() == "algorithm" and value.strip():
            digest = _DIGESTS.get(value.strip().upper())
            if digest is None:
                raise MalformedSignature("the signature is of an algorithm that Twilio did not use when this was written")
            return digest
    return "sha1"


def _variants(url: str) -> list[str]:
    """The URL as it is, without its port, and with the usual port where it has none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return [url]
    if not parts.netloc:
        return [url]
    user, at, host = parts.netloc.rpartition("@")
    name, colon, port = host.rpartition(":")
    usual = "443" if parts.scheme in ("https", "wss") else "80"
    bare = name if colon and port.isdecimal() else host
    start = url.find(parts.netloc)
    if start < 0:
        return [url]  # the parser dropped a character on the way
    rest = url[start + len(parts.netloc) :]
    others = [bare] if bare != host else [f"{host}:{usual}"]
    return [url, *(f"{url[:start]}{user}{at}{other}{rest}" for other in others)]


TWILIO = Preset(
    name="twilio",
    title="Twilio",
    scheme=TwilioScheme(),
    event_id=FirstOf(InHeader("I-Twilio-Idempotency-Token"), InHeader("X-Twilio-Signature")),
    event_type=FirstOf(InForm("MessageStatus"), InForm("SmsStatus"), InForm("CallStatus"), InForm("EventType")),
    # The token is not signed, and the same digits may be dialled twice in one call.
    identity="id+content",
    methods=frozenset({"POST", "GET"}),
    profile=Profile(
        schedule=_OVERRIDES.says(
            "once when the connection fails, or as often as the URL's fragment asks, up to five times; all within 15 seconds"
        ),
        horizon=_OVERRIDES.says(15.0),
        resigned=_OVERRIDES.silent(None),
        stable_body=_OVERRIDES.silent(None),
        timeout=_TIMEOUT.says(15.0),
        statuses=_DOCS.silent("2xx succeeds; a voice call goes on with what the answer says"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector", "sdk"),
    docs="https://www.twilio.com/docs/usage/security#validating-requests",
    note=(
        "The secret is the account's auth token, or the shared key's secret where one signs. No time is signed, and names and"
        " values run into one another in what is. A voice webhook asks what the caller is to hear: with store_reply=True a"
        " repeated one gets the same TwiML again."
    ),
)
