"""What tests of one scheme share: keys without a preset, and key pairs made on the spot."""

from functools import cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from hookguard import Secret
from hookguard.schemes import Draft, Key

NOW = 1_700_000_000.0


def keys(scheme, *secrets):
    fitted = [(secret if isinstance(secret, Secret) else Secret(secret)) for secret in secrets]
    fitted = [secret.fit(scheme.secret_fields, scheme.optional_fields) for secret in fitted]
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
