import json

import pytest
from example_secrets import private_side, public_side
from scheme_keys import rsa_pair

from hookguard import ConfigurationError, Delivery, Secret, presets
from hookguard.errors import MalformedBody, MalformedSignature, MissingSignature, SignatureMismatch, UntrustedKeySource
from hookguard.preset import make_keys
from hookguard.schemes import Draft
from hookguard.schemes.public_key import read_public_key

PRESET = presets.TRAVIS
KEYS = make_keys(PRESET, public_side(PRESET))
# Reading a private key takes longer than signing with it.
SIGNER = make_keys(PRESET, private_side(PRESET))
FOUND = read_public_key(rsa_pair()[1], "rsa-sha1")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def signed(signer=SIGNER, **fields):
    document = {"id": 1, "state": "passed", "repository": {"owner_name": "travis-ci"}, **fields}
    return PRESET.scheme.sign(Draft(json.dumps(document).encode(), {}), signer)


def verify(delivery):
    return PRESET.scheme.verify(delivery, KEYS, FOUND)


def changed(delivery, body=None, **headers):
    return Delivery(delivery.body if body is None else body, {**dict(delivery.headers.items()), **headers})


def test_the_payload_counts():
    delivery = signed()
    assert verify(delivery) == ("#1", None)
    for body in (delivery.body.replace(b"passed", b"failed"), delivery.body + b"+"):
        with pytest.raises(SignatureMismatch):
            verify(changed(delivery, body))
    with pytest.raises(MalformedBody, match="other fields"):
        verify(changed(delivery, delivery.body + b"&payload=%7B%7D"))
    with pytest.raises(MalformedBody, match="other fields"):
        verify(changed(delivery, delivery.body + b"&a=b"))


@pytest.mark.parametrize("repository", [{"owner_name": "someone"}, {}, None, "travis-ci", []])
def test_a_genuine_notification_of_someone_elses_repository_is_rejected(repository):
    with pytest.raises(SignatureMismatch, match=r"another owner \(owners checked: 1"):
        verify(signed(repository=repository))


def test_a_key_of_another_sender_than_travis_is_rejected():
    with pytest.raises(SignatureMismatch):
        verify(signed(make_keys(PRESET, Secret.of(owner="travis-ci", private_key=rsa_pair("second")[0]))))
    with pytest.raises(UntrustedKeySource):
        PRESET.scheme.verify(signed(), KEYS, None)


@pytest.mark.parametrize("value", ["", "é", "%%%", "AAAA", "-" * 9000])
def test_invalid_signatures_are_rejected(value):
    delivery = changed(signed(), signature=value[:8000])
    with pytest.raises((MissingSignature, MalformedSignature, SignatureMismatch)):
        verify(delivery)


def test_a_body_without_a_form_is_rejected():
    with pytest.raises(MissingSignature, match="not a form"):
        PRESET.scheme.wants(changed(signed(), **{"content-type": "application/json"}), KEYS)


def test_the_key_asked_for():
    wanted = PRESET.scheme.wants(signed(), KEYS)
    assert (wanted.url, wanted.id) == ("https://api.travis-ci.com/config", "webhook")
    document = {"config": {"notifications": {"webhook": {"public_key": rsa_pair()[1]}}}}
    assert PRESET.scheme.verify(signed(), KEYS, wanted.read(json.dumps(document).encode(), 0.0)["webhook"]) == ("#1", None)


@pytest.mark.parametrize(
    "document", [b"", b"{}", b"[]", b'{"config":{"notifications":{"webhook":{"public_key":"x"}}}}', b'{"config":5}']
)
def test_settings_without_a_key(document):
    with pytest.raises(ValueError, match="no key"):
        PRESET.scheme.wants(signed(), KEYS).read(document, 0.0)


def test_a_delivery_that_cannot_be_signed_raises():
    with pytest.raises(ConfigurationError, match="only Travis signs"):
        PRESET.sign(b"{}", "travis-ci")
    with pytest.raises(ConfigurationError, match="not a notification"):
        PRESET.sign(b"a=b", private_side(PRESET), headers=FORM)
