"""Amazon SNS: named fields of the message are signed, and the message names the certificate's address."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from hookguard.bodies import Reading
from hookguard.challenge import Confirmation
from hookguard.delivery import Delivery
from hookguard.errors import (
    ConfigurationError,
    MalformedBody,
    MalformedSignature,
    MissingSignature,
    MissingTimestamp,
    SignatureMismatch,
    UntrustedKeySource,
)
from hookguard.facts import HOUR, Facts, Source
from hookguard.keys import Wanted, trusted_url
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.record import Record
from hookguard.schemes.base import Draft, FetchingScheme, Key, Verified
from hookguard.schemes.certificates import check_dates, read_certificates
from hookguard.schemes.layout import Layout
from hookguard.schemes.public_key import Algorithm, PublicKey, need_cryptography, read_key, read_pinned_key
from hookguard.schemes.timestamp import read_timestamp, write_timestamp
from hookguard.secret import Secret
from hookguard.writing import put_json

__all__ = ["AWS_SNS", "SnsKey", "SnsScheme"]

_DOCS = Source("https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html", "2026-11-24")
_RETRIES = Source("https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html", "2026-11-25")
_POLICY = Source("https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.retry.html", "2026-11-25")

#: Amazon's own packages accept any host label of three or more characters, so also an S3 bucket that someone named "sns".
_HOSTS = re.compile(r"sns\.[a-z]{2}(-[a-z]+)+-[0-9]{1,2}\.amazonaws\.com(\.cn)?", re.ASCII)
_PATH = re.compile(r"/[A-Za-z0-9_-]{1,200}\.pem", re.ASCII)
_CONFIRM = re.compile(
    r"https://sns\.[a-z]{2}(-[a-z]+)+-[0-9]{1,2}\.amazonaws\.com(\.cn)?/"
    r"\?Action=ConfirmSubscription&TopicArn=[A-Za-z0-9:_.%-]+&Token=[A-Za-z0-9]+",
    re.ASCII,
)
_BASE64 = Layout("{base64}")

#: The signed fields of each type, in order. Subject is signed only if it is present.
_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED = {
    "Notification": _NOTIFICATION,
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}
_ANY_SIGNED = frozenset((*_NOTIFICATION, *_CONFIRMATION))
_ALGORITHMS: dict[str, Algorithm] = {"1": "rsa-sha1", "2": "rsa-sha256"}


@dataclass(frozen=True, slots=True, repr=False)
class SnsKey(Record):
    """The topic, and a private key in tests."""

    topic_arn: str
    private: Any


class SnsScheme(FetchingScheme):
    """RSA over named fields of the message, with a certificate that SNS publishes.

    Anyone with an AWS account can make SNS sign any message and send it here. So the topic is checked: the secret is its ARN. A
    line break ends a field, so only ``Message`` may hold one. ``private_key`` is for tests.
    """

    __slots__ = ()

    where = "body `Signature`"
    what = "RSA (SHA-1 or SHA-256) of the message's fields"

    secret_fields = ("topic_arn",)
    optional_fields = ("private_key",)
    covers = frozenset(f"body:{name}" for name in _ANY_SIGNED)
    signs_timestamp = True

    def prepare(self, secret: Secret) -> SnsKey:
        """Return the topic's ARN; ConfigurationError if it is not valid or ``cryptography`` is missing."""
        need_cryptography()
        topic = secret.field("topic_arn")
        if not topic.startswith("arn:") or topic.count(":") != 5:
            raise ConfigurationError("topic_arn is not the ARN of a topic (arn:aws:sns:REGION:ACCOUNT:NAME)")
        return SnsKey(topic, read_key(secret.value("private_key")) if secret.has("private_key") else None)

    def wants(self, delivery: Delivery, keys: Sequence[Key]) -> Wanted:
        """Return the certificate that the message names, if its address is SNS's and the topic is configured."""
        message = _message(delivery)
        if all(message["TopicArn"] != key.prepared.topic_arn for key in keys):
            raise SignatureMismatch(
                f"the message is for another topic than this endpoint's (topics checked: {len(keys)})", secrets=len(keys)
            )
        url = trusted_url(_text(message, "SigningCertURL"), _HOSTS, path=_PATH)
        return Wanted(url, url, lambda document, now: {url: _certified(document, now)})

    def sources(self, keys: Sequence[Key]) -> tuple[str, ...]:
        """Return where the certificates of the topics' regions are."""
        parts = [key.prepared.topic_arn.split(":") for key in keys]
        hosts = [f"sns.{region}.amazonaws.com{'.cn' if part == 'aws-cn' else ''}" for _, part, _, region, *_ in parts]
        return tuple(dict.fromkeys(f"https://{host}/" for host in hosts))

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
        raise SignatureMismatch(
            f"the message is genuine, but for another topic than this endpoint's (topics checked: {len(keys)})",
            secrets=len(keys),
        )

    def says_of_itself(self, delivery: Delivery) -> dict[str, str]:
        """Return the topic."""
        return {"topic_arn": _text(_message(delivery), "TopicArn")}

    def check_key_name(self, name: str) -> None:
        """Check that the name is the address of a certificate of the provider."""
        trusted_url(name, _HOSTS, path=_PATH)

    def read_pinned_key(self, text: str | bytes) -> Any:
        """Read PEM: a certificate or a public key."""
        return read_pinned_key(text)

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign with the private key of a secret. Missing fields of the message are filled in."""
        if len(keys) != 1 or keys[0].prepared.private is None:
            raise ConfigurationError("only SNS signs its messages: in tests give one secret with a private_key")
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
            raise ConfigurationError(f"the body cannot be signed as an SNS message: {error}") from None
        body = put_json(body, "Signature", base64.b64encode(signature).decode())
        return Delivery(body, draft.headers, draft.method, draft.url)

    def __repr__(self) -> str:
        return "SnsScheme()"


def _message(delivery: Delivery) -> Mapping[str, Any]:
    """Return the message. Its type is known, and its signed fields are texts without a misplaced line break."""
    message = Reading(delivery).document()
    if not isinstance(message, dict):
        raise MissingSignature("the body is not an SNS message: turn off raw message delivery, which is not signed")
    kind = message.get("Type")
    if not isinstance(kind, str) or kind not in _SIGNED:
        raise MissingSignature("the body is not an SNS message, or its type is unknown")
    for name in _SIGNED[kind]:
        if name == "Subject" and message.get(name) is None:
            continue
        value = _text(message, name)
        if name != "Message" and "\n" in value:
            raise MalformedSignature(f"the message's {name} holds a line break, the character that ends it")
    if any(message.get(name) is not None for name in _ANY_SIGNED.difference(_SIGNED[kind])):
        raise MalformedSignature(f"the message holds a field that SNS does not send with a {kind}, and so does not sign")
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
    """Reject a SubscribeURL that is not SNS's, because confirming fetches it."""
    try:
        parts = urlsplit(url)
        trusted = parts.scheme == "https" and _HOSTS.fullmatch(parts.netloc) is not None and url.isascii() and url.isprintable()
    except ValueError:
        trusted = False
    if not trusted or "\\" in url:
        raise UntrustedKeySource("the message's SubscribeURL is not at SNS")


