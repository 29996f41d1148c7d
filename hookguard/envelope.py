"""Bodies that are encrypted, or wrapped, besides being signed: opened once the signature was checked.

Whatever comes is refused with MalformedBody when it cannot be opened. That is told to nobody before the signature was found
right, so that the answer says nothing about a forger's padding.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final, Protocol

from hookguard.delivery import Delivery
from hookguard.documents import Reading, read_json, write_json
from hookguard.errors import ConfigurationError, MalformedBody
from hookguard.place import InBody, InForm, InXml, in_words
from hookguard.schemes.base import Draft, Key
from hookguard.schemes.public_key import need_cryptography
from hookguard.secret import Secret

__all__ = ["Envelope", "FramedAes", "HashedKeyAes", "InBase64", "SealedResource"]

_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", re.ASCII)
_AES_KEY: Final = re.compile(r"[A-Za-z0-9+/]{43}", re.ASCII)


class Envelope(Protocol):
    """How a provider wraps what it sends. A class that inherits this one needs nothing of the secret."""

    __slots__ = ()

    #: The extras of ours that it needs installed.
    extras: tuple[str, ...] = ()

    def check(self, secret: Secret) -> None:
        """Raise ConfigurationError when the secret cannot open anything, or a package is missing."""
        return  # with nothing in it, a protocol's method counts as abstract

    def open(self, delivery: Delivery, key: Key) -> bytes:
        """Return what is in a verified delivery; MalformedBody when it cannot be opened."""

    def seal(self, draft: Draft, key: Key) -> Draft:
        """Put a body that is about to be signed into its envelope; one that is in it already stays as it is."""


@dataclass(frozen=True, slots=True)
class FramedAes(Envelope):
    """AES-256-CBC of 16 random bytes, the message's length, the message and its owner, padded to 32 bytes (PKCS #7).

    The text is at ``place``. The key is the secret's ``aes_key`` (43 characters of base64), and its first half the initial
    vector; the owner must be the secret's ``owner``. WeCom and DingTalk do so.
    """

    extras = ("crypto",)

    place: InBody | InXml
    owner: str

    def check(self, secret: Secret) -> None:
        """Refuse an ``aes_key`` that is not 43 characters of base64."""
        need_cryptography()
        if not _AES_KEY.fullmatch(secret.field("aes_key")):
            raise ConfigurationError("aes_key must be the 43 letters, digits, + and / that the provider's page shows")
        secret.field(self.owner)

    def open(self, delivery: Delivery, key: Key) -> bytes:
        """Decrypt what is at the place."""
        text = self.place.find(Reading(delivery))
        if text is None:
            raise MalformedBody(f"nothing encrypted is at {in_words(self.place)}")
        return self.decrypt(text, key.secret)

    def decrypt(self, text: str, secret: Secret) -> bytes:
        """Return the message in an encrypted text; MalformedBody also when it is another owner's."""
        aes_key = _aes_key(secret)
        framed = _unpadded(_cbc(aes_key, aes_key[:16], _decoded(text)), 32)
        end = 20 + int.from_bytes(framed[16:20], "big")
        if len(framed) < 20 or end > len(framed):
            raise MalformedBody("what was encrypted is not framed as it should be: is aes_key the endpoint's own?")
        if not compare_digest(framed[end:], secret.field(self.owner).encode()):
            raise MalformedBody(f"what was encrypted is another owner's: is {self.owner} the endpoint's own?")
        return framed[20:end]

    def encrypt(self, message: bytes, secret: Secret) -> str:
        """Return a message as encrypted text, for answers and for signing."""
        aes_key = _aes_key(secret)
        framed = secrets.token_bytes(16) + len(message).to_bytes(4, "big") + message + secret.field(self.owner).encode()
        return base64.b64encode(_cbc(aes_key, aes_key[:16], _padded(framed, 32), encrypt=True)).decode()

    def seal(self, draft: Draft, key: Key) -> Draft:
        """Encrypt the body, unless the place holds something already."""
        try:
            if self.place.find(Reading(Delivery(draft.body, draft.headers))) is not None:
                return draft
        except MalformedBody:
            pass
        text = self.encrypt(draft.body, key.secret)
        if isinstance(self.place, InXml):
            return draft._replace(body=f"<xml><{self.place.path}><![CDATA[{text}]]></{self.place.path}></xml>".encode())
        return draft._replace(body=json.dumps({self.place.path: text}).encode())


@dataclass(frozen=True, slots=True)
class HashedKeyAes(Envelope):
    """AES-256-CBC with the SHA-256 of the secret's ``field`` as its key; the first 16 bytes are the initial vector.

    Where the secret has no such field the body must not be encrypted, and where it has, it must. Lark and Feishu do so.
    """

    extras = ("crypto",)

    field: str = "encrypt_key"
    place: InBody = InBody("encrypt")  # noqa: RUF009 - frozen

    def check(self, secret: Secret) -> None:
        """Look for the package where there is something to decrypt with."""
        if secret.has(self.field):
            need_cryptography()
            secret.field(self.field)

    def open(self, delivery: Delivery, key: Key) -> bytes:
        """Decrypt what is at the place, where the secret says that it is encrypted."""
        text = self.place.find(Reading(delivery))
        if not key.secret.has(self.field):
            if text is not None:
                raise MalformedBody(f"the body is encrypted and the secret has no {self.field}: configure it")
            return delivery.body
        if text is None:
            raise MalformedBody(f"the body is not encrypted, although the secret has {self.field}")
        data = _decoded(text)
        if len(data) < 32:
            raise MalformedBody("what was encrypted is too short")
        return _unpadded(_cbc(self._key(key.secret), data[:16], data[16:]), 16)

    def seal(self, draft: Draft, key: Key) -> Draft:
        """Encrypt the body where the secret says so, unless it is encrypted already."""
        if not key.secret.has(self.field):
            return draft
        try:
            if self.place.find(Reading(Delivery(draft.body, draft.headers))) is not None:
                return draft
        except MalformedBody:
            pass
        vector = secrets.token_bytes(16)
        data = vector + _cbc(self._key(key.secret), vector, _padded(draft.body, 16), encrypt=True)
        return draft._replace(body=json.dumps({self.place.path: base64.b64encode(data).decode()}).encode())

    def _key(self, secret: Secret) -> bytes:
        return hashlib.sha256(secret.field(self.field).encode()).digest()


