"""Mercado Pago."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hmac import compare_digest
from urllib.parse import parse_qsl, urlsplit

from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError, MalformedSignature, MissingSignature, SignatureMismatch
from hookguard.headers import Headers
from hookguard.layout import Layout
from hookguard.place import FirstOf, InBody, InHeader
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.base import Draft, Key, Scheme, Verified
from hookguard.schemes.hmac import HmacKey
from hookguard.secret import Secret
from hookguard.timestamp import read_timestamp, write_timestamp

__all__ = ["MERCADO_PAGO", "MercadoPagoScheme"]

_DOCS = Source("https://www.mercadopago.com/developers/en/docs/your-integrations/notifications/webhooks", "2026-11-24")
_PACKAGE = Source("https://pypi.org/project/mercadopago/", "2026-11-25")

_HEADER = "x-signature"
_REQUEST = "x-request-id"
_LAYOUT = Layout("ts={timestamp},v1={hex}")
#: More digits than seconds have until the year 5138: milliseconds.
_SECONDS = 11


class MercadoPagoScheme(Scheme):
    """HMAC-SHA256 over the query's ``data.id``, the request id and the time. The body is not signed at all.

    Senders differ in whether the id is signed as it came or in lower case, and in the time's unit: both are read.
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
        """Check every signature against the manifest of the id as it came, and in lower case."""
        value = delivery.headers.one(_HEADER)
        if not value:
            raise MissingSignature(f"no {_HEADER} header")
        signatures, stamp = _LAYOUT.read(value)
        timestamp = read_timestamp(stamp or "", "s" if len(stamp or "") <= _SECONDS else "ms")
        manifests = list(_manifests(delivery.url, delivery.headers, stamp or ""))
        for key in keys:
            for manifest in manifests:
                expected = "v1=" + key.prepared.digest(manifest).hex()
                if any(compare_digest(expected, signature) for signature in signatures):
                    return key.name, timestamp
        raise SignatureMismatch(
            f"none of {len(keys)} secrets signs this: is it this application's, and did the query (data.id) arrive as sent?"
        )

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign the URL's ``data.id`` as it stands, the draft's id as request id, and the time in milliseconds."""
        headers = {_REQUEST: draft.id, **draft.headers}
        stamp = write_timestamp(draft.timestamp, "ms")
        try:
            manifest = next(_manifests(draft.url, Headers(headers), stamp))
        except MalformedSignature as error:
            raise ConfigurationError(str(error)) from None
        signatures = ["v1=" + key.prepared.digest(manifest).hex() for key in keys]
        headers[_HEADER] = _LAYOUT.write(signatures, stamp)
        return Delivery(draft.body, headers, draft.method, draft.url)

    def __repr__(self) -> str:
        return "MercadoPagoScheme()"


def _manifests(url: str, headers: Headers, stamp: str) -> Iterator[bytes]:
    request = headers.one(_REQUEST) or ""
    try:
        query = parse_qsl(urlsplit(url).query, errors="strict", max_num_fields=100)
    except ValueError:
        raise MalformedSignature("the query cannot be read") from None
    ids = [value for name, value in query if name == "data.id"]
    if len(ids) > 1 or any(";" in value for value in (*ids, request)):
        # A semicolon would move the border between what is signed.
        raise MalformedSignature("the query has more than one data.id, or that or the request id holds a semicolon")
    tail = (f"request-id:{request};" if request else "") + f"ts:{stamp};"
    if not ids:
        yield tail.encode("utf-8", "surrogatepass")
        return
    for spelt in dict.fromkeys((ids[0], ids[0].lower())):
        yield f"id:{spelt};{tail}".encode("utf-8", "surrogatepass")


MERCADO_PAGO = Preset(
    name="mercado-pago",
    title="Mercado Pago",
    scheme=MercadoPagoScheme(),
    # The body's id is not signed; this is, and a captured delivery comes under no other.
    event_id=InHeader(_REQUEST),
    event_type=FirstOf(InBody("action"), InBody("type")),
    # No page says whether a retry is signed anew, and one that is refused for its age would be lost.
    tolerance=4 * DAY,
    profile=Profile(
        schedule=_PACKAGE.says("every 15 minutes"),
        horizon=_DOCS.silent(4 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_PACKAGE.says(22.0),
        statuses=_PACKAGE.says("200 and 201 succeed; anything else is tried again"),
        networks=_DOCS.silent(None),
    ),
    proof=("sdk",),
    docs=_DOCS.address,
    note=(
        "The body is not signed: take the id only, and ask for the payment. The older IPN and the notifications of QR codes are"
        " not signed and are refused."
    ),
)
