"""Keys that the operator pins or knows: a stranger's unknown names do not matter to them."""

from datetime import datetime, timedelta, timezone

import pytest
from pages import blocks

from hookguard import ConfigurationError, Endpoint, Guard, MemoryStore, Secret, Verifier, presets
from hookguard.config import Settings
from hookguard.errors import VerificationUnavailable
from hookguard.gateway import GatewayVerifier
from hookguard.presets import get

pytest.importorskip("cryptography", reason="the extra crypto is not installed")
pytest.importorskip("httpx", reason="the extra fetch is not installed")
jwt = pytest.importorskip("jwt", reason="the extra jwt is not installed")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

RSA = rsa.generate_private_key(65537, 2048)
P256 = ec.generate_private_key(ec.SECP256R1())
P521 = ec.generate_private_key(ec.SECP521R1())


def private_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def public_pem(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def certificate(key, days=9):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "messageverificationcerts.paypal.com")])
    end = datetime.now(timezone.utc) + timedelta(days)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    return (
        made.not_valid_before(end - timedelta(90))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode()
    )


ARN = "arn:aws:sns:us-east-1:123456789012:shop"
PAYPAL_URL = "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-test"
SNS_URL = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-test.pem"
GOOGLE = {"audience": "https://shop.example/h", "email": "p@x.iam.gserviceaccount.com"}
PLAID = {"client_id": "an-id-of-a-client", "secret": "a-secret-of-the-api"}

#: Preset, secret to verify, what signing needs besides, key, its name, another name, body, headers.
CASES = {
    "paypal": ({"webhook_id": "WH-2WR32451HC0233532"}, {}, RSA, PAYPAL_URL, PAYPAL_URL + "-2", b"{}", {}),
    "aws-sns": ({"topic_arn": ARN}, {}, RSA, SNS_URL, SNS_URL.replace("test", "two"), b"{}", {}),
    "travis": (
        {"owner": "acme"},
        {},
        RSA,
        "webhook",
        None,
        b'{"id": 1, "state": "passed", "repository": {"owner_name": "acme"}}',
        {},
    ),
    "plaid": (PLAID, {"key_id": "k1"}, P256, "k1", "k2", b"{}", {}),
    "google-pubsub": (GOOGLE, {"key_id": "k1"}, RSA, "k1", "k2", b'{"message": {"messageId": "1"}}', {}),
    "truelayer": ({"environment": "sandbox"}, {"name": "k1"}, P521, "k1", "k2", b'{"event_id": "1"}', {}),
}


class Unreachable:
    """A source whose provider cannot be reached; remembers what it was asked for."""

    def __init__(self):
        self.asked = []

    def get(self, wanted):
        self.asked.append(wanted)
        raise VerificationUnavailable("nothing can be fetched in this test")


def signed(name):
    fields, more, key, _, _, body, headers = CASES[name]
    secret = Secret.of(**fields, private_key=private_pem(key), **more)
    url = "https://shop.example/h" if name == "truelayer" else ""
    return get(name).sign(body, secret, headers=headers, url=url)


def opened(name, delivery=None, **endpoint):
    source = Unreachable()
    guard = Guard(Endpoint(Verifier(name, Secret.of(**CASES[name][0])), **endpoint), MemoryStore(), keys=source)
    return guard.open(delivery or signed(name)), source.asked


def test_every_preset_that_fetches_is_here():
    fetching = {name for name in presets.names() if hasattr(get(name).scheme, "wants")}
    assert fetching - {"plaid-sandbox"} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_pinned_key_is_used_without_a_fetch(name):
    key, key_name = CASES[name][2:4]
    receipt, asked = opened(name, pinned_keys={key_name: public_pem(key)})
    assert (receipt.reply, asked) == (None, [])


@pytest.mark.parametrize("name", CASES)
def test_another_key_than_the_pinned_one_is_rejected(name):
    key, key_name = CASES[name][2:4]
    other = rsa.generate_private_key(65537, 2048) if key is RSA else ec.generate_private_key(key.curve)
    receipt, asked = opened(name, pinned_keys={key_name: public_pem(other)})
    assert (receipt.reply.status, asked) == (401, [])


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name][4]])
def test_a_name_that_is_not_pinned_is_still_fetched(name):
    key, other = CASES[name][2], CASES[name][4]
    receipt, asked = opened(name, pinned_keys={other: public_pem(key)})
    assert (receipt.reply.status, len(asked)) == (503, 1)


@pytest.mark.parametrize("name", ["paypal", "aws-sns"])
def test_a_certificate_is_pinned_as_the_provider_publishes_it(name):
    receipt, asked = opened(name, pinned_keys={CASES[name][3]: certificate(RSA)})
    assert (receipt.reply, asked) == (None, [])


