"""Bodies that are encrypted or wrapped, besides being signed. They are opened after the signature was checked.

A body that cannot be opened raises MalformedBody. This happens only after the signature was found genuine, so that the
answer reveals nothing about a forger's padding.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final, Protocol

from hookguard.bodies import Reading, read_json
from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError, MalformedBody
from hookguard.place import InBody, InForm, InXml, Place
from hookguard.schemes.base import Draft, Key
from hookguard.schemes.public_key import need_cryptography
from hookguard.secret import Secret
from hookguard.writing import write_json

__all__ = ["Base64Envelope", "Envelope", "FramedAes", "HashedKeyAes", "SealedResource"]

_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", re.ASCII)
_AES_KEY: Final = re.compile(r"[A-Za-z0-9+/]{43}", re.ASCII)


class Envelope(Protocol):
    """How a provider wraps a body. By default a subclass needs no field of the secret."""

    __slots__ = ()

    #: The extras of this package that must be installed.
    extras: tuple[str, ...] = ()

    def check(self, secret: Secret) -> None:
        """Raise ConfigurationError if the secret cannot open this envelope, or a package is missing."""
        return  # without a statement, the protocol's method would be abstract

    def open(self, delivery: Delivery, key: Key) -> bytes:
        """Return the content of a verified delivery; MalformedBody if it cannot be opened."""

    def seal(self, draft: Draft, key: Key) -> Draft:
        """Put a body into its envelope before it is signed; a body that is in its envelope already is not changed."""


@dataclass(frozen=True, slots=True)
class FramedAes(Envelope):
    """AES-256-CBC of 16 random bytes, the message's length, the message and its owner, padded to 32 bytes (PKCS #7).

    The encrypted text is at ``place``. The key is the secret's ``aes_key`` (43 characters of base64); its first 16 bytes are the
    initial vector. The owner must equal the secret's field ``owner``. WeCom and DingTalk use this. ``no_event`` matches other
    messages that are encrypted and signed with the same secret, such as our own answers: they must not pass for events.
    """

    extras = ("crypto",)

    place: InBody | InXml
    owner: str
    no_event: re.Pattern[bytes] | None = None

    def check(self, secret: Secret) -> None:
        """Reject an ``aes_key`` that is not 43 characters of base64."""
        need_cryptography()
        if not _AES_KEY.fullmatch(secret.field("aes_key")):
            raise ConfigurationError("aes_key is not valid: give the 43 letters, digits, + and / that the provider's page shows")
        secret.field(self.owner)

    def open(self, delivery: Delivery, key: Key) -> bytes:
        """Decrypt the text at the place."""
        text = self.place.find(Reading(delivery))
        if text is None:
            raise MalformedBody(f"the encrypted text is missing at {self.place}")
        message = self.decrypt(text, key.secret)
        if self.no_event is not None and self.no_event.fullmatch(message):
            raise MalformedBody(
                "the decrypted message is not an event: one of our own answers, or the text of a URL check, was sent back"
            )
        return message

    def decrypt(self, text: str, secret: Secret) -> bytes:
        """Return the message in an encrypted text; MalformedBody also if it belongs to another owner."""
        aes_key = _aes_key(secret)
        framed = _unpadded(_cbc(aes_key, aes_key[:16], _decoded(text)), 32)
        end = 20 + int.from_bytes(framed[16:20], "big")
        if len(framed) < 20 or end > len(framed):
            raise MalformedBody("the decrypted message has no valid frame. Check that aes_key is this endpoint's")
        if not compare_digest(framed[end:], secret.field(self.owner).encode()):
            raise MalformedBody(f"the decrypted message belongs to another owner. Check that {self.owner} is this endpoint's")
        return framed[20:end]

    def encrypt(self, message: bytes, secret: Secret) -> str:
        """Return a message as encrypted text, for answers and for signing."""
        aes_key = _aes_key(secret)
        framed = secrets.token_bytes(16) + len(message).to_bytes(4, "big") + message + secret.field(self.owner).encode()
        return base64.b64encode(_cbc(aes_key, aes_key[:16], _padded(framed, 32), encrypt=True)).decode()

    def seal(self, draft: Draft, key: Key) -> Draft:
        """Encrypt the body, unless there is a text at the place already."""
        try:
            if self.place.find(Reading(Delivery(draft.body, draft.headers))) is not None:
                return draft
        except MalformedBody:
            pass
        return _sealed(draft, self.place, self.encrypt(draft.body, key.secret))


@dataclass(frozen=True, slots=True)
class HashedKeyAes(Envelope):
    """AES-256-CBC with the SHA-256 of the secret's ``field`` as its key; the first 16 bytes are the initial vector.

    If the secret has this field, the body must be encrypted; otherwise it must not be. Lark and Feishu use this.
    """

    extras = ("crypto",)

    field: str = "encrypt_key"
    place: InBody = InBody("encrypt")  # noqa: RUF009 - frozen

    def check(self, secret: Secret) -> None:
        """Require the package if the secret has the field."""
        if secret.has(self.field):
            need_cryptography()
            secret.field(self.field)

    def open(self, delivery: Delivery, key: Key) -> bytes:
        """Decrypt the text at the place, if the secret has the field."""
        text = self.place.find(Reading(delivery))
        if not key.secret.has(self.field):
            if text is not None:
                raise MalformedBody(f"the body is encrypted, and the secret has no {self.field}: configure it")
            return delivery.body
        if text is None:
            raise MalformedBody(f"the body is not encrypted, although the secret has {self.field}")
        data = _decoded(text)
        if len(data) < 32:
            raise MalformedBody("the encrypted text is too short")
        return _unpadded(_cbc(self._key(key.secret), data[:16], data[16:]), 16)

    def seal(self, draft: Draft, key: Key) -> Draft:
        """Encrypt the body if the secret has the field, unless it is encrypted already."""
        if not key.secret.has(self.field):
            return draft
        try:
            if self.place.find(Reading(Delivery(draft.body, draft.headers))) is not None:
                return draft
        except MalformedBody:
            pass
        vector = secrets.token_bytes(16)
        data = vector + _cbc(self._key(key.secret), vector, _padded(draft.body, 16), encrypt=True)
        return _sealed(draft, self.place, base64.b64encode(data).decode())

    def _key(self, secret: Secret) -> bytes:
        return hashlib.sha256(secret.field(self.field).encode()).digest()


@dataclass(frozen=True, slots=True)
class SealedResource(Envelope):
    """AES-256-GCM of the JSON object at ``resource``, with its nonce and associated data beside it.

    The content is the body with ``resource`` replaced by its plaintext. The key is the text of the secret's ``field``.
    WeChat Pay uses this.
    """

    extras = ("crypto",)

    field: str = "api_v3_key"

    def check(self, secret: Secret) -> None:
        """Reject a key that does not have a length of AES."""
        need_cryptography()
        if len(secret.field(self.field).encode()) not in (16, 24, 32):
            raise ConfigurationError(f"{self.field} is not valid: give the 32 characters that the provider's page shows")

    def open(self, delivery: Delivery, key: Key) -> bytes:
        """Decrypt the resource."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        document = Reading(delivery).document()
        sealed = document.get("resource") if isinstance(document, dict) else None
        if not isinstance(sealed, dict) or sealed.get("algorithm") != "AEAD_AES_256_GCM":
            raise MalformedBody("the body has no resource encrypted with AEAD_AES_256_GCM")
        nonce, text, extra = (sealed.get(name) for name in ("nonce", "ciphertext", "associated_data"))
        if not isinstance(nonce, str) or not isinstance(text, str) or not isinstance(extra, (str, type(None))):
            raise MalformedBody("the encrypted resource has no nonce or no ciphertext")
        moment = nonce.encode("utf-8", "surrogatepass")
        if len(moment) != 12:
            raise MalformedBody("the encrypted resource's nonce does not have 12 bytes")
        try:
            plain = AESGCM(key.secret.field(self.field).encode()).decrypt(
                moment, _decoded(text), (extra or "").encode("utf-8", "surrogatepass")
            )
        except (InvalidTag, ValueError):
            raise MalformedBody(
                f"the encrypted resource cannot be decrypted. Check that {self.field} is this account's"
            ) from None
        return write_json({**document, "resource": read_json(plain)})

    def seal(self, draft: Draft, key: Key) -> Draft:
        """Encrypt the resource of a JSON body, unless it is encrypted already."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - an extra

        try:
            document = read_json(draft.body)
        except MalformedBody as error:
            raise ConfigurationError(f"the body must be the notification in JSON: {error}") from None
        resource = document.get("resource") if isinstance(document, dict) else None
        if resource is None:
            raise ConfigurationError('the body must be the notification: a JSON object with the plain text in "resource"')
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
class Base64Envelope(Envelope):
    """A document in base64 in a form field: wrapped, not encrypted. The scheme that signs the field also wraps it."""

    place: InForm

    def open(self, delivery: Delivery, key: Key) -> bytes:
        """Decode the field, without its line breaks."""
        text = self.place.find(Reading(delivery))
        if text is None:
            raise MalformedBody(f"the wrapped text is missing at {self.place}")
        return _decoded(text.replace("\r", "").replace("\n", ""))

    def seal(self, draft: Draft, key: Key) -> Draft:
        """Return the draft as it is: the scheme wraps it."""
        return draft


def _sealed(draft: Draft, place: Place, text: str) -> Draft:
    """Return the draft with a new body that holds nothing but the text, at its place."""
    writing = draft._replace(body=b"").writing()
    place.put(writing, text)
    return draft._replace(body=writing.body)


def _aes_key(secret: Secret) -> bytes:
    return base64.b64decode(secret.field("aes_key") + "=")


def _decoded(text: str) -> bytes:
    if not _BASE64.fullmatch(text):
        raise MalformedBody("the encrypted or wrapped text is not base64")
    try:
        return base64.b64decode(text)
    except binascii.Error:  # pragma: no cover - the pattern excludes these
        raise MalformedBody("the encrypted or wrapped text is not base64") from None


def _cbc(key: bytes, vector: bytes, data: bytes, *, encrypt: bool = False) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415 - an extra

    if not data or len(data) % 16:
        raise MalformedBody("the encrypted text does not consist of whole blocks")
    cipher = Cipher(algorithms.AES(key), modes.CBC(vector))
    work = cipher.encryptor() if encrypt else cipher.decryptor()
    return work.update(data) + work.finalize()


def _padded(data: bytes, block: int) -> bytes:
    missing = block - len(data) % block
    return data + bytes([missing]) * missing


def _unpadded(data: bytes, block: int) -> bytes:
    missing = data[-1]
    if not 1 <= missing <= min(block, len(data)) or data[-missing:] != bytes([missing]) * missing:
        raise MalformedBody("the decrypted text has no valid padding. Check that the key is this endpoint's")
    return data[:-missing]
