"""HMAC over a URL and the sorted fields of a form, as Twilio, Plivo and Mandrill sign.

Names and values are joined without a separator, so the signature does not show where one ends: ``Digits=12`` and
``Digit=s12`` are signed alike. So check each field yourself (is this a phone number?).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from hmac import compare_digest

from hookguard.bodies import form_pairs
from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError, MalformedBody, MalformedSignature, MissingSignature, SignatureMismatch
from hookguard.head.content_type import says_form
from hookguard.headers import Headers
from hookguard.privacy.shown import shown_url
from hookguard.schemes.base import Draft, Key, Scheme, Verified
from hookguard.schemes.hmac import DIGESTS, HmacKey
from hookguard.schemes.layout import ENCODINGS
from hookguard.secret import Secret
from hookguard.writing import as_text, put_form

__all__ = ["FormScheme", "joined_fields", "read_pairs"]

_LOWER = re.compile(rb"%(?:[a-z]|[^%][a-z])")
_encode, _BASE64 = ENCODINGS["base64"]


def read_pairs(body: bytes) -> list[tuple[str, str]]:
    """Return a form's fields in the order they came, repeated ones as well.

    Raises MalformedBody if the form cannot be read (see ``bodies.form_pairs``) or has an escape in lower case. The signature
    covers the decoded fields, so the body must have one spelling. Honest senders write escapes in upper case.
    """
    if _LOWER.search(body):
        raise MalformedBody("the form has an escape in lower case; senders of this signature write upper case")
    return form_pairs(body)


def joined_fields(pairs: Iterable[tuple[str, str]]) -> str:
    """Return the sorted names and values, joined without a separator."""
    return "".join(name + value for name, value in sorted(pairs))


class FormScheme(Scheme):
    """HMAC of the URL and the sorted fields of a form, in base64 in ``header``.

    A body that is not a form is not signed, so it is rejected unless it is empty. With ``json_field``, signing puts such a body
    into that field. Raises ConfigurationError for an unknown digest.
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
        """The hash and the signed content."""
        return f"HMAC-{self.digest.upper().replace('SHA', 'SHA-')} of the URL and the form's sorted fields"

    def prepare(self, secret: Secret) -> HmacKey:
        """Hash the key's two blocks once."""
        return HmacKey(secret.key(), self.digest)

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Try every key against the URL and the form."""
        came = delivery.headers.whole(self._lower)
        if not came:
            raise MissingSignature(f"no {self.header} header", header=self.header)
        if not _BASE64.fullmatch(came):
            raise MalformedSignature(f"the {self.header} header is not base64")
        messages = self._messages(delivery)
        for key in keys:
            for message in messages:
                if compare_digest(self._encode(key.prepared.digest(message)), came):
                    return key.name, None
        raise SignatureMismatch(
            f"{self.header} does not match {shown_url(delivery.url)!r} and the form (secrets tried: {len(keys)})."
            " Check that this is the endpoint's secret, and that this is exactly the URL that the provider has.",
            secrets=len(keys),
        )

    def expected(self, delivery: Delivery, key: Key) -> tuple[str, ...]:
        """Return the signature of each text that may have been signed."""
        if not hasattr(key.prepared, "digest"):
            return ()
        return tuple(self._encode(key.prepared.digest(message)) for message in self._messages(delivery))

    def content(self, delivery: Delivery) -> bytes:
        """Return the signed text. The body is not used, because a sender may choose the fields' order, escapes and borders."""
        return self._messages(delivery)[0]

    def _messages(self, delivery: Delivery) -> list[bytes]:
        """The texts that may have been signed."""
        return [(delivery.url + self._fields(delivery)).encode("utf-8", "surrogatepass")]

    def _fields(self, delivery: Delivery) -> str:
        if not delivery.body:
            return ""
        if not says_form(delivery.headers):
            raise MalformedSignature(f"{self.header} covers forms only, and the body is not a form")
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