@dataclass(frozen=True, slots=True)
class SealedResource(Envelope):
    """AES-256-GCM of the JSON object at ``resource``, with its nonce and associated data beside it.

    What is opened is the body with ``resource`` replaced by its plaintext. The key is the text of the secret's ``field``.
    WeChat Pay does so.
    """

    extras = ("crypto",)

    field: str = "api_v3_key"

    def check(self, secret: Secret) -> None:
        """Refuse a key whose length AES does not take."""
        need_cryptography()
        if len(secret.field(self.field).encode()) not in (16, 24, 32):
            raise ConfigurationError(f"{self.field} must be the 32 characters that the provider's page shows")

    def open(self, delivery: Delivery, key: Key) -> bytes:
        """Decrypt the resource."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        document = Reading(delivery).document()
        sealed = document.get("resource") if isinstance(document, dict) else None
        if not isinstance(sealed, dict) or sealed.get("algorithm") != "AEAD_AES_256_GCM":
            raise MalformedBody("the body has no resource that is encrypted with AEAD_AES_256_GCM")
        nonce, text, extra = (sealed.get(name) for name in ("nonce", "ciphertext", "associated_data"))
        if not isinstance(nonce, str) or not isinstance(text, str) or not isinstance(extra, (str, type(None))):
            raise MalformedBody("the encrypted resource is not whole")
        moment = nonce.encode("utf-8", "surrogatepass")
        if len(moment) != 12:
            raise MalformedBody("the encrypted resource's nonce has not 12 bytes")
        try:
            plain = AESGCM(key.secret.field(self.field).encode()).decrypt(
                moment, _decoded(text), (extra or "").encode("utf-8", "surrogatepass")
            )
        except (InvalidTag, ValueError):
            raise MalformedBody(f"the encrypted resource cannot be opened: is {self.field} the account's own?") from None
        return write_json({**document, "resource": read_json(plain)})

    def seal(self, draft: Draft, key: Key) -> Draft:
        """Encrypt the resource of a JSON body, unless it is encrypted already."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - an extra

        try:
            document = read_json(draft.body)
        except MalformedBody as error:
            raise ConfigurationError(f"the body must be the notification, as JSON: {error}") from None
        resource = document.get("resource") if isinstance(document, dict) else None
        if resource is None:
            raise ConfigurationError('the body must be the notification, a JSON object with the plain text as its "resource"')
        if isinstance(resource, dict) and "ciphertext" in resource:
            return draft
        nonce, extra = secrets.token_hex(6), str(document.get("resource_type", ""))
        plain = write_json(resource)
        data = AESGCM(key.secret.field(self.field).encode()).encrypt(nonce.encode(), plain, extra.encode())
        sealed = {
            "algorithm": "AEAD_AES_256_GCM",
            "ciphertext": base64.b64encode(data).decode(),
            "nonce": nonce,
            "associated_data": extra,
        }
        body = write_json({**document, "resource": sealed})
        return draft._replace(body=body)


@dataclass(frozen=True, slots=True)
class InBase64(Envelope):
    """A document in base64 in a form field: wrapped, and not encrypted. The scheme that signs the field also wraps it."""

    place: InForm

    def open(self, delivery: Delivery, key: Key) -> bytes:
        """Decode the field, line breaks left out."""
        text = self.place.find(Reading(delivery))
        if text is None:
            raise MalformedBody(f"nothing is at {in_words(self.place)}")
        return _decoded(text.replace("\r", "").replace("\n", ""))

    def seal(self, draft: Draft, key: Key) -> Draft:
        """Leave it to the scheme."""
        return draft


def _aes_key(secret: Secret) -> bytes:
    return base64.b64decode(secret.field("aes_key") + "=")


def _decoded(text: str) -> bytes:
    if not _BASE64.fullmatch(text):
        raise MalformedBody("what should be base64 is not")
    try:
        return base64.b64decode(text)
    except binascii.Error:  # pragma: no cover - the pattern lets none of these pass
        raise MalformedBody("what should be base64 is not") from None


def _cbc(key: bytes, vector: bytes, data: bytes, *, encrypt: bool = False) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415 - an extra

    if not data or len(data) % 16:
        raise MalformedBody("what was encrypted is not whole blocks")
    cipher = Cipher(algorithms.AES(key), modes.CBC(vector))
    work = cipher.encryptor() if encrypt else cipher.decryptor()
    return work.update(data) + work.finalize()


def _padded(data: bytes, block: int) -> bytes:
    missing = block - len(data) % block
    return data + bytes([missing]) * missing


def _unpadded(data: bytes, block: int) -> bytes:
    missing = data[-1]
    if not 1 <= missing <= min(block, len(data)) or data[-missing:] != bytes([missing]) * missing:
        raise MalformedBody("what was encrypted is not padded as it should be: is the key the endpoint's own?")
    return data[:-missing]
