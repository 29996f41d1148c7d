"""Plivo, signatures of version 3."""

from __future__ import annotations

from collections.abc import Sequence
from hmac import compare_digest
from urllib.parse import parse_qsl, urlsplit

from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError, MalformedDelivery, MalformedHeader, MissingSignature, SignatureMismatch
from hookguard.layout import MAX_CANDIDATES
from hookguard.place import FirstOf, InForm, InHeader
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.base import Draft, Key, Verified
from hookguard.schemes.form import FormScheme

__all__ = ["PLIVO", "PlivoScheme"]

_SDK = Source("https://github.com/plivo/plivo-python/blob/master/plivo/utils/signature_v3.py", "2026-11-25")
_DOCS = Source("https://www.plivo.com/docs/voice/concepts/signature-validation", "2026-11-25")
_CALLBACKS = Source("https://docs.plivo.com/docs/voice/concepts/callback-configurations", "2026-11-25")

_NONCE = "X-Plivo-Signature-V3-Nonce"

#: What the parser leaves out of a URL, or of its query.
_DROPPED = frozenset("#\t\r\n")


class PlivoScheme(FormScheme):
    """HMAC of the URL with its query sorted, the form and a nonce. The header may list several signatures."""

    __slots__ = ()

    covers = frozenset({"url", "body", _NONCE.lower()})

    def __init__(self) -> None:
        super().__init__("X-Plivo-Signature-V3", digest="sha256")

    @property
    def what(self) -> str:
        """The hash, and what goes into it."""
        return "HMAC-SHA-256 of the URL with its query sorted, the form's sorted fields and the nonce"

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Try every key against every signature."""
        came = delivery.headers.one(self._lower)
        if not came:
            raise MissingSignature(f"no {self.header} header")
        signatures = came.encode("ascii", "replace").split(b",")
        if len(signatures) > MAX_CANDIDATES:
            raise MalformedHeader(f"{len(signatures)} signatures came; {MAX_CANDIDATES} are tried at most")
        message = self._messages(delivery)[0]
        for key in keys:
            expected = self._encode(key.prepared.digest(message)).encode()
            for signature in signatures:
                if compare_digest(expected, signature):
                    return key.name, None
        raise SignatureMismatch(
            f"none of {len(keys)} secrets makes any of {len(signatures)} signatures over {delivery.url!r} and the form:"
            " is it this endpoint's auth token, and is this the very URL that Plivo was given?"
        )

    def _messages(self, delivery: Delivery) -> list[bytes]:
        nonce = delivery.headers.whole(_NONCE.lower())
        if not nonce or not nonce.isascii() or not nonce.isprintable() or "." in nonce:
            raise MissingSignature(f"no {_NONCE} header, or none that is plain")
        fields = self._fields(delivery)
        return [f"{_address(delivery.url, bool(fields))}{fields}.{nonce}".encode("utf-8", "surrogatepass")]

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign; the draft's id is the nonce unless one was given."""
        if _NONCE.lower() not in {name.lower() for name in draft.headers}:
            draft = draft._replace(headers={**draft.headers, _NONCE: draft.id})
        try:
            return super().sign(draft, keys)
        except (MalformedDelivery, MissingSignature) as error:
            raise ConfigurationError(f"this cannot be signed: {error}") from None


def _address(url: str, has_fields: bool) -> str:
    """The URL without its query, and the query's parameters sorted and decoded."""
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        raise MalformedDelivery("the URL cannot be read") from None
    # Decoded, "a=1%26b%3D2" is signed like "a=1&b=2"; and what the parser drops is not signed at all.
    if any("&" in name or "=" in name or "&" in value for name, value in query) or _DROPPED.intersection(url):
        raise MalformedDelivery(
            "what Plivo signs of this URL can be read in more than one way: leave '#', '&' in names and values, and '=' in"
            " names out of the callback URL, escaped ones as well"
        )
    text = "&".join(f"{name}={value}" for name, value in sorted(query))
    mark = "?" if text or has_fields else ""
    return f"{parts.scheme}://{parts.netloc}{parts.path}{mark}{text}{'.' if text and has_fields else ''}"


PLIVO = Preset(
    name="plivo",
    title="Plivo",
    scheme=PlivoScheme(),
    # The nonce is signed. Whether a retry has another is not said: then it is handled again.
    event_id=InHeader(_NONCE),
    event_type=FirstOf(InForm("Event"), InForm("Status"), InForm("CallStatus")),
    methods=frozenset({"POST", "GET"}),
    profile=Profile(
        # Of messages others report three times, after one, two and three minutes.
        schedule=_CALLBACKS.says("voice: once, or as often as the URL's fragment asks, up to five times; all within 55 seconds"),
        horizon=_DOCS.silent(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_CALLBACKS.says(40.0),
        statuses=_CALLBACKS.says(
            "200 succeeds; failed connections and timeouts are tried again, 4xx and 5xx if the URL's fragment asks"
        ),
        networks=_DOCS.silent(None),
    ),
    proof=("sdk",),
    docs=_SDK.address,
    note=(
        "The secret is the auth token of the account or subaccount. Names and values run into one another in what is signed, and"
        " no time is signed."
    ),
)
