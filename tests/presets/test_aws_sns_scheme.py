"""Amazon SNS: whose topic, which address, which border."""

import json

import pytest
from example_secrets import private_side, public_side
from scheme_keys import rsa_pair

from hookguard import ConfigurationError, Delivery, Secret, presets
from hookguard.errors import (
    MalformedBody,
    MalformedSignature,
    MalformedTimestamp,
    MissingSignature,
    MissingTimestamp,
    SignatureMismatch,
    UntrustedKeySource,
)
from hookguard.preset import make_keys
from hookguard.schemes import Draft
from hookguard.schemes.public_key import read_key

NOW = 1_700_000_000.0
PRESET = presets.AWS_SNS
TOPIC = "arn:aws:sns:us-east-1:123456789012:orders"
KEYS = make_keys(PRESET, public_side(PRESET))
# Reading a private key takes longer than signing with it.
SIGNER = make_keys(PRESET, private_side(PRESET))
FOUND = read_key(rsa_pair()[1])


def signed(**fields):
    return PRESET.scheme.sign(Draft(json.dumps(fields).encode(), {}, id="m-1", timestamp=NOW), SIGNER)


def verify(delivery):
    return PRESET.scheme.verify(delivery, KEYS, FOUND)


def changed(delivery, **fields):
    document = {**json.loads(delivery.body), **fields}
    kept = {name: value for name, value in document.items() if value is not ...}
    return Delivery(json.dumps(kept).encode(), {})


@pytest.mark.parametrize("version", ["1", "2"])
def test_every_signed_field_counts(version):
    delivery = signed(Message="hello\nworld", Subject="a subject", SignatureVersion=version)
    assert verify(delivery) == ("#1", NOW)
    for fields in (
        {"Message": "hello"},
        {"Subject": "another"},
        {"Subject": ...},
        {"Subject": None},
        {"MessageId": "m-2"},
        {"Timestamp": "2023-11-14T22:13:21Z"},
        {"SignatureVersion": "2" if version == "1" else "1"},
    ):
        with pytest.raises(SignatureMismatch):
            verify(changed(delivery, **fields))
    # Unsigned fields do not count.
    assert verify(changed(delivery, UnsubscribeURL="https://example.com/")) == ("#1", NOW)


def test_no_subject_is_as_good_as_null():
    assert verify(changed(signed(Message="x"), Subject=None)) == ("#1", NOW)


def test_a_genuine_message_of_another_topic_is_rejected():
    other = Secret.of(topic_arn="arn:aws:sns:us-east-1:999999999999:orders", private_key=rsa_pair()[0])
    delivery = PRESET.sign(b"{}", other, id="m-1", timestamp=NOW)
    with pytest.raises(SignatureMismatch, match="another topic than this endpoint's"):
        verify(delivery)
    with pytest.raises(SignatureMismatch, match="another topic than this endpoint's"):
        PRESET.scheme.wants(delivery, KEYS)


@pytest.mark.parametrize("name", ["MessageId", "Subject", "Timestamp", "TopicArn", "Type"])
def test_no_field_but_the_message_may_hold_a_border(name):
    # Signed for one message, the text is that of another: only the borders have moved.
    inner = f"a\nMessageId\nm-0\nTimestamp\n2023-11-14T22:13:20Z\nTopicArn\n{TOPIC}\nType\nNotification"
    with pytest.raises((MalformedSignature, MissingSignature, SignatureMismatch, MalformedTimestamp)):
        verify(changed(signed(Message=inner), **{name: f"x\n{inner}"}))