def _certified(document: bytes, now: float) -> Any:
    """Return the key of a certificate that is valid now. It is trusted because SNS serves it over HTTPS."""
    certificate = read_certificates(document)[0]
    check_dates(certificate, now)
    return certificate.public_key()


AWS_SNS = Preset(
    name="aws-sns",
    title="Amazon SNS",
    scheme=SnsScheme(),
    event_id=InBody("MessageId"),
    event_type=InBody("Type"),
    # The timestamp is the time of publishing. The id is signed.
    challenge=Confirmation(InBody("SubscribeURL"), when={InBody("Type"): "SubscriptionConfirmation"}, trusted=_CONFIRM),
    facts=Facts(
        schedule=_POLICY.says("three times, 20 seconds apart; a subscription's own delivery policy can stretch to an hour"),
        horizon=_RETRIES.says(HOUR),
        resigned=_RETRIES.silent(False),
        stable_body=_RETRIES.silent(None),
        stable_id=_RETRIES.silent(True),
        largest_body=_RETRIES.silent(None),
        timeout=_RETRIES.silent(15.0),
        statuses=_RETRIES.silent("2xx succeeds; most 4xx are final; 429 and 5xx are retried"),
        networks=_RETRIES.silent("https://ip-ranges.amazonaws.com/ip-ranges.json"),
    ),
    proof=("vector",),
    docs=_DOCS.address,
    note=(
        "The secret is the topic's ARN, because anyone can make SNS sign a message of their own topic. Raw message delivery"
        " is not signed and is rejected. A subscription's confirmation is verified and answered without calling your handler;"
        " with confirm_subscription=True hookguard fetches its SubscribeURL."
    ),
)
