"""Other schemes that may have signed a delivery: an older hash, and what a user's own preset may have wrong."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError, Rejected
from hookguard.place import InHeader
from hookguard.schemes.base import Key
from hookguard.schemes.hash import HashScheme
from hookguard.schemes.hmac import DIGESTS, HmacKey, HmacScheme, SignatureHeader
from hookguard.schemes.layout import ENCODINGS
from hookguard.schemes.timestamp import TimestampUnit

__all__ = ["TEMPLATES", "Redefined", "keys_for", "older", "redefined"]

_SHA1 = re.compile(r"(sha1=|v1=|v0=)?(?:([0-9a-f]{40})|[A-Za-z0-9+/]{27}=)", re.ASCII)
_ENCODING = re.compile(r"\{(?:HEX|hex|base64url-nopad|base64url|base64)\}")
_SIZES = {"sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64}
_UNITS: tuple[TimestampUnit, ...] = ("s", "ms", "rfc3339")
#: Texts that senders sign.
TEMPLATES = (
    "{body}",
    "{timestamp}.{body}",
    "{timestamp}:{body}",
    "{timestamp}{body}",
    "{body}{timestamp}",
    "{timestamp},{body}",
    "{timestamp}\n{body}",
    "{timestamp}|{body}",
    "{timestamp}-{body}",
    "{timestamp}_{body}",
    "{timestamp} {body}",
    "{body}.{timestamp}",
    "{body}:{timestamp}",
    "v0:{timestamp}:{body}",
    "v1:{timestamp}:{body}",
    "t={timestamp}.{body}",
    "{id}.{timestamp}.{body}",
    "{id}{timestamp}{body}",
    "{id}.{body}",
    "{url}{body}",
    "{body}{url}",
    "{url}.{body}",
    "{timestamp}.{url}.{body}",
    "{method}{url}{body}",
    "{method}{url}{body}{timestamp}",
    "{timestamp}.{method}.{url}.{body}",
)


class Redefined(NamedTuple):
    """A scheme that differs in some arguments, with the cause of each."""

    codes: tuple[str, ...]
    detail: str
    scheme: HmacScheme


def keys_for(scheme: HmacScheme, own: Sequence[Key], field: str) -> list[Key]:
    """Return the keys made ready for another scheme of the same family."""
    made = []
    for key in own:
        try:
            raw = key.secret.key(scheme.secret_format, field)
        except ConfigurationError:
            continue
        made.append(Key(key.name, key.secret, HmacKey(raw, scheme.digest)))
    return made


def older(scheme: object, delivery: Delivery) -> Iterator[tuple[str, HmacScheme]]:
    """Yield the scheme with SHA-1, for each header that carries such a signature, with the header's name."""
    if not isinstance(scheme, HmacScheme) or isinstance(scheme, HashScheme) or scheme.digest == "sha1":
        return
    ours = {header.lower for header in scheme.signature}
    for name in list(dict.fromkeys(delivery.headers))[:64]:
        found = _SHA1.fullmatch(delivery.headers.get(name, ""))
        if found is None or name.lower() in ours:
            continue
        layout = f"{found[1] or ''}{{{'hex' if found[2] else 'base64'}}}"
        try:
            yield name, _made(scheme, SignatureHeader(name, layout), digest="sha1")
        except ConfigurationError:
            continue


def _made(
    scheme: HmacScheme,
    *signature: SignatureHeader,
    digest: str | None = None,
    signed: str | None = None,
    unit: TimestampUnit | None = None,
) -> HmacScheme:
    template = scheme.signed if signed is None else signed
    return HmacScheme(
        signature=signature or scheme.signature,
        signed=template,
        digest=digest or scheme.digest,
        timestamp=scheme.timestamp if "{timestamp}" in template or not isinstance(scheme.timestamp, InHeader) else None,
        timestamp_unit=unit or scheme.timestamp_unit,
        id=scheme.id if "{id}" in template else None,
        secret_format=scheme.secret_format,
        any_header=scheme.any_header,
    )


def redefined(scheme: HmacScheme, delivery: Delivery) -> Iterator[Redefined]:
    """Yield the scheme with one, two and three other arguments, as far as they fit the signature that came."""
    shapes = list(_shapes(scheme, delivery))
    templates: list[tuple[str, str | None]] = [
        ("", None),
        *((f"signed={each!r}", each) for each in TEMPLATES if each != scheme.signed),
    ]
    others: list[TimestampUnit | None] = [each for each in _UNITS if each != scheme.timestamp_unit and scheme.signs_timestamp]
    units = [None, *others]
    combined = []
    for (shape, header, digest), (text, template), unit in itertools.product(shapes, templates, units):
        codes = (*shape, *(["scheme_template"] if template else []), *(["timestamp_unit"] if unit else []))
        if 0 < len(codes) <= 3:
            named = [*([f"digest={digest!r}"] if digest else []), *([f"layout={header.layout.template!r}"] if header else [])]
            named += [text, f"timestamp_unit={unit!r}" if unit else ""]
            combined.append((len(codes), codes, named, header, digest, template, unit))
    for _, codes, said, header, digest, template, unit in sorted(combined, key=lambda each: each[0]):
        try:
            made = _made(scheme, *([header] if header else []), digest=digest, signed=template, unit=unit)
        except ConfigurationError:
            continue
        yield Redefined(codes, ", ".join(filter(None, said)), made)


def _shapes(scheme: HmacScheme, delivery: Delivery) -> Iterator[tuple[tuple[str, ...], SignatureHeader | None, str | None]]:
    """Yield the hashes and encodings that could have made a signature of the length that came."""
    first = scheme.signature[0]
    value = delivery.headers.get(first.lower, "")
    for digest, size in _SIZES.items():
        for encoding in ENCODINGS:
            template = _ENCODING.sub(f"{{{encoding}}}", first.layout.template)
            same = encoding == first.layout.encoding
            header = first if same else SignatureHeader(first.name, template, separator=first.layout.separator)
            try:
                items, _ = header.layout.parse_header(value)
            except Rejected:
                items = ()  # this layout cannot read the header
            if digest in DIGESTS and any(header.layout.plausible(item, size) for item in items):
                codes = (*(["scheme_digest"] if digest != scheme.digest else []), *([] if same else ["scheme_encoding"]))
                yield codes, None if same else header, digest if digest != scheme.digest else None
