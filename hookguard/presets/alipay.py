"""Alipay's asynchronous notifications: a signed form (RSA2)."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence

from hookguard.delivery import Delivery
from hookguard.documents import Reading, put_form, read_form
from hookguard.errors import (
    ConfigurationError,
    MalformedBody,
    MalformedSignature,
    MissingSignature,
    MissingTimestamp,
    SignatureMismatch,
)
from hookguard.layout import Layout
from hookguard.place import FirstOf, InForm
from hookguard.preset import Preset
from hookguard.profile import DAY, HOUR, MINUTE, Profile, Source
from hookguard.reply import Reply
from hookguard.schemes.base import Draft, Key, Scheme, Verified
from hookguard.schemes.public_key import PublicKey, read_public_key
from hookguard.secret import Secret
from hookguard.timestamp import read_timestamp

__all__ = ["ALIPAY", "AlipayScheme"]

_DOCS = Source("https://opendocs.alipay.com/open/270/105902", "2026-11-25")

_SIGN, _SIGN_TYPE, _TIME = "sign", "sign_type", "notify_time"
_BASE64 = Layout("{base64}")
_NAME = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
_SPLIT = re.compile(r"&([A-Za-z0-9_.-]+)=", re.ASCII)


class AlipayScheme(Scheme):
    """RSA with SHA-256 over the form's fields, decoded, sorted by name and joined as ``name=value`` with ``&``.

    ``sign`` is left out always, ``sign_type`` by most products and not by some: both are read. SHA-1 (``RSA``) is refused.
    """

    __slots__ = ()

    where = "form `sign`"
    what = "RSA with SHA-256 of the form's sorted fields"

    secret_fields = ("public_key",)
    extras = ("crypto",)
    signs_privately = True
    covers = frozenset({"body"})
    signs_timestamp = True

    def prepare(self, secret: Secret) -> PublicKey:
        """Read Alipay's public key; ConfigurationError when it is none."""
        return read_public_key(secret.value("public_key"), "rsa-sha256")

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Check the signature over the fields with ``sign_type`` and without it."""
        form = Reading(delivery).form
        sign = form.get(_SIGN)
        if not sign:
            raise MissingSignature(f"the form has no field {_SIGN}")
        if form.get(_SIGN_TYPE, "RSA2") != "RSA2":
            raise MalformedSignature(f"{_SIGN_TYPE} is not RSA2: set the application to RSA2 at Alipay, as SHA-1 proves little")
        signature = _BASE64.decode(sign)
        if signature is None:
            raise MalformedSignature(f"{_SIGN} is not base64")
        messages = list(_messages(form))
        for key in keys:
            if any(key.prepared.verify(signature, message) for message in messages):
                return key.name, _time(form)
        raise SignatureMismatch(
            f"none of {len(keys)} public keys fits: is it Alipay's public key, and not the application's own?"
        )

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Add the signature to the form; needs the private key."""
        if len(keys) != 1:
            raise ConfigurationError(f"a form carries one {_SIGN}: sign with one secret")
        try:
            form = read_form(draft.body)
            *_, message = _messages(form)
        except (MalformedBody, MalformedSignature) as error:
            raise ConfigurationError(f"this form cannot be signed: {error}") from None
        body = draft.body if form.get(_SIGN_TYPE) == "RSA2" else put_form(draft.body, _SIGN_TYPE, "RSA2")
        body = put_form(body, _SIGN, base64.b64encode(keys[0].prepared.sign(message)).decode())
        headers = {name: value for name, value in draft.headers.items() if name.lower() != "content-type"}
        headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
        return Delivery(body, headers, draft.method, draft.url)

    def content(self, delivery: Delivery) -> bytes:
        """Return the sorted fields as they are signed: their order and their escapes are the sender's to choose."""
        *_, message = _messages(Reading(delivery).form)
        return message

    def __repr__(self) -> str:
        return "AlipayScheme()"


def _messages(form: Mapping[str, str]) -> Iterator[bytes]:
    fields = sorted((name, value) for name, value in form.items() if name not in (_SIGN, _SIGN_TYPE))
    # Where it is left out of the form it may have been signed all the same, as the official packages know.
    typed = sorted([*fields, (_SIGN_TYPE, "RSA2")])
    for each in (typed, fields):
        _refuse_shifted(each)
        yield "&".join(f"{name}={value}" for name, value in each).encode("utf-8", "surrogatepass")


def _refuse_shifted(fields: Sequence[tuple[str, str]]) -> None:
    """Refuse a form that could be another one of the same signature: a field moved into its neighbour's value, or out of it."""
    for name, value in fields:
        if not _NAME.fullmatch(name):
            raise MalformedSignature("a field's name holds other characters than letters, digits, '_', '.' and '-'")
        # In whichever order the names stand: of two forms with one signature either may be the true one.
        if _SPLIT.search(value):
            raise MalformedSignature(f"the value of {name!r} reads like a further field, so the signature has two readings")


def _time(form: Mapping[str, str]) -> float:
    text = form.get(_TIME)
    if not text:
        raise MissingTimestamp(f"the form has no field {_TIME}")
    # Local time of China, which has known no summer time since 1991.
    day, _, clock = text.partition(" ")
    return read_timestamp(f"{day}T{clock}+08:00", "rfc3339")


ALIPAY = Preset(
    name="alipay",
    title="Alipay",
    scheme=AlipayScheme(),
    event_id=InForm("notify_id"),
    event_type=FirstOf(InForm("trade_status"), InForm("method"), InForm("notify_type")),
    # No page says whether a retry carries another time; retries go on for 25 hours.
    tolerance=2 * DAY,
    acknowledge=Reply.text(200, "success"),
    profile=Profile(
        schedule=_DOCS.says("seven times: after 4 min, 10 min, 10 min, 1 h, 2 h, 6 h and 15 h"),
        horizon=_DOCS.says(24 * HOUR + 22 * MINUTE),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.says("only the body success counts as success, whatever the status"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector", "sdk"),
    docs="https://opendocs.alipay.com/common/02mse7",
    note=(
        "The secret is Alipay's public key (in certificate mode the one in alipayCertPublicKey), not the application's. Set the"
        " charset to utf-8. Check app_id, out_trade_no, total_amount and seller_id against your order."
    ),
)
