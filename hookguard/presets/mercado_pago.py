"""Mercado Pago."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hmac import compare_digest

from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError, MalformedSignature, MissingSignature, SignatureMismatch
from hookguard.facts import DAY, Facts, Source
from hookguard.head.target import split_target
from hookguard.headers import Headers
from hookguard.place import FirstOf, InBody, InHeader
from hookguard.preset import Preset
from hookguard.schemes.base import Draft, Key, Scheme, Verified, signed_url
from hookguard.schemes.hmac import HmacKey
from hookguard.schemes.layout import Layout
from hookguard.schemes.timestamp import read_timestamp, write_timestamp
from hookguard.secret import Secret

__all__ = ["MERCADO_PAGO", "MercadoPagoScheme"]

_DOCS = Source("https://www.mercadopago.com/developers/en/docs/your-integrations/notifications/webhooks", "2026-11-24")
_PACKAGE = Source("https://pypi.org/project/mercadopago/", "2026-11-25")

_HEADER = "x-signature"
_REQUEST = "x-request-id"
_LAYOUT = Layout("ts={timestamp},v1={hex}")
#: With this many digits a timestamp is in milliseconds: as seconds it would be after the year 5138.
_SECONDS = 11


class MercadoPagoScheme(Scheme):
    """HMAC-SHA256 over the query's ``data.id``, the request id and the time. The body is not signed at all.

    Some senders sign the id unchanged, others in lower case, and the time's unit differs too: each form is accepted.
    """

    __slots__ = ()

    where = "header `x-signature`"
    what = "HMAC-SHA-256 of the query's `data.id`, `x-request-id` and the time"

    covers = frozenset({_REQUEST})
    signs_timestamp = True
    required_header = _HEADER

    def prepare(self, secret: Secret) -> HmacKey:
        """Hash the key's two blocks once."""
        return HmacKey(secret.key("text"), "sha256")

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Check every signature against the manifests with the unchanged id, and with the id in lower case."""
        value = delivery.headers.one(_HEADER)
        if not value:
            raise MissingSignature(f"no {_HEADER} header", header=_HEADER)
        signatures, stamp = _LAYOUT.parse_header(value)
        timestamp = read_timestamp(stamp or "", "s" if len(stamp or "") <= _SECONDS else "ms")
        manifests = list(_manifests(delivery.url, delivery.headers, stamp or ""))
        for key in keys:
            for manifest in manifests:
                expected = "v1=" + key.prepared.digest(manifest).hex()
                if any(compare_digest(expected, signature) for signature in signatures):
                    return key.name, timestamp
        raise SignatureMismatch(
            f"signature does not match (secrets tried: {len(keys)}). Check that this is the application's secret, and that"
            " nothing changed the query (data.id) on the way.",
            secrets=len(keys),
            candidates=len(signatures),
        )

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign the URL's unchanged ``data.id``, the draft's id as request id, and the time in milliseconds."""
        headers = {_REQUEST: draft.id, **draft.headers}
        stamp = write_timestamp(draft.timestamp, "ms")
        try:
            manifest = next(_manifests(draft.url, Headers(headers), stamp))
        except MalformedSignature as error:
            raise ConfigurationError(str(error)) from None
        signatures = ["v1=" + key.prepared.digest(manifest).hex() for key in keys]
        headers[_HEADER] = _LAYOUT.write_header(signatures, stamp)
        return Delivery(draft.body, headers, draft.method, draft.url)

    def __repr__(self) -> str:
        return "MercadoPagoScheme()"


def _manifests(url: str, headers: Headers, stamp: str) -> Iterator[bytes]:
    request = headers.one(_REQUEST) or ""
    with signed_url():
        given = split_target(url).parameter("data.id")
    if ";" in (given or "") + request:
        raise MalformedSignature("data.id or the request id holds a semicolon, which would move the border between them")
    tail = (f"request-id:{request};" if request else "") + f"ts:{stamp};"
    if given is None:
        yield tail.encode("utf-8", "surrogatepass")
        return
    for spelt in dict.fromkeys((given, given.lower())):
        yield f"id:{spelt};{tail}".encode("utf-8", "surrogatepass")


MERCADO_PAGO = Preset(
    name="mercado-pago",
    title="Mercado Pago",
    scheme=MercadoPagoScheme(),
    # The body's id is not signed. The request id is, so a captured delivery cannot be sent with another one.
    event_id=InHeader(_REQUEST),
    event_type=FirstOf(InBody("action"), InBody("type")),
    facts=Facts(
        schedule=_PACKAGE.says("every 15 minutes"),
        horizon=_DOCS.silent(4 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        largest_body=_DOCS.silent(None),
        timeout=_PACKAGE.says(22.0),
        statuses=_PACKAGE.says("200 and 201 succeed; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("sdk",),
    docs=_DOCS.address,
    note=(
        "The body is not signed: use only the id, and query the payment. The older IPN and QR code notifications are not"
        " signed and are rejected."
    ),
)
