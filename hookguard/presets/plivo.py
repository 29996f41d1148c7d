"""Plivo, signatures of version 3."""

from __future__ import annotations

from collections.abc import Sequence
from hmac import compare_digest
from urllib.parse import parse_qsl

from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError, MalformedDelivery, MalformedHeader, MissingSignature, SignatureMismatch
from hookguard.facts import DAY, Facts, Source
from hookguard.head.target import split_target
from hookguard.place import FirstOf, InForm, InHeader
from hookguard.preset import Preset
from hookguard.privacy.shown import shown_url
from hookguard.schemes.base import Draft, Key, Verified
from hookguard.schemes.form import FormScheme
from hookguard.schemes.layout import MAX_CANDIDATES

__all__ = ["PLIVO", "PlivoScheme"]

_SDK = Source("https://github.com/plivo/plivo-python/blob/master/plivo/utils/signature_v3.py", "2026-11-25")
_DOCS = Source("https://www.plivo.com/docs/voice/concepts/signature-validation", "2026-11-25")
_CALLBACKS = Source("https://docs.plivo.com/docs/voice/concepts/callback-configurations", "2026-11-25")

_NONCE = "X-Plivo-Signature-V3-Nonce"


class PlivoScheme(FormScheme):
    """HMAC of the URL with its query sorted, the form and a nonce. The header may list several signatures."""

    __slots__ = ()

    covers = frozenset({"url", "body", _NONCE.lower()})

    def __init__(self) -> None:
        super().__init__("X-Plivo-Signature-V3", digest="sha256")

    @property
    def what(self) -> str:
        """The hash and the signed content."""
        return "HMAC-SHA-256 of the URL with its query sorted, the form's sorted fields and the nonce"

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Try every key against every signature."""
        came = delivery.headers.one(self._lower)
        if not came:
            raise MissingSignature(f"no {self.header} header", header=self.header)
        signatures = came.encode("ascii", "replace").split(b",")
        if len(signatures) > MAX_CANDIDATES:
            raise MalformedHeader(
                f"the header lists {len(signatures)} signatures; at most {MAX_CANDIDATES} are tried",
                header=self.header,
                size=len(signatures),
                limit=MAX_CANDIDATES,
            )
        message = self._messages(delivery)[0]
        for key in keys:
            expected = self._encode(key.prepared.digest(message)).encode()
            for signature in signatures:
                if compare_digest(expected, signature):
                    return key.name, None
        where = shown_url(delivery.url)
        raise SignatureMismatch(
            f"signature does not match {where!r} and the form (secrets tried: {len(keys)}, signatures: {len(signatures)})."
            " Check that this is the endpoint's auth token, and that this is exactly the URL that Plivo has.",
            secrets=len(keys),
            candidates=len(signatures),
            size=len(delivery.body),
        )

    def _messages(self, delivery: Delivery) -> list[bytes]:
        nonce = delivery.headers.whole(_NONCE.lower())
        if not nonce or not nonce.isascii() or not nonce.isprintable() or "." in nonce:
            raise MissingSignature(f"no {_NONCE} header, or its value is not valid", header=_NONCE)
        fields = self._fields(delivery)
        return [f"{_address(delivery.url, bool(fields))}{fields}.{nonce}".encode("utf-8", "surrogatepass")]

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign; the draft's id is the nonce unless one was given."""
        if _NONCE.lower() not in {name.lower() for name in draft.headers}:
            draft = draft._replace(headers={**draft.headers, _NONCE: draft.id})
        try:
            return super().sign(draft, keys)
        except (MalformedDelivery, MissingSignature) as error:
            raise ConfigurationError(f"the delivery cannot be signed: {error}") from None


def _address(url: str, has_fields: bool) -> str:
    """The URL without its query, and the query's parameters sorted and decoded."""
    target = split_target(url)
    try:
        query = parse_qsl(target.query or "", keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        raise MalformedDelivery("the URL cannot be read") from None
    # Decoded, "a=1%26b%3D2" is signed like "a=1&b=2".
    if any("&" in name or "=" in name or "&" in value for name, value in query):
        raise MalformedDelivery(
            "the signed form of the URL can be read in more than one way: remove '#', '&' in names and values, and '=' in"
            " names from the callback URL, escaped ones too"
        )
    text = "&".join(f"{name}={value}" for name, value in sorted(query))
    mark = "?" if text or has_fields else ""
    return f"{target.origin}{target.path}{mark}{text}{'.' if text and has_fields else ''}"


PLIVO = Preset(
    name="plivo",
    title="Plivo",
    scheme=PlivoScheme(),
    # The nonce is signed. No page states whether a retry has a new one; then it is handled again.
    event_id=InHeader(_NONCE),
    event_type=FirstOf(InForm("Event"), InForm("Status"), InForm("CallStatus")),
    methods=frozenset({"POST", "GET"}),
    facts=Facts(
        # For messages other sources report three times, after one, two and three minutes.
        schedule=_CALLBACKS.says("voice: once, or as often as the URL's fragment asks, up to five times; all within 55 seconds"),
        horizon=_DOCS.silent(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        largest_body=_DOCS.silent(None),
        timeout=_CALLBACKS.says(40.0),
        statuses=_CALLBACKS.says(
            "200 succeeds; failed connections and timeouts are retried, 4xx and 5xx if the URL's fragment asks"
        ),
        networks=_DOCS.silent(None),
    ),
    proof=("sdk",),
    docs=_SDK.address,
    note=(
        "The secret is the auth token of the account or subaccount. In the signed text, names and values are joined without a"
        " separator. No time is signed."
    ),
)
