"""Paytm's payment callbacks and webhooks: a form whose values are covered by a checksum."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from hmac import compare_digest
from typing import Any
from urllib.parse import urlencode

from hookguard.bodies import Reading, read_form
from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError, MalformedBody, MalformedSignature, MissingSignature, SignatureMismatch
from hookguard.facts import DAY, Facts, Source
from hookguard.place import Content, InForm
from hookguard.preset import Preset
from hookguard.schemes.base import Draft, Key, Scheme, Verified
from hookguard.secret import Secret

__all__ = ["PAYTM", "PaytmScheme"]

_DOCS = Source("https://business.paytm.com/docs/payment-status", "2026-11-25")
_PACKAGE = "https://pypi.org/project/paytmchecksum/"

_FIELD = "CHECKSUMHASH"
#: The official packages' initialisation vector. It is constant, so the checksum depends on the salt and the values only.
_VECTOR = b"@@@@&&&&####$$$$"
#: A SHA-256 in hex and four characters of salt.
_PLAIN = re.compile(rb"[0-9a-f]{64}[0-9A-Za-z]{4}")
_PADDING = bytes([12]) * 12


class PaytmScheme(Scheme):
    """SHA-256 of the form's values and a salt, encrypted with the merchant key (AES-CBC), in the field ``CHECKSUMHASH``.

    The values are sorted by name, but the names are not covered: a captured form could come back with changed names. So use the
    order's id only to query its status at Paytm.
    """

    __slots__ = ()

    where = "form `CHECKSUMHASH`"
    what = "SHA-256 of the form's values, encrypted with AES"

    covers = frozenset({"body"})
    extras = ("crypto",)

    def prepare(self, secret: Secret) -> bytes:
        """Return the merchant key; ConfigurationError if its length does not fit AES or ``cryptography`` is missing."""
        key = secret.key("text")
        if len(key) not in (16, 24, 32):
            raise ConfigurationError(f"a Paytm merchant key has 16, 24 or 32 characters, and this one has {len(key)}")
        _cipher(key)
        return key

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Decrypt the checksum with every key and compare it with a checksum of the same salt."""
        form = Reading(delivery).form
        checksum = form.get(_FIELD)
        if not checksum:
            raise MissingSignature(f"the form has no field {_FIELD}")
        try:
            sealed = base64.b64decode(checksum, validate=True)
        except (binascii.Error, ValueError):
            sealed = b""
        if len(sealed) != 80:  # 68 characters, padded to whole blocks
            raise MalformedSignature(f"{_FIELD} is not the base64 of five blocks")
        for key in keys:
            decryptor = _cipher(key.prepared).decryptor()
            plain = (decryptor.update(sealed) + decryptor.finalize())[:68]
            if _PLAIN.fullmatch(plain) and compare_digest(_checksum(key.prepared, form, plain[64:].decode()), checksum):
                return key.name, None
        raise SignatureMismatch(
            f"the checksum does not match (merchant keys tried: {len(keys)}). Check that this is the merchant's key.",
            secrets=len(keys),
            candidates=1,
        )

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Add the checksum to the form."""
        if len(keys) != 1:
            raise ConfigurationError("a form carries one checksum: sign with one secret")
        try:
            form = read_form(draft.body)
        except MalformedBody as error:
            raise ConfigurationError(f"the body is not a form: {error}") from None
        form.pop(_FIELD, None)
        # The salt may be any four letters and digits; these are the same for the same delivery.
        salt = hashlib.sha256(draft.id.encode("utf-8", "surrogatepass")).hexdigest()[:4]
        form[_FIELD] = _checksum(keys[0].prepared, form, salt)
        headers = {name: value for name, value in draft.headers.items() if name.lower() != "content-type"}
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        return Delivery(urlencode(form).encode(), headers, draft.method, draft.url)

    def content(self, delivery: Delivery) -> bytes:
        """Return the signed values: names, order and escapes are not signed."""
        return _values(Reading(delivery).form)

    def __repr__(self) -> str:
        return "PaytmScheme()"


def _values(form: Mapping[str, str]) -> bytes:
    named = sorted((name, value) for name, value in form.items() if name != _FIELD)
    return "|".join("" if value.lower() == "null" else value for _, value in named).encode("utf-8", "surrogatepass")


def _checksum(key: bytes, form: Mapping[str, str], salt: str) -> str:
    plain = hashlib.sha256(_values(form) + b"|" + salt.encode()).hexdigest() + salt
    encryptor = _cipher(key).encryptor()
    return base64.b64encode(encryptor.update(plain.encode() + _PADDING) + encryptor.finalize()).decode()


def _cipher(key: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError("Paytm's checksum needs cryptography: pip install 'hookguard-webhooks[crypto]'") from None
    return Cipher(algorithms.AES(key), modes.CBC(_VECTOR))


PAYTM = Preset(
    name="paytm",
    title="Paytm",
    scheme=PaytmScheme(),
    # Names are not signed and a form has several spellings, so only the signed values distinguish two events.
    event_id=Content(),
    event_type=InForm("STATUS"),
    facts=Facts(
        schedule=_DOCS.silent("not stated"),
        horizon=_DOCS.silent(3 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("200 succeeds"),
        networks=_DOCS.silent(None),
    ),
    proof=("sdk",),
    docs=_PACKAGE,
    note=(
        "The checksum covers the form's values in the order of their names, not the names: query the order's status before"
        " you deliver goods."
    ),
    doubt="the official package has the checksum; no page confirms that webhooks carry it in CHECKSUMHASH, as callbacks do",
)
