"""HMAC over a URL and the sorted fields of a form, as Twilio, Plivo and Mandrill sign.

Names and values are put one after the other without anything between them, so the signature does not say where one ends:
``Digits=12`` and ``Digit=s12`` are signed alike. A field's own check (is this a phone number?) matters more than elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hmac import compare_digest
from urllib.parse import parse_qsl

from hookguard.delivery import Delivery
from hookguard.documents import as_text, put_form, says_form
from hookguard.errors import ConfigurationError, MalformedBody, MalformedSignature, MissingSignature, SignatureMismatch
from hookguard.headers import Headers
from hookguard.layout import ENCODINGS
from hookguard.schemes.base import Draft, Key, Scheme, Verified
from hookguard.schemes.hmac import DIGESTS, HmacKey
from hookguard.secret import Secret

__all__ = ["FormScheme", "joined_fields", "read_pairs"]

#: Fields of one form.
MAX_FIELDS = 1000

_encode, _BASE64 = ENCODINGS["base64"]


def read_pairs(body: bytes) -> list[tuple[str, str]]:
    """Return a form's fields in the order they came, repeated ones as well.

    MalformedBody when it is not UTF-8, has more than 1,000 fields, or writes an escape in lower case: what is signed is what
    the form says, so it must have one spelling as far as that can be asked of an honest sender.
    """
    try:
        text = body.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as error:  # UnicodeDecodeError is one too
        raise MalformedBody(f"the form cannot be read ({type(error).__name__})") from None
    if any(piece[:2] != piece[:2].upper() for piece in text.split("%")[1:]):
        raise MalformedBody("the form has an escape in lower case, which no sender of such signatures writes")
    return pairs


def joined_fields(pairs: Iterable[tuple[str, str]]) -> str:
    """Return names and values without anything between them, sorted."""
    return "".join(name + value for name, value in sorted(pairs))


class FormScheme(Scheme):
    """HMAC of the URL and the sorted fields of a form, in base64 in ``header``.

    A body that is no form is not signed, and refused unless it is empty; signing puts it into the field ``json_field``, where
    there is one. ConfigurationError for an unknown digest.
    """

    __slots__ = ("_lower", "digest", "header", "json_field", "required_header")

    covers = frozenset({"url", "body"})
    _encode = staticmethod(_encode)

    def __init__(self, header: str, *, digest: str, json_field: str | None = None) -> None:
        if digest not in DIGESTS:
            raise ConfigurationError(f"digest {digest!r} is not one of sha256, sha512, sha384 and sha1")
        self.header = header
        self.digest = digest
        self.json_field = json_field
        self._lower = header.lower()
        self.required_header = self._lower

    @property
    def what(self) -> str:
        """The hash, and what goes into it."""
        return f"HMAC-{self.digest.upper().replace('SHA', 'SHA-')} of the URL and the form's sorted fields"

    def prepare(self, secret: Secret) -> HmacKey:
        """Hash the key's two blocks once."""
        return HmacKey(secret.key(), self.digest)

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Try every key against what the URL and the form make."""
        came = delivery.headers.whole(self._lower)
        if not came:
            raise MissingSignature(f"no {self.header} header")
        if not _BASE64.fullmatch(came):
            raise MalformedSignature(f"the {self.header} header is not base64")
        messages = self._messages(delivery)
        for key in keys:
            for message in messages:
                if compare_digest(self._encode(key.prepared.digest(message)), came):
                    return key.name, None
        raise SignatureMismatch(
            f"none of {len(keys)} secrets makes the {self.header} over {delivery.url!r} and the form:"
            " is it this endpoint's secret, and is this the very URL that the provider was given?"
        )

    def content(self, delivery: Delivery) -> bytes:
        """Return the text that is signed: the order of fields, their escapes and their borders are the sender's to choose."""
        return self._messages(delivery)[0]

    def _messages(self, delivery: Delivery) -> list[bytes]:
        """What may have been signed."""
        return [(delivery.url + self._fields(delivery)).encode("utf-8", "surrogatepass")]

    def _fields(self, delivery: Delivery) -> str:
        if not delivery.body:
            return ""
        if not says_form(delivery.headers):
            raise MalformedSignature(f"{self.header} covers forms only, and the body is none")
        return joined_fields(read_pairs(delivery.body))

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign a form, or an empty body."""
        if len(keys) != 1:
            raise ConfigurationError(f"{self.header} carries one signature: sign with one secret")
        headers, body = dict(draft.headers), draft.body
        if body and self.json_field is not None and not says_form(Headers(headers)):
            body = put_form(b"", self.json_field, as_text(body, "the body"))
            headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            message = self._messages(Delivery(body, headers, draft.method, draft.url))[0]
        except (MalformedBody, MalformedSignature) as error:
            raise ConfigurationError(f"give a form, and its Content-Type header: {error}") from None
        headers[self.header] = self._encode(keys[0].prepared.digest(message))
        return Delivery(body, headers, draft.method, draft.url)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.header!r}, {self.digest!r})"
