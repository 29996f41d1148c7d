"""Shared by the tests of one scheme: keys without a preset, and key pairs made on the spot."""

from datetime import datetime, timedelta, timezone
from functools import cache

import pytest

pytest.importorskip("cryptography", reason="keys are made with the extra crypto")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from hookguard import Secret
from hookguard.schemes import Draft, Key

NOW = 1_700_000_000.0


def keys(scheme, *secrets):
    fitted = [(secret if isinstance(secret, Secret) else Secret(secret)) for secret in secrets]
    fitted = [secret.fit(scheme.secret_fields, scheme.optional_fields, scheme.naming_fields) for secret in fitted]
    return [Key(f"#{position}", secret, scheme.prepare(secret)) for position, secret in enumerate(fitted, 1)]


def draft(body, headers=None, *, url="", draft_id="id-1", method="POST"):
    return Draft(body, headers or {}, method, url, draft_id, NOW)


@cache
def rsa_pair(name="first"):
    """A private and a public key as PEM; one pair for each name."""
    return _pair(rsa.generate_private_key(65537, 2048))


@cache
def ec_pair(name="first", curve="p256"):
    return _pair(ec.generate_private_key({"p256": ec.SECP256R1(), "p521": ec.SECP521R1()}[curve]))


@cache
def ed25519_pair(name="first"):
    return _pair(ed25519.Ed25519PrivateKey.generate())


def _pair(private):
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public = private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem, public.decode()


@cache
def apple_chain(*, leaf_mark=None, middle_mark=None, authority=True, days=1, foreign=False):
    """A root of our own and the two certificates under it, marked as Apple marks its own, leaf first, and the leaf's key."""
    start = datetime.fromtimestamp(NOW, timezone.utc) - timedelta(hours=1)
    made, issuer, issuer_key = [], None, None
    marks = (
        ("root", None),
        ("middle", middle_mark or "1.2.840.113635.100.6.2.1"),
        ("leaf", leaf_mark or "1.2.840.113635.100.6.11.1"),
    )
    for name, mark in marks:
        key = ec.generate_private_key(ec.SECP256R1() if name == "leaf" else ec.SECP384R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        constraints = x509.BasicConstraints(ca=name == "root" or (name == "middle" and authority), path_length=None)
        builder = x509.CertificateBuilder(
            issuer or subject, subject, key.public_key(), x509.random_serial_number(), start, start + timedelta(days)
        ).add_extension(constraints, critical=True)
        if mark is not None:
            builder = builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(mark), b"\5\0"), critical=False)
        signer = ec.generate_private_key(ec.SECP384R1()) if foreign and name == "leaf" else issuer_key or key
        made.insert(0, builder.sign(signer, hashes.SHA256()))
        issuer, issuer_key = subject, key
    return made, key


def apple_signer(*, bundle_id="com.example.app", environment="Sandbox", **options):
    """The private key of App Store notifications in tests."""
    made, key = apple_chain(**options)
    return Secret.of(
        bundle_id=bundle_id,
        environment=environment,
        root_fingerprint=made[2].fingerprint(hashes.SHA256()).hex(),
        certificates="".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in made),
        private_key=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    )


def app_store_pair():
    """The signing and the verifying side; the certificates are good for some decades."""
    made, _ = apple_chain(days=20_000)
    fingerprint = made[2].fingerprint(hashes.SHA256()).hex()
    verifying = Secret.of(bundle_id="com.example.app", environment="Sandbox", root_fingerprint=fingerprint)
    return apple_signer(days=20_000), verifying
