"""HMAC over a layout: by far the most common family.

The bytes that are signed come from a template such as ``{timestamp}.{body}``. The body is never copied, joined or
decoded: what stands before it, the body itself and what stands behind it go into the hash one after the other.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from hmac import compare_digest

from hookguard.delivery import Delivery
from hookguard.errors import (
    ConfigurationError,
    MalformedHeader,
    MalformedSignature,
    MissingSignature,
    MissingTimestamp,
    Rejected,
    SignatureMismatch,
)
from hookguard.headers import Headers
from hookguard.layout import MAX_CANDIDATES, Layout, Read
from hookguard.place import InHeader
from hookguard.schemes.base import Draft, Key, Scheme, Verified
from hookguard.secret import Secret, SecretFormat
from hookguard.timestamp import TimestampUnit, read_timestamp, write_timestamp

__all__ = ["HmacKey", "HmacScheme", "SignatureHeader"]

_PAD_INNER = bytes(byte ^ 0x36 for byte in range(256))
_PAD_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class HmacKey:
    """A secret with HMAC's two key blocks already hashed (RFC 2104 §4 describes this).

    Keying costs two of the four hash blocks of a small delivery; doing it once makes verifying cheaper than a fresh
    ``hmac.digest``. Held to RFC 4231 and Wycheproof in the tests. Copies of a hash share nothing, so threads may share a key.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes, digest: str) -> None:
        inner, outer = hashlib.new(digest), hashlib.new(digest)
        if len(key) > inner.block_size:
            key = hashlib.new(digest, key).digest()
        key = key.ljust(inner.block_size, b"\0")
        inner.update(key.translate(_PAD_INNER))
        outer.update(key.translate(_PAD_OUTER))
        self._inner, self._outer = inner, outer

    def digest(self, *parts: bytes) -> bytes:
        """Return the HMAC of the parts, one after the other."""
        inner = self._inner.copy()
        for part in parts:
            inner.update(part)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()

    def __repr__(self) -> str:
        return "HmacKey()"


class SignatureHeader:
    """A header that carries signatures, and the layout of its value (see :mod:`hookguard.layout`)."""

    __slots__ = ("layout", "lower", "name")

    def __init__(self, name: str, layout: str, *, separator: str | None = None) -> None:
        self.name = name
        self.lower = name.lower()
        self.layout = Layout(layout, separator=separator)

    def __repr__(self) -> str:
        return f"SignatureHeader({self.name!r}, {self.layout.template!r})"


_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_FIELDS = ("body", "timestamp", "id", "url", "method")