@pytest.mark.parametrize("name", ["plaid", "google-pubsub", "truelayer"])
def test_a_json_web_key_is_pinned_as_the_provider_publishes_it(name):
    key, key_name = CASES[name][2:4]
    algorithm = jwt.algorithms.RSAAlgorithm if key is RSA else jwt.algorithms.ECAlgorithm
    receipt, asked = opened(name, pinned_keys={key_name: algorithm.to_jwk(key.public_key())})
    assert (receipt.reply, asked) == (None, [])


@pytest.mark.runs("docs/secrets.md", "Keys that the provider publishes")
def test_the_page_on_secrets_pins_a_certificate(tmp_path, monkeypatch):
    (tmp_path / "paypal.pem").write_text(certificate(RSA))
    monkeypatch.setenv("PAYPAL_CERTIFICATE", str(tmp_path / "paypal.pem"))
    monkeypatch.setenv("PAYPAL_WEBHOOK_ID", "96605875FF6516633")
    endpoints = blocks("docs/secrets.md")["Keys that the provider publishes"].run()["ENDPOINTS"]
    assert Settings({"endpoints": endpoints}, where="docs", default_store=MemoryStore).endpoint("paypal").preset.name == "paypal"


def test_a_certificate_that_expired_is_not_pinned():
    with pytest.raises(ConfigurationError, match="not valid at this time"):
        opened("paypal", pinned_keys={PAYPAL_URL: certificate(RSA, days=-1)})


def test_a_private_key_is_not_pinned():
    with pytest.raises(ConfigurationError, match="private key"):
        opened("paypal", pinned_keys={PAYPAL_URL: private_pem(RSA)})


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("text", ["", "no key", "{}", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"])
def test_an_invalid_key_is_rejected_when_the_endpoint_is_made(name, text):
    with pytest.raises(ConfigurationError, match="pinned_keys"):
        opened(name, pinned_keys={CASES[name][3]: text})


@pytest.mark.parametrize("name", CASES)
def test_a_name_that_the_provider_cannot_have_is_rejected(name):
    bad = "https://evil.example/key.pem " if "://" in CASES[name][3] else ""
    with pytest.raises(ConfigurationError, match="known_keys"):
        opened(name, known_keys=[bad])
    with pytest.raises(ConfigurationError, match="pinned_keys"):
        opened(name, pinned_keys={bad: public_pem(CASES[name][2])})


def test_a_preset_that_fetches_nothing_takes_no_pinned_keys():
    for options in ({"pinned_keys": {"a": "b"}}, {"known_keys": ["a"]}):
        with pytest.raises(ConfigurationError, match="fetches no keys"):
            Endpoint(Verifier("stripe", "whsec_a-secret-that-is-long-enough"), **options)


def test_known_keys_are_a_list():
    with pytest.raises(ConfigurationError, match="a list of names"):
        opened("plaid", known_keys="k1")


def test_a_key_that_is_known_is_marked_for_the_fetch_and_an_unknown_one_is_not():
    for known in (True, False):
        _, asked = opened("paypal", known_keys=[PAYPAL_URL] if known else [])
        assert [wanted.known for wanted in asked] == [known]


@pytest.mark.parametrize("name", ["travis", "google-pubsub", "truelayer"])
def test_keys_at_one_address_for_all_are_known(name):
    _, asked = opened(name)
    assert [wanted.known for wanted in asked] == [True]


def test_a_fetch_is_counted_for_the_senders_address():
    _, asked = opened("plaid", signed("plaid")._replace(remote="192.0.2.7"))
    assert [wanted.asked_by for wanted in asked] == ["192.0.2.7"]


def test_settings_take_a_pinned_key_from_a_file(tmp_path):
    (tmp_path / "paypal.pem").write_text(public_pem(RSA))
    given = {"secrets": ["WH-2WR32451HC0233532"], "pinned_keys": {PAYPAL_URL: {"file": str(tmp_path / "paypal.pem")}}}
    settings = Settings({"endpoints": {"paypal": given}}, where="HOOKS", default_store=MemoryStore)
    guard = Guard(settings.endpoint("paypal"), MemoryStore(), keys=Unreachable())
    assert guard.open(signed("paypal")).reply is None


def test_a_file_that_is_missing_is_named():
    given = {"secrets": ["WH-2WR32451HC0233532"], "pinned_keys": {PAYPAL_URL: {"file": "missing.pem"}}}
    with pytest.raises(ConfigurationError, match=r"missing\.pem"):
        Settings({"endpoints": {"paypal": given}}, where="HOOKS", default_store=MemoryStore)


def test_keys_are_pinned_behind_a_gateway_too():
    gateway = Verifier("hookdeck", "a-secret-of-the-gateway-that-is-long")
    verifier = GatewayVerifier("paypal", "WH-2WR32451HC0233532", gateway=gateway)
    assert Endpoint(verifier, pinned_keys={PAYPAL_URL: public_pem(RSA)}).pinned_keys
