"""Alipay's asynchronous notifications: a signed form (RSA2)."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence

from hookguard.bodies import Reading, read_form
from hookguard.delivery import Delivery
from hookguard.errors import (
    ConfigurationError,
    MalformedBody,
    MalformedSignature,
    MissingSignature,
    MissingTimestamp,
    SignatureMismatch,
)
from hookguard.facts import HOUR, MINUTE, Facts, Source
from hookguard.place import FirstOf, InForm
from hookguard.preset import Preset
from hookguard.reply import Reply
from hookguard.schemes.base import Draft, Key, Scheme, Verified
from hookguard.schemes.layout import Layout
from hookguard.schemes.public_key import PublicKey, read_public_key
from hookguard.schemes.timestamp import read_timestamp
from hookguard.secret import Secret
from hookguard.writing import put_form

__all__ = ["ALIPAY", "AlipayScheme"]

_DOCS = Source("https://opendocs.alipay.com/open/270/105902", "2026-11-25")

_SIGN, _SIGN_TYPE, _TIME = "sign", "sign_type", "notify_time"
#: The time of notifications by ``msg_method``, in milliseconds.
_MESSAGE_TIME = "utc_timestamp"

#: Texts that the seller or the buyer writes.
_TEXTS = frozenset({"body", "subject", "passback_params", "biz_content", "fund_bill_list", "voucher_detail_list"})
#: Fields that receivers use for decisions. None is free text.
# fmt: off
_READ = frozenset({
    "notify_time", "notify_type", "notify_id", "app_id", "auth_app_id", "sign", "sign_type", "trade_no", "out_trade_no",
    "out_biz_no", "out_request_no", "trade_status", "buyer_id", "buyer_open_id", "buyer_user_id", "buyer_logon_id",
    "buyer_email", "seller_id", "seller_email", "total_amount", "receipt_amount", "invoice_amount", "buyer_pay_amount",
    "point_amount", "charge_amount", "settlement_id", "refund_fee", "refund_amount", "refund_status", "send_back_fee",
    "total_fee", "price", "quantity", "discount", "payment_type", "gmt_create", "gmt_payment", "gmt_refund", "gmt_close",
    "msg_method", "method", "utc_timestamp", "agreement_no", "external_agreement_no",
})
# fmt: on
_KNOWN = _READ | _TEXTS
_BASE64 = Layout("{base64}")
_NAME = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
_SPLIT = re.compile(r"&([A-Za-z0-9_.-]+)=", re.ASCII)


class AlipayScheme(Scheme):
    """RSA with SHA-256 over the form's fields, decoded, sorted by name and joined as ``name=value`` with ``&``.

    ``sign`` is never signed. Some products sign ``sign_type``, most do not: both are accepted. SHA-1 (``RSA``) is rejected.
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
        """Read Alipay's public key; ConfigurationError if it is not valid."""
        return read_public_key(secret.value("public_key"), "rsa-sha256")

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Check the signature over the fields with ``sign_type`` and without it."""
        form = Reading(delivery).form
        sign = form.get(_SIGN)
        if not sign:
            raise MissingSignature(f"the form has no field {_SIGN}")
        if form.get(_SIGN_TYPE, "RSA2") != "RSA2":
            raise MalformedSignature(f"{_SIGN_TYPE} is not RSA2: set the application to RSA2 at Alipay, because SHA-1 is weak")
        signature = _BASE64.decode(sign)
        if signature is None:
            raise MalformedSignature(f"{_SIGN} is not base64")
        messages = list(_messages(form))
        for key in keys:
            if any(key.prepared.verify(signature, message) for message in messages):
                return key.name, _time(form)
        raise SignatureMismatch(
            f"signature does not match (public keys tried: {len(keys)}). Check that this is Alipay's public key,"
            " not the application's.",
            secrets=len(keys),
            candidates=1,
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
        """Return the signed text: the sorted fields. A sender may choose the fields' order and escapes in the body."""
        *_, message = _messages(Reading(delivery).form)
        return message

    def __repr__(self) -> str:
        return "AlipayScheme()"


def _messages(form: Mapping[str, str]) -> Iterator[bytes]:
    fields = sorted((name, value) for name, value in form.items() if name not in (_SIGN, _SIGN_TYPE))
    # The official packages show that it may be signed even if the form does not hold it.
    typed = sorted([*fields, (_SIGN_TYPE, "RSA2")])
    for each in (typed, fields):
        _reject_shifted(each)
        yield "&".join(f"{name}={value}" for name, value in each).encode("utf-8", "surrogatepass")


def _reject_shifted(fields: Sequence[tuple[str, str]]) -> None:
    """Reject a form that shares its signature with another form: a field could be moved into or out of a neighbour's value.

    Free text may hold ``&name=``, for example in a link. It is rejected only if receivers read a field of that name.
    """
    for name, value in fields:
        if not _NAME.fullmatch(name):
            raise MalformedSignature("a field's name holds other characters than letters, digits, '_', '.' and '-'")
        # In any order of names: of two forms with one signature, either may be the true one.
        found = _SPLIT.findall(value)
        if found and (name in _READ or not _KNOWN.isdisjoint(found)):
            raise MalformedSignature(f"the value of {name!r} looks like another field, so the signature has two readings")


def _time(form: Mapping[str, str]) -> float:
    text = form.get(_TIME)
    if text:
        # Local time in China, without summer time since 1991.
        day, _, clock = text.partition(" ")
        return read_timestamp(f"{day}T{clock}+08:00", "rfc3339")
    text = form.get(_MESSAGE_TIME)
    if text:
        return read_timestamp(text, "ms")
    raise MissingTimestamp(f"the form has neither {_TIME} nor {_MESSAGE_TIME}")


ALIPAY = Preset(
    name="alipay",
    title="Alipay",
    scheme=AlipayScheme(),
    event_id=InForm("notify_id"),
    event_type=FirstOf(InForm("msg_method"), InForm("trade_status"), InForm("method"), InForm("notify_type")),
    acknowledge=Reply.text(200, "success"),
    facts=Facts(
        schedule=_DOCS.says("seven times: after 4 min, 10 min, 10 min, 1 h, 2 h, 6 h and 15 h"),
        horizon=_DOCS.says(24 * HOUR + 22 * MINUTE),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.says("only the body success counts as success, with any status"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector", "sdk"),
    docs="https://opendocs.alipay.com/common/02mse7",
    note=(
        "The secret is Alipay's public key (in certificate mode the one in alipayCertPublicKey), not the application's. Set"
        " the charset to utf-8. Check app_id, out_trade_no, total_amount and seller_id against your order: the signed text"
        " does not protect the borders between fields, so the author of an order's text could add an optional field behind"
        " it."
    ),
)