class HmacScheme(Scheme):
    """HMAC of ``signed`` with the secret, in the ``signature`` header.

    ``signed`` is a template of ``{body}``, ``{timestamp}``, ``{id}``, ``{url}``, ``{method}`` and literal text.
    ``signature`` may be several headers (a provider that rotates may send a second one): a match in any of them counts,
    and the first is the one that must be there. ``timestamp`` and ``id`` name the header that carries the value, where
    the signature header does not. ConfigurationError when the parts do not fit together.
    """

    __slots__ = (
        "_body_alone",
        "_encode",
        "_head",
        "_id_border",
        "_id_header",
        "_layout",
        "_prefix",
        "_signs_body",
        "_signs_target",
        "_size",
        "_tail",
        "_timestamp_header",
        "_whole",
        "covers",
        "digest",
        "id",
        "required_header",
        "secret_format",
        "signature",
        "signed",
        "signs_timestamp",
        "timestamp",
        "timestamp_unit",
    )

    def __init__(
        self,
        *,
        signature: SignatureHeader | Sequence[SignatureHeader],
        signed: str = "{body}",
        digest: str = "sha256",
        timestamp: InHeader | None = None,
        timestamp_unit: TimestampUnit = "s",
        id: InHeader | None = None,  # noqa: A002 - it fills {id}; inside a constructor nothing is shadowed for long
        secret_format: SecretFormat = "text",
    ) -> None:
        self.signature = (signature,) if isinstance(signature, SignatureHeader) else tuple(signature)
        if not self.signature:
            raise ConfigurationError("an HMAC scheme needs at least one SignatureHeader")
        if digest not in ("sha1", "sha256", "sha384", "sha512"):
            raise ConfigurationError(f"digest {digest!r} is not one of sha256, sha512, sha384 and sha1")
        literals, names = _PLACEHOLDER.split(signed)[::2], _PLACEHOLDER.split(signed)[1::2]
        for name in names:
            if name not in _FIELDS:
                raise ConfigurationError(
                    f"signed={signed!r}: no placeholder is called {{{name}}}; there are"
                    f" {', '.join(f'{{{field}}}' for field in _FIELDS)}"
                )
        if len(set(names)) != len(names):
            raise ConfigurationError(f"signed={signed!r}: each placeholder may stand once")
        in_layout = [header.layout.has_timestamp for header in self.signature]
        if "timestamp" in names and not all(in_layout) and timestamp is None:
            raise ConfigurationError(
                f"signed={signed!r}: where does {{timestamp}} come from?"
                " Put {timestamp} into the signature header's layout, or give timestamp=InHeader(…)"
            )
        if any(in_layout) and timestamp is not None:
            raise ConfigurationError("the timestamp is in the signature header's layout: leave timestamp= out")
        if "timestamp" not in names and (any(in_layout) or timestamp is not None):
            raise ConfigurationError(f"signed={signed!r}: a timestamp that is not signed proves nothing, so leave it out")
        if ("id" in names) != (id is not None):
            raise ConfigurationError(f"signed={signed!r}: {{id}} and id=InHeader(…) go together")
        self.signed = signed
        self.digest = digest
        self.timestamp = timestamp
        self.timestamp_unit = timestamp_unit
        self.id = id
        self.secret_format: SecretFormat = secret_format
        self.signs_timestamp = "timestamp" in names
        self.required_header = self.signature[0].lower
        self._timestamp_header = timestamp.name.lower() if timestamp else ""
        self._id_header = id.name.lower() if id else ""
        covered = {name for name in names if name in ("body", "url", "method")}
        covered.update(name for name in (self._timestamp_header, self._id_header) if name)
        self.covers = frozenset(covered)
        encodings = {(header.layout.prefix, header.layout.encoding) for header in self.signature}
        if len(encodings) != 1:
            raise ConfigurationError("several signature headers must write a signature the same way")
        self._layout = self.signature[0].layout
        self._prefix = self._layout.prefix
        self._encode = self._layout.encode
        self._size = hashlib.new(digest).digest_size
        # The template in two halves around the body, ready for %.
        head, found, tail = signed.replace("%", "%%").partition("{body}")
        self._head = _PLACEHOLDER.sub(r"%(\1)s", head)
        self._tail = _PLACEHOLDER.sub(r"%(\1)s", tail)
        self._signs_body = bool(found)
        self._signs_target = "url" in names or "method" in names
        self._body_alone = signed == "{body}"
        # One item in one header is compared as it came, from end to end: nothing needs to be taken apart.
        self._whole = len(self.signature) == 1 and self.signature[0].layout.separator is None
        # A sender who may choose the id could move the border between it and its neighbour if it held the separator.
        self._id_border = literals[names.index("id") + 1] if "id" in names else ""

    def prepare(self, secret: Secret) -> HmacKey:
        """Hash the key's two blocks once."""
        return HmacKey(secret.key(self.secret_format), self.digest)

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Try every key against every signature the delivery carries."""
        value = delivery.headers.whole(self.required_header)
        if not value:
            raise MissingSignature(f"no {self.signature[0].name} header")
        signatures: Sequence[str]
        if self._whole:
            if not value.isascii():
                raise MalformedSignature("the signature header holds characters that are not ASCII")
            signatures, stamp = (value,), None
        else:
            signatures, stamp = self._read(value, delivery.headers)
        timestamp: float | None = None
        if self.signs_timestamp:
            if stamp is None:
                stamp = delivery.headers.whole(self._timestamp_header)
                if not stamp:
                    raise MissingTimestamp(f"no {self._timestamp_header} header")
            timestamp = read_timestamp(stamp, self.timestamp_unit)
        parts = (delivery.body,) if self._body_alone else self._parts(delivery, stamp)
        prefix, encode = self._prefix, self._encode
        for key in keys:
            expected = prefix + encode(key.prepared.digest(*parts))
            for signature in signatures:
                if compare_digest(expected, signature):
                    return key.name, timestamp
        raise self._why(signatures, delivery, keys)

    def _read(self, value: str, headers: Headers) -> Read:
        """Read the signature headers, where there is more to it than one item that is compared whole."""
        signatures, stamp = self._layout.read(value)
        if len(self.signature) == 1:
            return signatures, stamp
        for header in self.signature[1:]:
            if more := headers.one(header.lower):
                signatures = [*signatures, *header.layout.read(more)[0]]
        if len(signatures) > MAX_CANDIDATES:
            raise MalformedHeader(f"{len(signatures)} signatures came; {MAX_CANDIDATES} are tried at most")
        return signatures, stamp

    def _why(self, signatures: Sequence[str], delivery: Delivery, keys: Sequence[Key]) -> Rejected:
        """Tell the operator why nothing matched; to the sender it is all the same."""
        layout = self._layout
        if any(not signature.isprintable() for signature in signatures):
            return MalformedHeader(f"header {self.required_header!r} holds a control character")
        if any(layout.plausible(signature, self._size) for signature in signatures):
            return SignatureMismatch(
                f"none of {len(keys)} secrets makes any of the {len(signatures)} signatures over {len(delivery.body)} bytes:"
                " is it this endpoint's secret, and are these the bytes that came over the wire?"
            )
        return MalformedSignature(f"the {self.signature[0].name} header does not read as {layout.template!r} of {self.digest}")

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign with every key: several signatures in the header where its layout lists them, else one header for each."""
        headers = dict(draft.headers)
        stamp = write_timestamp(draft.timestamp, self.timestamp_unit) if self.signs_timestamp else None
        if self.timestamp is not None and stamp is not None:
            headers[self.timestamp.name] = stamp
        if self.id is not None:
            headers[self.id.name] = draft.id
        delivery = Delivery(draft.body, headers, draft.method, draft.url)
        parts = self._parts(delivery, stamp)
        signatures = [self._prefix + self._encode(key.prepared.digest(*parts)) for key in keys]
        first = self.signature[0]
        if first.layout.separator is not None:
            headers[first.name] = first.layout.write(signatures, stamp)
        else:
            if len(signatures) > len(self.signature):
                raise ConfigurationError(f"{first.name} carries one signature: sign with one secret")
            for header, signature in zip(self.signature, signatures, strict=False):
                headers[header.name] = header.layout.write([signature], stamp)
        return Delivery(draft.body, headers, draft.method, draft.url)

    def _parts(self, delivery: Delivery, stamp: str | None) -> tuple[bytes, ...]:
        """The signed bytes: what is before the body in one piece, the body itself, and what is behind it in one piece."""
        values = {"timestamp": stamp}
        if self._id_header:
            values["id"] = self._signed_id(delivery.headers)
        if self._signs_target:
            values["url"], values["method"] = delivery.url, delivery.method
        # A URL may hold anything; what is no text must make another signature, not an error.
        head = (self._head % values).encode("utf-8", "surrogatepass")
        if not self._signs_body:
            return (head,)
        if not self._tail:
            return (head, delivery.body)
        return (head, delivery.body, (self._tail % values).encode("utf-8", "surrogatepass"))

    def _signed_id(self, headers: Headers) -> str:
        value = headers.whole(self._id_header)
        if not value or not value.isascii() or not value.isprintable():
            raise MalformedSignature(f"the signed header {self._id_header!r} is missing, empty or not printable ASCII")
        if self._id_border and self._id_border in value:
            raise MalformedSignature(f"the signed header {self._id_header!r} holds {self._id_border!r}, which ends it")
        return value

    def __repr__(self) -> str:
        return f"HmacScheme({', '.join(map(repr, self.signature))}, signed={self.signed!r}, digest={self.digest!r})"
