"""Twilio."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from hmac import compare_digest
from urllib.parse import urlsplit

from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError, MalformedDelivery, MalformedSignature, SignatureMismatch
from hookguard.facts import Facts, Source
from hookguard.head.content_type import says_form
from hookguard.head.target import add_to_query
from hookguard.headers import Headers
from hookguard.place import FirstOf, InForm, InHeader
from hookguard.preset import Preset
from hookguard.schemes.base import Draft, Key, Verified
from hookguard.schemes.form import FormScheme, joined_fields, read_pairs
from hookguard.schemes.hmac import HmacKey
from hookguard.secret import Secret

__all__ = ["TWILIO", "TwilioScheme"]

_DOCS = Source("https://www.twilio.com/docs/usage/security#validating-requests", "2026-11-30")
_TIMEOUT = Source("https://www.twilio.com/docs/api/errors/11205", "2026-11-25")
_OVERRIDES = Source("https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides", "2026-11-25")
_LIMIT = Source("https://www.twilio.com/docs/api/errors/17564", "2026-11-30")

_SETTINGS = "x-twilio-webhooks-signature-settings"
_DIGESTS = {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}
_BODY_HASH = re.compile(r"[?&]bodySHA256=([0-9A-Fa-f]{64})\Z", re.ASCII)


class TwilioScheme(FormScheme):
    """HMAC of the URL and the form. For any other body: HMAC of the URL, whose query then holds the body's SHA-256.

    Twilio removes user, password and fragment from the URL before it signs, and may add or remove the port. So several forms of
    the URL are tried: without these parts, with and without a port, and unchanged. A request signed with a shared key has a
    header that names the hash. Both hashes are HMACs with the same secret, so changing that header gains nothing.
    """

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("X-Twilio-Signature", digest="sha1")

    @property
    def what(self) -> str:
        """The hashes and the signed content."""
        return "HMAC-SHA-1 or HMAC-SHA-256 of the URL (with bodySHA256 in it) and the form's sorted fields"

    def prepare(self, secret: Secret) -> dict[str, HmacKey]:  # type: ignore[override]
        """Make a key for each hash."""
        key = secret.key()
        return {digest: HmacKey(key, digest) for digest in _DIGESTS.values()}

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Check the signature, and the body's hash if the URL carries one."""
        digest = _digest(delivery.headers)
        found = super().verify(delivery, [Key(key.name, key.secret, key.prepared[digest]) for key in keys])
        if not says_form(delivery.headers) or not read_pairs(delivery.body):
            promised = _promised(delivery.url)
            # A removed body is checked too: the URL shows that there was one.
            if (delivery.body or promised is not None) and not compare_digest(
                hashlib.sha256(delivery.body).hexdigest(), promised or ""
            ):
                raise SignatureMismatch("the URL is genuine, but its bodySHA256 does not match the body")
        return found

    def content(self, delivery: Delivery) -> bytes:
        """Return the signed text with the URL without a port, because one signature fits both forms."""
        return min(self._messages(delivery), key=len)

    def _messages(self, delivery: Delivery) -> list[bytes]:
        fields = self._fields(delivery)
        return [(url + fields).encode("utf-8", "surrogatepass") for url in _variants(delivery.url)]

    def _fields(self, delivery: Delivery) -> str:
        if not delivery.body:
            return ""
        if says_form(delivery.headers):
            # A repeated pair is signed once.
            return joined_fields(set(read_pairs(delivery.body)))
        if _promised(delivery.url) is None:
            raise MalformedSignature("the body is not a form and the URL carries no bodySHA256, so nothing signs the body")
        return ""

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign. For a body that is not a form, put its hash into the URL."""
        try:
            digest = _digest(Headers(draft.headers))
            draft = draft._replace(url=draft.url.partition("#")[0])
            if draft.body and not says_form(Headers(draft.headers)) and _promised(draft.url) is None:
                item = f"bodySHA256={hashlib.sha256(draft.body).hexdigest()}"
                draft = draft._replace(url=add_to_query(draft.url, item))
        except (MalformedDelivery, MalformedSignature) as error:
            raise ConfigurationError(f"the delivery cannot be signed: {error}") from None
        return super().sign(draft, [key._replace(prepared=key.prepared[digest]) for key in keys])


def _promised(url: str) -> str | None:
    """Return the body's hash, which Twilio puts at the end of the URL. Elsewhere it may be a form field's value.

    A "#" ends nothing: a request's target has no fragment, so the "#" belongs to a field too.
    """
    found = _BODY_HASH.search(url)
    return found[1].lower() if found else None


def _digest(headers: Headers) -> str:
    """Return the hash that the settings header names: SHA-1 if it is missing or names no hash."""
    for part in (headers.one(_SETTINGS) or "").split(","):
        name, _, value = part.partition("=")
        if name.strip() == "algorithm" and value.strip():
            digest = _DIGESTS.get(value.strip().upper())
            if digest is None:
                raise MalformedSignature("the signature has an unknown algorithm; update hookguard, or report it")
            return digest
    return "sha1"


def _variants(url: str) -> list[str]:
    """Return the URL without user, password and fragment; the same without its port, or with the default port; and unchanged."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return [url]
    if not parts.netloc:
        return [url]
    host = parts.netloc.rpartition("@")[2]
    name, colon, port = host.rpartition(":")
    usual = "443" if parts.scheme in ("https", "wss") else "80"
    bare = name if colon and port.isdecimal() else host
    start = url.find(parts.netloc)
    if start < 0:
        return [url]  # the parser dropped a character
    rest = url[start + len(parts.netloc) :].partition("#")[0]
    other = bare if bare != host else f"{host}:{usual}"
    return list(dict.fromkeys((f"{url[:start]}{host}{rest}", f"{url[:start]}{other}{rest}", url)))


TWILIO = Preset(
    name="twilio",
    title="Twilio",
    secret_shape="[0-9a-f]{32}",
    not_secrets=((r"(?:AC|SK)[0-9a-f]{32}\Z", "an account or key SID"),),
    scheme=TwilioScheme(),
    event_id=FirstOf(InHeader("I-Twilio-Idempotency-Token"), InHeader("X-Twilio-Signature")),
    event_type=FirstOf(InForm("MessageStatus"), InForm("SmsStatus"), InForm("CallStatus"), InForm("EventType")),
    # The token is not signed, and a caller may dial the same digits twice in one call.
    identity="id+content",
    methods=frozenset({"POST", "GET"}),
    facts=Facts(
        schedule=_OVERRIDES.says(
            "once if the connection fails, or as often as the URL's fragment asks, up to five times; all within 15 seconds"
        ),
        horizon=_OVERRIDES.says(15.0),
        resigned=_OVERRIDES.silent(None),
        stable_body=_OVERRIDES.silent(None),
        stable_id=_OVERRIDES.silent(True),
        largest_body=_LIMIT.says(1_000_000),
        timeout=_TIMEOUT.says(15.0),
        statuses=_DOCS.silent("2xx succeeds; a voice call goes on with what the answer says"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector", "sdk"),
    docs="https://www.twilio.com/docs/usage/security#validating-requests",
    note=(
        "The secret is the account's auth token, or the shared key's secret if a shared key signs. No time is signed. In the"
        " signed text, names and values are joined without a separator. A voice webhook's answer is TwiML for the caller:"
        " with store_reply=True a repeated delivery gets the same TwiML."
    ),
)
