"""Amazon SNS: messages signed field by field, with a certificate at an address that the message names."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from hookguard.certificates import check_dates, read_certificates
from hookguard.challenge import Confirmation
from hookguard.delivery import Delivery
from hookguard.documents import Reading, put_json
from hookguard.errors import (
    ConfigurationError,
    MalformedBody,
    MalformedSignature,
    MissingSignature,
    MissingTimestamp,
    SignatureMismatch,
    UntrustedKeySource,
)
from hookguard.keys import Wanted, trusted_url
from hookguard.layout import Layout
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.profile import HOUR, Profile, Source
from hookguard.schemes.base import Draft, FetchingScheme, Key, Verified
from hookguard.schemes.public_key import Algorithm, PublicKey, need_cryptography, read_key
from hookguard.secret import Secret
from hookguard.timestamp import read_timestamp, write_timestamp

__all__ = ["AWS_SNS", "SnsKey", "SnsScheme"]

_DOCS = Source("https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html", "2026-11-24")
_RETRIES = Source("https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html", "2026-11-25")
_POLICY = Source("https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.retry.html", "2026-11-25")

#: Amazon's own packages take any name of three characters and more, and so a bucket of S3's that somebody called "sns".
_HOSTS = re.compile(r"sns\.[a-z]{2}(-[a-z]+)+-[0-9]{1,2}\.amazonaws\.com(\.cn)?", re.ASCII)
_PATH = re.compile(r"/[A-Za-z0-9_-]{1,200}\.pem", re.ASCII)
_CONFIRM = re.compile(
    r"https://sns\.[a-z]{2}(-[a-z]+)+-[0-9]{1,2}\.amazonaws\.com(\.cn)?/"
    r"\?Action=ConfirmSubscription&TopicArn=[A-Za-z0-9:_.%-]+&Token=[A-Za-z0-9]+",
    re.ASCII,
)
_BASE64 = Layout("{base64}")

#: Type to the fields that are signed, in this order; Subject only where there is one.
_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED = {
    "Notification": _NOTIFICATION,
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}
_ALGORITHMS: dict[str, Algorithm] = {"1": "rsa-sha1", "2": "rsa-sha256"}


class SnsKey(NamedTuple):
    """The topic that is listened to, and what signs in tests."""

    topic_arn: str
    private: Any


class SnsScheme(FetchingScheme):
    """RSA over named fields of the message, by a certificate that SNS publishes.

    Whoever has an account can have SNS sign what they like and send it here, so the topic is what counts: the secret is its
    ARN. A field's end is a line break, so none but ``Message`` may hold one. ``private_key`` is for tests.
    """

    __slots__ = ()

    where = "body `Signature`"
    what = "RSA (SHA-1 or SHA-256) of the message's fields"

    secret_fields = ("topic_arn",)
    optional_fields = ("private_key",)
    covers = frozenset(f"body:{name}" for name in {*_NOTIFICATION, *_CONFIRMATION})
    signs_timestamp = True

    def prepare(self, secret: Secret) -> SnsKey:
        """Take the topic's ARN; ConfigurationError when it is none or ``cryptography`` is not installed."""
        need_cryptography()
        topic = secret.field("topic_arn")
        if not topic.startswith("arn:") or topic.count(":") != 5:
            raise ConfigurationError("topic_arn is no ARN of a topic (arn:aws:sns:REGION:ACCOUNT:NAME)")
        return SnsKey(topic, read_key(secret.value("private_key")) if secret.has("private_key") else None)

    def wants(self, delivery: Delivery, keys: Sequence[Key]) -> Wanted:
        """Ask for the certificate that the message names, if it is at SNS and the message is for one of the topics."""
        message = _message(delivery)
        if all(message["TopicArn"] != key.prepared.topic_arn for key in keys):
            raise SignatureMismatch(f"the message is for none of {len(keys)} topics of this endpoint")
        url = trusted_url(_text(message, "SigningCertURL"), _HOSTS, path=_PATH)
        return Wanted(url, url, lambda document, now: {url: _certified(document, now)})

    def verify(self, delivery: Delivery, keys: Sequence[Key], found: Any = None) -> Verified:
        """Check the signature with the certificate's key, and the topic."""
        message = _message(delivery)
        trusted_url(_text(message, "SigningCertURL"), _HOSTS, path=_PATH)
        if found is None:
            raise UntrustedKeySource("the certificate's key was not found")
        signature = _BASE64.decode(_text(message, "Signature"))
        algorithm = _ALGORITHMS.get(_text(message, "SignatureVersion"))
        if signature is None or algorithm is None:
            raise MalformedSignature("the message's Signature is not base64, or of an unknown SignatureVersion")
        stamp = read_timestamp(_text(message, "Timestamp"), "rfc3339")
        if not PublicKey(found, algorithm).verify(signature, _canonical(message)):
            raise SignatureMismatch("the certificate's key did not sign this message")
        for key in keys:
            if key.prepared.topic_arn == message["TopicArn"]:
                return key.name, stamp
        raise SignatureMismatch(f"the message is genuine, and for none of {len(keys)} topics of this endpoint")

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign with the private key of a secret; what the message lacks is filled in."""
        if len(keys) != 1 or keys[0].prepared.private is None:
            raise ConfigurationError("only SNS signs its messages: for tests give one secret with a private_key")
        body = draft.body or b"{}"
        usual = {
            "Type": "Notification",
            "MessageId": draft.id,
            "TopicArn": keys[0].prepared.topic_arn,
            "Message": "",
            "Timestamp": write_timestamp(draft.timestamp, "rfc3339"),
            "SignatureVersion": "2",
            "Signature": "",
            "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-test.pem",
        }
        for name, value in usual.items():
            if InBody(name).find(Reading(Delivery(body, {}))) is None:
                body = put_json(body, name, value)
        try:
            message = _message(Delivery(body, {}))
            algorithm = _ALGORITHMS[_text(message, "SignatureVersion")]
            signature = PublicKey(keys[0].prepared.private, algorithm).sign(_canonical(message))
        except (MalformedBody, MalformedSignature, MissingSignature, MissingTimestamp, KeyError) as error:
            raise ConfigurationError(f"this is no message of SNS: {error}") from None
        body = put_json(body, "Signature", base64.b64encode(signature).decode())
        return Delivery(body, draft.headers, draft.method, draft.url)

    def __repr__(self) -> str:
        return "SnsScheme()"


def _message(delivery: Delivery) -> Mapping[str, Any]:
    """The message, whose type is known and whose signed fields are texts that end where they should."""
    message = Reading(delivery).document()
    if not isinstance(message, dict):
        raise MissingSignature("the body is no message of SNS (is raw message delivery on? It is not signed)")
    kind = message.get("Type")
    if not isinstance(kind, str) or kind not in _SIGNED:
        raise MissingSignature("the body is no message of SNS, or of a type that was unknown when this was written")
    for name in _SIGNED[kind]:
        if name == "Subject" and message.get(name) is None:
            continue
        value = _text(message, name)
        if name != "Message" and "\n" in value:
            raise MalformedSignature(f"the message's {name} holds a line break, which ends it")
    if kind != "Notification":
        _check_address(message["SubscribeURL"])
    return message


def _text(message: Mapping[str, Any], name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str) or (not value and name not in ("Message", "Signature", "Subject")):
        raise (MissingTimestamp if name == "Timestamp" else MissingSignature)(f"the message has no {name}")
    return value


def _canonical(message: Mapping[str, Any]) -> bytes:
    names = (name for name in _SIGNED[message["Type"]] if message.get(name) is not None)
    return "".join(f"{name}\n{message[name]}\n" for name in names).encode("utf-8", "surrogatepass")


def _check_address(url: str) -> None:
    """Refuse an address to confirm at that is not SNS's: whoever confirms fetches it."""
    try:
        parts = urlsplit(url)
        trusted = parts.scheme == "https" and _HOSTS.fullmatch(parts.netloc) is not None and url.isascii() and url.isprintable()
    except ValueError:
        trusted = False
    if not trusted or "\\" in url:
        raise UntrustedKeySource("the message's SubscribeURL is not at SNS")


