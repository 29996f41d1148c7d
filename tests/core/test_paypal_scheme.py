import zlib
from datetime import datetime, timedelta, timezone

import pytest

pytest.importorskip("cryptography", reason="the extra crypto is not installed")

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from scheme_keys import NOW, draft, keys, rsa_pair

from hookguard import Delivery, Secret, Verifier, presets
from hookguard.errors import (
    ConfigurationError,
    MalformedSignature,
    MissingSignature,
    MissingTimestamp,
    SignatureMismatch,
    UntrustedKeySource,
)
from hookguard.schemes.public_key import read_public_key

SCHEME = presets.PAYPAL.scheme
PRIVATE, PUBLIC = rsa_pair()
WEBHOOK = "96605875FF6516633"
FOUND = read_public_key(PUBLIC, "rsa-sha256")
KEYS = keys(SCHEME, WEBHOOK)
BODY = b'{"id":"WH-1","event_type":"PAYMENT.SALE.COMPLETED"}'


def signed(body=BODY):
    return SCHEME.sign(draft(body), keys(SCHEME, Secret.of(webhook_id=WEBHOOK, private_key=PRIVATE)))


def changed(delivery=None, body=None, **headers):
    delivery = delivery or signed()
    kept = dict(delivery.headers.items())
    for name, value in headers.items():
        kept[name.replace("_", "-")] = value
    return Delivery(delivery.body if body is None else body, {name: value for name, value in kept.items() if value is not None})


def certificate(name="messageverificationcerts.paypal.com", valid_from=NOW - 100, days=1):
    start = datetime.fromtimestamp(valid_from, timezone.utc)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    key = load_pem_private_key(PRIVATE.encode(), None)
    built = x509.CertificateBuilder(
        subject, subject, key.public_key(), x509.random_serial_number(), start, start + timedelta(days)
    )
    return built.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_sign_fetch_and_verify():
    delivery = signed()
    wanted = SCHEME.wants(delivery, KEYS)
    assert wanted.url == wanted.id == "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-test"
    found = wanted.read(certificate() + b"\n" + certificate("issuer.example"), NOW)[wanted.id]
    assert SCHEME.verify(delivery, KEYS, found) == ("#1", NOW)


@pytest.mark.parametrize(
    "headers",
    [
        {"paypal_transmission_id": "id-2"},
        {"paypal_transmission_time": "2023-11-14T22:13:21Z"},
        {"paypal_transmission_sig": "AAAA"},
        {"body": BODY + b" "},
    ],
)
def test_each_signed_part_counts(headers):
    with pytest.raises(SignatureMismatch):
        SCHEME.verify(changed(**headers), KEYS, FOUND)


def test_the_webhook_id_is_whose_it_is():
    for other, good in (("3TR748995U920805P", False), (WEBHOOK, True)):
        if good:
            assert SCHEME.verify(signed(), keys(SCHEME, "3TR748995U920805P", other), FOUND) == ("#2", NOW)
        else:
            with pytest.raises(SignatureMismatch):
                SCHEME.verify(signed(), keys(SCHEME, other), FOUND)


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "http://api.paypal.com/v1/notifications/certs/CERT-1",
        "https://api.paypal.com.attacker.example/v1/notifications/certs/CERT-1",
        "https://attacker.example/v1/notifications/certs/CERT-1",
        "https://api.paypal.com@attacker.example/v1/notifications/certs/CERT-1",
        "https://api.paypal.com:444/v1/notifications/certs/CERT-1",
        "https://api.paypal.com/v1/notifications/certs/../../oauth2/CERT-1",
        "https://api.paypal.com/v1/notifications/certs/CERT-1?x=1",
        "https://api.paypal.com/elsewhere/CERT-1",
        "https://api.paypal.com/v1/notifications/certs/CERT-1/x",
    ],
)
def test_no_other_address_is_asked_or_believed(url):
    delivery = changed(paypal_cert_url=url)
    with pytest.raises(UntrustedKeySource):
        SCHEME.wants(delivery, KEYS)
    with pytest.raises(UntrustedKeySource):
        SCHEME.verify(delivery, KEYS, FOUND)


def test_no_other_certificate_is_believed():
    wanted = SCHEME.wants(signed(), KEYS)
    for document in (certificate("attacker.example"), certificate("paypal.com.example"), certificate(valid_from=NOW + 1)):
        with pytest.raises(UntrustedKeySource):
            wanted.read(document, NOW)
    with pytest.raises(UntrustedKeySource):
        wanted.read(certificate(), NOW + 86400)
    with pytest.raises(ValueError, match="."):
        wanted.read(b"no certificate", NOW)
    with pytest.raises(UntrustedKeySource):
        SCHEME.verify(signed(), KEYS)


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"paypal_transmission_sig": None}, MissingSignature),
        ({"paypal_transmission_sig": "no base64"}, MalformedSignature),
        ({"paypal_auth_algo": "SHA1withRSA"}, MalformedSignature),
        ({"paypal_auth_algo": None}, MalformedSignature),
        ({"paypal_transmission_time": None}, MissingTimestamp),
        ({"paypal_transmission_id": None}, MalformedSignature),
        ({"paypal_transmission_id": "id-1|2023-11-14T22:13:20Z"}, MalformedSignature),
    ],
)
def test_hostile_headers(headers, error):
    with pytest.raises(error):
        SCHEME.verify(changed(**headers), KEYS, FOUND)


def test_a_body_made_to_have_the_same_checksum_is_no_new_event():
    # A CRC-32 can be met: the signature holds, so the identity must not come from the body.
    forged = b'{"id":"WH-2","event_type":"PAYMENT.SALE.COMPLETED","pad":"    "}'
    forged = meet(forged, zlib.crc32(BODY))
    assert zlib.crc32(forged) == zlib.crc32(BODY)
    verifier = Verifier(presets.PAYPAL, WEBHOOK, clock=lambda: NOW)
    first, second = (verifier.verify(delivery, found=FOUND) for delivery in (signed(), changed(body=forged)))
    assert first.id == second.id == "id-1"
    assert "body" not in presets.PAYPAL.scheme.covers


def meet(body, checksum):
    """Append the four bytes that give a body the checksum."""
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (0xEDB88320 if value & 1 else 0)
        table.append(value)
    wanted = checksum ^ 0xFFFFFFFF
    for _ in range(4):
        position = next(index for index, value in enumerate(table) if value >> 24 == wanted >> 24)
        wanted = ((wanted ^ table[position]) << 8) & 0xFFFFFFFF | position
    wanted ^= zlib.crc32(body) ^ 0xFFFFFFFF
    return body + wanted.to_bytes(4, "little")


def test_secrets():
    with pytest.raises(ConfigurationError, match="webhook_id"):
        keys(SCHEME, "WH|12345678")
    with pytest.raises(ConfigurationError, match="private_key"):
        SCHEME.sign(draft(BODY), KEYS)
