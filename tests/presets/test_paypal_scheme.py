import json
import zlib
from datetime import datetime, timedelta, timezone

import pytest

pytest.importorskip("cryptography", reason="the extra crypto is not installed")

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from guards import Faulty
from scheme_keys import NOW, draft, keys, rsa_pair

from hookguard import Delivery, Endpoint, Guard, MemoryStore, Secret, Verifier, presets
from hookguard.errors import (
    ConfigurationError,
    MalformedSignature,
    MissingSignature,
    MissingTimestamp,
    SignatureMismatch,
    UntrustedKeySource,
)
from hookguard.schemes.public_key import read_public_key
from hookguard.testing import FrozenClock

SCHEME = presets.PAYPAL.scheme
PRIVATE, PUBLIC = rsa_pair()
WEBHOOK = "96605875FF6516633"
SIGNER = Secret.of(webhook_id=WEBHOOK, private_key=PRIVATE)
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
def test_hostile_headers_are_rejected(headers, error):
    with pytest.raises(error):
        SCHEME.verify(changed(**headers), KEYS, FOUND)


class Published:
    def get(self, wanted):
        return FOUND


def guarding(store=None, **options):
    verifier = Verifier(presets.PAYPAL, WEBHOOK, clock=lambda: NOW)
    return Guard(Endpoint(verifier, **options), store or MemoryStore(clock=FrozenClock(NOW)), keys=Published())


def test_a_body_made_to_have_the_same_checksum_is_rejected():
    # A CRC-32 can be met: the signature holds for both.
    forged = meet(b'{"id":"WH-2","event_type":"PAYMENT.SALE.COMPLETED","pad":"%s"}', zlib.crc32(BODY))
    assert zlib.crc32(forged) == zlib.crc32(BODY)
    verifier = Verifier(presets.PAYPAL, WEBHOOK, clock=lambda: NOW)
    assert verifier.verify(changed(body=forged), found=FOUND).id == "WH-2"
    assert "body" not in presets.PAYPAL.scheme.covers
    guard = guarding()
    receipt = guard.open(signed())
    assert guard.open(changed(body=forged)).reply.status == 401  # while the honest one runs
    guard.settle(receipt, status=200)
    assert guard.open(changed(body=forged)).reply.status == 401
    assert guard.open(signed()).reply.status == 200


def test_an_event_that_is_transmitted_twice_runs_once():
    guard = guarding()
    first = guard.open(signed())
    assert first.event.id == json.loads(BODY)["id"]
    guard.settle(first, status=500)
    retry = guard.open(signed())
    assert retry.event.attempt == 2
    guard.settle(retry, status=200)
    again = presets.PAYPAL.sign(BODY, SIGNER, timestamp=NOW, id="id-2")
    assert guard.open(again).reply.status == 200


def test_a_transmission_of_an_event_without_an_id_has_its_own():
    guard = guarding()
    for number in (1, 2):
        delivery = presets.PAYPAL.sign(b"{}", SIGNER, timestamp=NOW, id=f"id-{number}")
        receipt = guard.open(delivery)
        assert receipt.event.id == f"id-{number}"
        guard.settle(receipt, status=200)


def test_a_store_that_is_down_is_answered_as_for_every_event():
    store = Faulty(MemoryStore(clock=FrozenClock(NOW)))
    for step in ("claim", "complete"):
        store.before = {step}
        assert guarding(store).open(signed()).reply.status == 503
    store.before = {"claim"}
    assert guarding(store, on_outage="open").open(signed()).event.id == "WH-1"
    store.before = set()
    assert guarding(store).open(signed()).event.id == "WH-1"


def meet(body, checksum, digits=48):
    """Fill the body's ``%s`` with zeros and ones so that it has the checksum: what each digit changes of it does not depend on
    the others."""
    plain = zlib.crc32(body % (b"0" * digits))
    changes = [(zlib.crc32(body % (b"%0*d" % (digits, 10**place))) ^ plain, 1 << place) for place in range(digits)]
    wanted, chosen = checksum ^ plain, 0
    for bit in range(32):
        pivot = next((change for change in changes if change[0] >> bit & 1), None)
        if pivot is None:
            continue
        changes = [(c ^ pivot[0], p ^ pivot[1]) if c >> bit & 1 else (c, p) for c, p in changes if (c, p) != pivot]
        if wanted >> bit & 1:
            wanted, chosen = wanted ^ pivot[0], chosen ^ pivot[1]
    return body % format(chosen, f"0{digits}b").encode()


def test_invalid_secrets_are_rejected():
    with pytest.raises(ConfigurationError, match="webhook_id"):
        keys(SCHEME, "WH|12345678")
    with pytest.raises(ConfigurationError, match="private_key"):
        SCHEME.sign(draft(BODY), KEYS)


def test_a_transmission_in_a_transaction_of_the_handlers_own(tmp_path):
    sqlalchemy = pytest.importorskip("sqlalchemy")
    from sqlalchemy.orm import sessionmaker

    from hookguard.stores.sql import SQLTransactionStore, create_table

    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'shop.sqlite3'}")
    create_table(engine)
    store = SQLTransactionStore(sessionmaker(engine))
    guard = guarding(store)
    with guard.receive(signed()) as receipt:
        store.session.execute(sqlalchemy.text("CREATE TABLE effect (id INTEGER)"))
        receipt.answered(200)
    assert guard.open(signed()).reply.status == 200
    assert sqlalchemy.inspect(engine).has_table("effect")
    engine.dispose()