def _certified(document: bytes, now: float) -> Any:
    """The key of a certificate in its dates. Who serves it vouches for it: SNS itself, over HTTPS."""
    certificate = read_certificates(document)[0]
    check_dates(certificate, now)
    return certificate.public_key()


AWS_SNS = Preset(
    name="aws-sns",
    title="Amazon SNS",
    scheme=SnsScheme(),
    event_id=InBody("MessageId"),
    event_type=InBody("Type"),
    # The timestamp is that of publishing, and retries go on for an hour. The id is signed.
    tolerance=2 * HOUR,
    challenge=Confirmation(InBody("SubscribeURL"), when={InBody("Type"): "SubscriptionConfirmation"}, trusted=_CONFIRM),
    profile=Profile(
        schedule=_POLICY.says("three times, 20 seconds apart; a subscription's own delivery policy can stretch to an hour"),
        horizon=_RETRIES.says(HOUR),
        resigned=_RETRIES.silent(False),
        stable_body=_RETRIES.silent(None),
        timeout=_RETRIES.silent(15.0),
        statuses=_RETRIES.silent("2xx succeeds; most 4xx are final; 429 and 5xx are tried again"),
        networks=_RETRIES.silent("https://ip-ranges.amazonaws.com/ip-ranges.json"),
    ),
    proof=("vector",),
    docs=_DOCS.address,
    note=(
        "The secret is the topic's ARN: anyone can have SNS sign a message of a topic of their own. Raw message delivery is not"
        " signed and refused. A subscription's confirmation is checked, answered and given to nobody; with"
        " confirm_subscription=True its SubscribeURL is fetched."
    ),
)