def test_moved_borders_are_rejected():
    delivery = signed(Message="x\nMessageId\nm-9", MessageId="m-1")
    moved = changed(delivery, Message="x", MessageId="m-9\nMessageId\nm-1")
    with pytest.raises(MalformedSignature, match="MessageId holds a line break"):
        verify(moved)


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.us-east-1.amazonaws.com/x.pem",
        "https://sns.us-east-1.amazonaws.com.evil.example/x.pem",
        "https://evil.example/sns.us-east-1.amazonaws.com/x.pem",
        "https://sns.us-east-1.amazonaws.com@evil.example/x.pem",
        "https://sns.us-east-1.amazonaws.com/x.pem?y",
        "https://sns.us-east-1.amazonaws.com/../x.pem",
        "https://sns.us-east-1.amazonaws.com/x.txt",
        "https://s3.us-east-1.amazonaws.com/x.pem",
        "https://evil.s3.amazonaws.com/x.pem",
        "https://sns.a.b.amazonaws.com/x.pem",
        "https://sns.s3-us-west-2.amazonaws.com/x.pem",  # a bucket that somebody called "sns"
        "https://sns.s3-accelerate.amazonaws.com/x.pem",
        "https://sns.us-east-1.amazonaws.com\\@evil.example/x.pem",
        "https://sns.us-east-1.amazonaws.com:443/x.pem",
        "file:///x.pem",
        "\ud800",
    ],
)
def test_a_certificate_elsewhere_is_not_asked_for(url):
    delivery = changed(signed(), SigningCertURL=url)
    for check in (lambda: PRESET.scheme.wants(delivery, KEYS), lambda: verify(delivery)):
        with pytest.raises(UntrustedKeySource):
            check()


def test_the_certificate_asked_for():
    wanted = PRESET.scheme.wants(signed(), KEYS)
    assert wanted.url == wanted.id == "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-test.pem"
    with pytest.raises(ValueError, match="cannot be read"):
        wanted.read(b"no certificate", NOW)
    with pytest.raises(UntrustedKeySource):
        PRESET.scheme.verify(signed(), KEYS, None)


@pytest.mark.parametrize(
    "url", ["https://evil.example/?Action=ConfirmSubscription", "http://sns.us-east-1.amazonaws.com/", "", "https://["]
)
def test_an_address_to_confirm_at_that_is_not_snss(url):
    delivery = signed(Type="SubscriptionConfirmation", SubscribeURL="https://sns.us-east-1.amazonaws.com/?Token=t", Token="t")
    assert verify(delivery) == ("#1", NOW)
    with pytest.raises((UntrustedKeySource, MissingSignature)):
        verify(changed(delivery, SubscribeURL=url))


@pytest.mark.parametrize(
    "fields",
    [
        {"Type": "Other"},
        {"Type": ...},
        {"Type": ["Notification"]},
        {"Message": ...},
        {"Message": {"a": 1}},
        {"MessageId": ""},
        {"Timestamp": ...},
        {"Timestamp": "soon"},
        {"Signature": ...},
        {"Signature": "%%%"},
        {"Signature": ""},
        {"SignatureVersion": "3"},
        {"SignatureVersion": 1},
        {"SigningCertURL": None},
        {"Subject": 5},
    ],
)
def test_hostile_messages_are_rejected(fields):
    with pytest.raises(
        (MissingSignature, MalformedSignature, MissingTimestamp, MalformedTimestamp, SignatureMismatch, UntrustedKeySource)
    ):
        verify(changed(signed(), **fields))


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"hello", b'{"Type":"Notification","Type":"Notification"}', b"\xff"])
def test_bodies_without_a_message_are_rejected(body):
    with pytest.raises((MissingSignature, MalformedBody)):
        PRESET.scheme.wants(Delivery(body, {}), KEYS)


def test_a_delivery_that_cannot_be_signed_raises():
    with pytest.raises(ConfigurationError, match="only SNS signs"):
        PRESET.sign(b"{}", public_side(PRESET))
    with pytest.raises(ConfigurationError, match="not an SNS message"):
        signed(Type="Other")
    with pytest.raises(ConfigurationError, match="not the ARN"):
        PRESET.sign(b"{}", Secret.of(topic_arn="orders"))


@pytest.mark.parametrize(
    "added", [{"Token": "abc"}, {"SubscribeURL": "https://evil.example/"}, {"SubscribeURL": ["x"]}, {"Token": True}]
)
def test_a_field_that_is_signed_in_other_messages_cannot_be_added(added):
    with pytest.raises(MalformedSignature, match="does not send"):
        verify(changed(signed(Message="hello"), **added))
    assert verify(changed(signed(Message="hello"), Token=None))
