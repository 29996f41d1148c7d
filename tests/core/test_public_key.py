import base64
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest

from hookguard import ConfigurationError, Delivery, InBody, InHeader, Preset, Secret, SignatureHeader, Verifier
from hookguard.errors import MalformedSignature, MissingSignature, MissingTimestamp, SignatureMismatch
from hookguard.schemes import PublicKeyScheme
from hookguard.schemes.public_key import PublicKey, read_public_key
from hookguard.testing import FrozenClock

pytest.importorskip("cryptography", reason="the extra crypto is not installed")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

BODY = b'{"id": "1"}'
NOW = 1_700_000_000

RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
P256 = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()

MADE = {
    "ed25519": (ED, ed25519.Ed25519PrivateKey.generate()),
    "ecdsa-p256-sha256": (P256, ec.generate_private_key(ec.SECP256R1())),
    "rsa-sha256": (RSA, OTHER_RSA),
    "rsa-sha512": (RSA, OTHER_RSA),
    "rsa-sha1": (RSA, OTHER_RSA),
}


def private(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def public(key, encoding="PEM"):
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    made = key.public_key().public_bytes(getattr(serialization.Encoding, encoding), spki)
    return made.decode() if encoding == "PEM" else base64.b64encode(made).decode()


def preset(algorithm, layout="{base64}", separator=None):
    scheme = PublicKeyScheme(
        signature=SignatureHeader("X-Sig", layout, separator=separator),
        algorithm=algorithm,
        signed="{timestamp}.{body}",
        timestamp=InHeader("X-Time"),
    )
    return Preset(name="x", scheme=scheme, event_id=InBody("id"))


def verifier(made, *keys):
    return Verifier(made, keys, clock=FrozenClock(NOW))


@pytest.mark.parametrize("layout", ["{hex}", "{base64}", "v1a,{base64}", "{base64url-nopad}"])
@pytest.mark.parametrize("algorithm", MADE)
def test_signed_with_the_private_key_and_checked_with_the_public_one(algorithm, layout):
    made = preset(algorithm, layout)
    ours, other = MADE[algorithm]
    signed = made.sign(BODY, private(ours), timestamp=NOW)
    event = verifier(made, public(other), public(ours)).verify(signed)
    assert (event.secret, event.timestamp, event.covers) == ("#2", NOW, {"body", "x-time"})
    assert verifier(made, private(ours)).verify(signed).secret == "#1"
    with pytest.raises(SignatureMismatch):
        verifier(made, public(other)).verify(signed)
    for changed in (signed._replace(body=BODY + b" "), Delivery(BODY, {**dict(signed.headers.items()), "x-time": str(NOW + 1)})):
        with pytest.raises(SignatureMismatch):
            verifier(made, public(ours)).verify(changed)
    with pytest.raises(ConfigurationError, match="only the provider can sign"):
        made.sign(BODY, public(ours))


@pytest.mark.parametrize("algorithm", MADE)
def test_every_flipped_bit_of_a_signature_is_rejected(algorithm):
    ours, _ = MADE[algorithm]
    key = PublicKey(ours, algorithm)
    signature = key.sign(BODY)
    assert key.verify(signature, BODY)
    for bit in range(len(signature) * 8):
        flipped = bytearray(signature)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not key.verify(bytes(flipped), BODY)
    for wrong in (b"", signature[:-1], signature + b"\0", bytes(len(signature))):
        assert not key.verify(wrong, BODY)


def test_a_header_without_a_signature_is_malformed():
    made = preset("ed25519", "{hex}")
    check = verifier(made, public(ED))
    for value in ("zz", "ab", "AB" * 64, "ab" * 64 + " ", "é"):
        with pytest.raises((MalformedSignature, SignatureMismatch)):
            check.verify(Delivery(BODY, {"X-Sig": value, "X-Time": str(NOW)}))
    with pytest.raises(MissingSignature):
        check.verify(Delivery(BODY, {"X-Time": str(NOW)}))
    with pytest.raises(MissingTimestamp):
        check.verify(Delivery(BODY, {"X-Sig": "ab" * 64}))


def test_a_list_of_versions_holds_others_too():
    made = preset("ed25519", "v1a,{base64}", separator=" ")
    signed = made.sign(BODY, [private(ED), private(MADE["ed25519"][1])], timestamp=NOW)
    mixed = Delivery(BODY, {"X-Sig": "v1,abcd v1a,AAAA " + signed.headers["x-sig"], "X-Time": str(NOW)})
    assert verifier(made, public(ED)).verify(mixed).secret == "#1"
    assert verifier(made, public(MADE["ed25519"][1])).verify(mixed).secret == "#1"


def test_a_timestamp_in_the_body():
    scheme = PublicKeyScheme(signature=SignatureHeader("X-Sig", "{base64}"), algorithm="rsa-sha256", timestamp=InBody("at"))
    made = Preset(name="x", scheme=scheme, event_id=InBody("id"))
    signed = made.sign(b'{"id": "1", "at": 1700000000}', private(RSA))
    assert verifier(made, public(RSA)).verify(signed).timestamp == NOW


# --- how keys are written ---


def test_keys_as_providers_show_them():
    raw = ED.public_key().public_bytes_raw()
    seed = ED.private_bytes_raw()
    signature = ED.sign(BODY)
    for text in (
        public(ED),
        public(ED) + "\n",
        public(ED, "DER"),
        raw.hex(),
        raw.hex().upper(),
        "whpk_" + base64.b64encode(raw).decode(),
        "whsk_" + base64.b64encode(seed + raw).decode(),
        "whsk_" + base64.b64encode(seed).decode(),
        private(ED),
        base64.b64decode(public(ED, "DER")),
    ):
        assert read_public_key(text, "ed25519").verify(signature, BODY)
    lines = public(RSA, "DER")
    wrapped = "\n".join(lines[start : start + 64] for start in range(0, len(lines), 64))
    assert read_public_key(wrapped, "rsa-sha256").verify(read_public_key(private(RSA), "rsa-sha256").sign(BODY), BODY)
    der = RSA.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    assert read_public_key(base64.b64encode(der).decode(), "rsa-sha256").sign(BODY)


def test_a_certificate_is_read_for_its_key():
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    start = datetime(2024, 1, 1, tzinfo=timezone.utc)
    certificate = (
        x509.CertificateBuilder(name, name, RSA.public_key(), 1, start, start + timedelta(days=1))
        .sign(RSA, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode()
    )
    assert read_public_key(certificate, "rsa-sha256").verify(PublicKey(RSA, "rsa-sha256").sign(BODY), BODY)


@pytest.mark.parametrize(
    ("text", "algorithm", "why"),
    [
        ("whsec_" + "A" * 32, "rsa-sha256", "shared secret"),
        ("whpk_AAAA", "ed25519", "3 bytes: copy the whole key"),
        ("whpk_!!!!", "ed25519", "neither PEM nor base64"),
        ("whsk_" + base64.b64encode(bytes(32) + b"\1" * 32).decode(), "ed25519", "halves of the whsk_ key do not fit"),
        ("not a key at all!", "ed25519", "neither PEM nor base64"),
        ("AAAA" * 16, "rsa-sha256", "the key cannot be read"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "rsa-sha256", "the key in the PEM cannot be read"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "rsa-sha256", "the key in the PEM cannot be read"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "rsa-sha256", "the key in the PEM cannot be read"),
        (public(RSA), "ed25519", "RSAPublicKey, but this provider signs with ed25519"),
        (public(ED), "ecdsa-p256-sha256", "signs with ecdsa"),
        (public(P256), "rsa-sha256", "signs with rsa-sha256"),
        (public(ec.generate_private_key(ec.SECP384R1())), "ecdsa-p256-sha256", "signs with ecdsa"),
    ],
)  # fmt: skip
def test_an_invalid_key_is_rejected_when_the_verifier_is_made(text, algorithm, why):
    with pytest.raises(ConfigurationError, match=why) as raised:
        verifier(preset(algorithm), text)
    assert len(text) < 15 or text[10:] not in str(raised.value)


def test_parts_that_do_not_fit():
    with pytest.raises(ConfigurationError, match="choose ed25519"):
        PublicKeyScheme(signature=SignatureHeader("X-Sig", "{hex}"), algorithm="rsa-md5")
    with pytest.raises(ConfigurationError, match="choose ed25519"):
        PublicKey(ED, "rsa-md5")
    with pytest.raises(ConfigurationError, match="unknown placeholder {secret}"):
        PublicKeyScheme(signature=SignatureHeader("X-Sig", "{hex}"), algorithm="ed25519", signed="{secret}{body}")
    assert "AB" not in repr(PublicKey(ED, "ed25519"))


def test_the_field_is_called_public_key():
    made = preset("ed25519")
    signed = made.sign(BODY, Secret.of(public_key=private(ED)), timestamp=NOW)
    assert verifier(made, Secret.of(public_key=public(ED), name="2026")).verify(signed).secret == "2026"


def test_without_the_package_the_message_says_what_to_install():
    code = """
import sys
sys.modules["cryptography"] = None
from hookguard import Preset, SignatureHeader, Verifier
from hookguard.schemes import PublicKeyScheme
scheme = PublicKeyScheme(signature=SignatureHeader("X", "{hex}"), algorithm="ed25519")
Verifier(Preset(name="x", scheme=scheme, event_id=None, identity="content"), "ab" * 31 + "cd")
"""
    failed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ConfigurationError" in failed.stderr
    assert "pip install 'hookguard-webhooks[crypto]'" in failed.stderr.splitlines()[-1]
