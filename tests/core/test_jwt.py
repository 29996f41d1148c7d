import base64
import hashlib
import json
import subprocess
import sys
import warnings

import pytest

from hookguard import ConfigurationError, Delivery, InBody, InHeader, Preset, Secret, Verifier
from hookguard.errors import (
    MalformedSignature,
    MalformedTimestamp,
    MissingSignature,
    MissingTimestamp,
    SignatureMismatch,
    TimestampOutOfTolerance,
)
from hookguard.testing import FrozenClock

jwt = pytest.importorskip("jwt", reason="the extra jwt is not installed")

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hookguard.schemes import JwtScheme, PublishedJwtScheme
from hookguard.schemes.jws import JwsKey, KeySet, jwk_key, read_jwks, read_jws
from hookguard.schemes.jwt import BodyHash, Equals, FieldOf, UrlHash, UrlItself

SECRET = "a-secret-that-is-long-enough-for-what-RFC-7518-says"
OTHER = "another-secret-of-the-length-that-RFC-7518-asks-for"
SHORT = "a-secret-of-24-characters"
BODY = b'{"id": "1"}'
NOW = 1_700_000_000
URL = "https://example.com/hook"
RSA = rsa.generate_private_key(65537, 2048)
P256 = ec.generate_private_key(ec.SECP256R1())


def pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def public(key):
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, spki).decode()


def preset(scheme, **more):
    return Preset(name="x", scheme=scheme, **{"event_id": None, "identity": "content", **more})


def check(scheme, token, *secrets, body=BODY, url="", **options):
    verifier = Verifier(preset(scheme), secrets or (SECRET,), clock=FrozenClock(NOW), **options)
    return verifier.verify(Delivery(body, {"X-Token": token}, "POST", url))


def token(claims, key=SECRET, algorithm="HS256", headers=None):
    return jwt.encode(claims, key, algorithm, headers=headers)


HASHED = JwtScheme(
    token=InHeader("X-Token"), algorithm="HS256", claims={"iss": Equals("acme"), "sha256": BodyHash()}, timestamp=None
)
CLAIMS = {"iss": "acme", "sha256": hashlib.sha256(BODY).hexdigest()}


def test_a_token_that_vouches_for_the_body():
    event = check(HASHED, token(CLAIMS), OTHER, SECRET)
    assert (event.secret, event.timestamp, event.covers) == ("#2", None, {"body"})
    made = preset(HASHED).sign(BODY, SECRET)
    assert jwt.decode(made.headers["x-token"], SECRET, ["HS256"]) == CLAIMS, "PyJWT judges what we make"
    for wrong in (
        token(CLAIMS, OTHER),
        token({**CLAIMS, "iss": "other"}),
        token({**CLAIMS, "sha256": CLAIMS["sha256"].upper()}),
        token({**CLAIMS, "sha256": None}),
        token({**CLAIMS, "sha256": [CLAIMS["sha256"]]}),
        token({"iss": "acme"}),
        token({"sha256": CLAIMS["sha256"]}),
    ):
        with pytest.raises(SignatureMismatch):
            check(HASHED, wrong)
    with pytest.raises(SignatureMismatch, match="'sha256' does not fit this delivery"):
        check(HASHED, token(CLAIMS), body=BODY + b" ")
    with pytest.raises(ConfigurationError, match="one token"):
        preset(HASHED).sign(BODY, [SECRET, OTHER])


def test_a_secret_shorter_than_the_hash_works_without_a_warning_at_every_delivery():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check(HASHED, preset(HASHED).sign(BODY, SHORT).headers["x-token"], SHORT)


def parts(header, payload=None, signature=b"x"):
    def write(part):
        raw = part if isinstance(part, bytes) else json.dumps(part).encode()
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    return f"{write(header)}.{write(CLAIMS if payload is None else payload)}.{write(signature) if signature else ''}"


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "a.b",
        "a.b.c.d",
        "é.b.c",
        parts({"alg": "HS256"}, signature=b""),
        parts({"alg": "none"}, signature=b""),
        parts([]),
        parts(b"{"),
        parts({"alg": "HS256", "crit": ["x"]}),
        parts({"alg": "HS256", "b64": False}),
        token(CLAIMS) + "=",
        token(CLAIMS)[:-1],
        token(CLAIMS).replace(".", " .", 1),
        "Bearer " + token(CLAIMS),
    ],
)
def test_an_invalid_token_is_rejected(wrong):
    with pytest.raises((MalformedSignature, MissingSignature, SignatureMismatch)) as raised:
        check(HASHED, wrong)
    assert raised.value.status == 401


def test_a_genuine_token_in_another_spelling_or_with_an_extension_is_rejected():
    signed = preset(HASHED).sign(BODY, SECRET).headers["x-token"]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # 32 bytes leave two bits of the last character unused: each of these decodes to the very same signature.
    for stray in (1, 2, 3):
        with pytest.raises(MalformedSignature, match="canonical base64url"):
            check(HASHED, signed[:-1] + alphabet[alphabet.index(signed[-1]) + stray])
    key = JwsKey(SECRET.encode(), "HS256")
    assert check(HASHED, key.sign({"typ": "other"}, json.dumps(CLAIMS).encode()))
    for header in ({"crit": ["exp"]}, {"b64": True}, {"b64": False, "crit": ["b64"]}):
        with pytest.raises(MalformedSignature, match="extension"):
            check(HASHED, key.sign(header, json.dumps(CLAIMS).encode()))
    with pytest.raises(SignatureMismatch):
        check(HASHED, key.sign({"alg": "HS512"}, json.dumps(CLAIMS).encode()))


@pytest.mark.parametrize("alg", ["none", "None", "HS512", "RS256", "hs256", None, 1, ["HS256"]])
def test_the_header_chooses_no_algorithm(alg):
    with pytest.raises(SignatureMismatch):
        check(HASHED, parts({"alg": alg}))
    signed = parts({"alg": alg}, signature=b"").rstrip(".")
    import hmac

    good = hmac.digest(SECRET.encode(), signed.encode(), "sha256")
    with pytest.raises(SignatureMismatch):
        check(HASHED, f"{signed}.{base64.urlsafe_b64encode(good).decode().rstrip('=')}")


def test_a_public_key_is_never_a_shared_secret():
    scheme = JwtScheme(token=InHeader("X-Token"), algorithm="RS256", claims={"sha256": BodyHash()}, timestamp=None)
    text = public(RSA)
    assert check(scheme, token(CLAIMS, RSA, "RS256"), text).secret == "#1"
    import hmac

    head, payload = parts({"alg": "HS256"}).split(".")[:2]
    for key in (text.encode(), text.strip().encode()):
        forged = base64.urlsafe_b64encode(hmac.digest(key, f"{head}.{payload}".encode(), "sha256")).decode().rstrip("=")
        with pytest.raises(SignatureMismatch):
            check(scheme, f"{head}.{payload}.{forged}", text)
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(OTHER_RSA.public_key()))
    with pytest.raises(SignatureMismatch):
        check(
            scheme, token(CLAIMS, OTHER_RSA, "RS256", {"jwk": jwk, "jku": "https://evil.example/", "x5u": "https://evil"}), text
        )


OTHER_RSA = rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize(("algorithm", "key"), [("ES256", P256), ("RS256", RSA), ("PS256", RSA), ("RS512", RSA)])
def test_private_keys_sign_and_public_keys_verify(algorithm, key):
    scheme = JwtScheme(token=InHeader("X-Token"), algorithm=algorithm, claims={"sha256": BodyHash()}, timestamp=None)
    signed = preset(scheme).sign(BODY, pem(key)).headers["x-token"]
    assert jwt.decode(signed, public(key), [algorithm])["sha256"] == CLAIMS["sha256"]
    assert check(scheme, signed, public(key)).covers == {"body"}
    with pytest.raises(ConfigurationError, match="only the provider can sign"):
        preset(scheme).sign(BODY, public(key))


# --- times ---

TIMED = JwtScheme(token=InHeader("X-Token"), algorithm="HS256", claims={"aud": UrlItself()}, required=("exp",))


def test_times_of_a_token():
    claims = {"aud": URL, "iat": NOW, "exp": NOW + 300}
    event = check(TIMED, token(claims), url=URL)
    assert (event.timestamp, event.covers) == (NOW, {"url"})
    assert check(TIMED, token({**claims, "aud": ["x", URL]}), url=URL)
    with pytest.raises(SignatureMismatch):
        check(TIMED, token(claims), url=URL + "/")
    with pytest.raises(MissingTimestamp):
        check(TIMED, token({"aud": URL, "exp": NOW}), url=URL)
    with pytest.raises(MalformedSignature, match="no claim 'exp'"):
        check(TIMED, token({"aud": URL, "iat": NOW}), url=URL)
    for change in ({"iat": NOW - 301}, {"iat": NOW + 301}, {"exp": NOW - 31}, {"nbf": NOW + 31}):
        with pytest.raises(TimestampOutOfTolerance):
            check(TIMED, token({**claims, **change}), url=URL)
    for change in ({"exp": NOW - 30}, {"nbf": NOW + 30}):
        assert check(TIMED, token({**claims, **change}), url=URL)
    undated = JwtScheme(algorithm="HS256", token=InHeader("X-Token"), claims={"aud": UrlItself()}, timestamp=None)
    assert check(undated, token({**claims, "iat": NOW + 30}), url=URL)
    with pytest.raises(TimestampOutOfTolerance, match="not valid yet"):
        check(undated, token({**claims, "iat": NOW + 31, "exp": NOW + 3600}), url=URL)
    for value in (True, "1700000000", -1, 1e300, [NOW]):
        for name in ("iat", "exp", "nbf"):
            with pytest.raises((MalformedTimestamp, jwt.exceptions.PyJWTError, TypeError, TimestampOutOfTolerance)):
                check(TIMED, JwsKey(SECRET.encode(), "HS256").sign({}, json.dumps({**claims, name: value}).encode()), url=URL)
    assert check(TIMED, token({**claims, "exp": NOW - 900, "iat": NOW - 900}), url=URL, allow_stale=True)
    signed = preset(TIMED).sign(BODY, SECRET, timestamp=NOW, url=URL)
    assert Verifier(preset(TIMED), SECRET, clock=FrozenClock(NOW)).verify(signed).timestamp == NOW


# --- other claims ---


def test_the_url_and_the_body_by_their_hashes():
    scheme = JwtScheme(
        token=InHeader("X-Token"),
        algorithm="HS256",
        claims={"body": BodyHash("base64url"), "url_hash": UrlHash(), "payload_hash": BodyHash(required=False)},
        timestamp=None,
    )
    b64 = base64.urlsafe_b64encode(hashlib.sha256(BODY).digest()).decode()
    claims = {"body": b64, "url_hash": hashlib.sha256(URL.encode()).hexdigest(), "payload_hash": CLAIMS["sha256"]}
    for text in (b64, b64.rstrip("=")):
        assert check(scheme, token({**claims, "body": text}), url=URL).covers == {"body", "url"}
    for change, url in (({"body": b64 + "="}, URL), ({}, URL + "x"), ({"payload_hash": None}, URL)):
        with pytest.raises(SignatureMismatch):
            check(scheme, token({**claims, **change}), url=url)
    empty = preset(scheme).sign(b"", SECRET, url=URL).headers["x-token"]
    assert check(scheme, empty, body=b"", url=URL)


def test_the_secret_names_the_expected_claims():
    scheme = JwtScheme(
        token=InHeader("X-Token"),
        algorithm="HS256",
        claims={"aud": FieldOf("audience"), "email": FieldOf("email", required=False), "ok": Equals(True)},
        timestamp=None,
    )
    assert (scheme.secret_fields, scheme.optional_fields) == (("secret", "audience"), ("email",))
    short = Secret.of(secret=SECRET, audience="us")
    whole = Secret.of(secret=SECRET, audience="us", email="a@b.c")
    assert check(scheme, token({"aud": "us", "ok": True}), short).covers == frozenset()
    assert check(scheme, token({"aud": ["us"], "email": "a@b.c", "ok": True}), whole)
    for claims in (
        {"aud": "us", "ok": True},
        {"aud": "us", "email": "x", "ok": True},
        {"aud": "them", "email": "a@b.c", "ok": True},
    ):
        with pytest.raises(SignatureMismatch):
            check(scheme, JwsKey(SECRET.encode(), "HS256").sign({}, json.dumps(claims).encode()), whole)
    for value in (1, "true", False, None):
        with pytest.raises(SignatureMismatch):
            check(scheme, token({"aud": "us", "ok": value}), short)
    with pytest.raises(ConfigurationError, match="needs secret and audience"):
        check(scheme, "x", SECRET)
    signed = preset(scheme).sign(BODY, whole).headers["x-token"]
    assert check(scheme, signed, whole).secret == "#1"


def test_a_token_in_the_body_and_behind_a_word():
    scheme = JwtScheme(token=InBody("jwt"), algorithm="HS256", claims={"iss": Equals("acme")}, timestamp=None)
    signed = preset(scheme).sign(BODY, SECRET)
    assert Verifier(preset(scheme), SECRET).verify(signed).covers == frozenset()
    bearer = JwtScheme(algorithm="HS256", prefix="Bearer ", claims={"iss": Equals("acme")}, timestamp=None)
    signed = preset(bearer).sign(BODY, SECRET)
    assert signed.headers["authorization"].startswith("Bearer ey")
    for word in ("Bearer ", "bearer ", "BEARER  "):
        text = word + signed.headers["authorization"][7:]
        assert Verifier(preset(bearer), SECRET).verify(Delivery(BODY, {"Authorization": text}))
    with pytest.raises(MalformedSignature, match="does not begin with 'Bearer '"):
        Verifier(preset(bearer), SECRET).verify(Delivery(BODY, {"Authorization": signed.headers["authorization"][7:]}))


# --- keys ---


def jwks(*keys):
    return json.dumps({"keys": keys}).encode()


def jwk(key, **more):
    algorithm = (
        jwt.algorithms.RSAAlgorithm
        if hasattr(key, "private_numbers") and isinstance(key, rsa.RSAPrivateKey)
        else jwt.algorithms.ECAlgorithm
    )
    return {**json.loads(algorithm.to_jwk(key.public_key())), **more}


def test_a_key_set_holds_what_fits():
    found = read_jwks(
        jwks(
            jwk(RSA, kid="a"), jwk(P256, kid="b"), jwk(RSA, kid="c", use="enc"), jwk(RSA, kid="d", alg="RS512"), jwk(RSA), 1, {}
        ),
        "RS256",
    )
    assert list(found) == ["a"]
    for wrong in (b"", b"[]", b'{"keys": 1}', b"{}", b"\xff"):
        with pytest.raises(ValueError, match=r"JSON"):
            read_jwks(wrong, "RS256")


@pytest.mark.parametrize(
    "change",
    [{"kty": "oct", "k": "AAAA"}, {"use": "enc"}, {"key_ops": ["sign"]}, {"alg": "HS256"}, {"n": "!"}, {"n": None}, {"e": "AA"}],
)
def test_an_invalid_key_is_rejected(change):
    with pytest.raises(ValueError, match="key"):
        jwk_key({**jwk(RSA), **change}, "RS256")
    with pytest.raises(ValueError, match="not a JSON object"):
        jwk_key([], "RS256")


def test_a_key_of_the_wrong_kind_is_rejected():
    for key, algorithm in (
        (b"x" * 32, "RS256"),
        (RSA, "HS256"),
        (RSA, "ES256"),
        (ec.generate_private_key(ec.SECP384R1()), "ES256"),
    ):
        with pytest.raises(ConfigurationError):
            JwsKey(key, algorithm)
    with pytest.raises(ConfigurationError, match="algorithm is 'none'"):
        JwtScheme(algorithm="none", claims={})
    with pytest.raises(ConfigurationError, match="use JwtScheme"):
        PublishedJwtScheme(algorithm="HS256", claims={}, published=KeySet("https://x/"))
    with pytest.raises(ConfigurationError, match="https"):
        KeySet("http://x/")


PUBLISHED = PublishedJwtScheme(
    algorithm="RS256",
    prefix="Bearer ",
    claims={"iss": Equals("https://a"), "aud": FieldOf("audience")},
    published=KeySet("https://keys.example/certs"),
)


def test_a_published_key_is_asked_for_by_its_id():
    tests = Secret.of(audience="us", private_key=pem(RSA), key_id="k1")
    made = preset(PUBLISHED)
    verifier = Verifier(made, ["us"], clock=FrozenClock(NOW))
    signed = made.sign(BODY, tests, timestamp=NOW)
    assert verifier.fetches
    wanted = verifier.wants(signed)
    assert (wanted.url, wanted.id) == ("https://keys.example/certs", "k1")
    key = wanted.read(jwks(jwk(RSA, kid="k1")), NOW)["k1"]
    assert verifier.verify(signed, found=key).secret == "#1"
    with pytest.raises(SignatureMismatch):
        verifier.verify(signed, found=wanted.read(jwks(jwk(OTHER_RSA, kid="k1")), NOW)["k1"])
    with pytest.raises(ConfigurationError, match="pass them to a guard"):
        verifier.verify(signed)
    with pytest.raises(SignatureMismatch, match="'aud'"):
        Verifier(made, ["them"], clock=FrozenClock(NOW)).verify(signed, found=key)
    assert Verifier(made, ["them", "us"], clock=FrozenClock(NOW)).verify(signed, found=key).secret == "#2"
    for header in ({"alg": "RS256"}, {"alg": "RS256", "kid": 1}, {"alg": "RS256", "kid": ""}, {"alg": "HS256", "kid": "k1"}):
        with pytest.raises(MalformedSignature):
            verifier.wants(Delivery(BODY, {"Authorization": "Bearer " + parts(header)}))
    with pytest.raises(ConfigurationError, match="only the provider has"):
        made.sign(BODY, "us")


def test_a_token_is_taken_apart_and_not_believed():
    assert read_jws(parts({"alg": "none"}, b"anything")).payload == b"anything"


def test_without_the_packages_the_message_says_what_to_install():
    for missing, algorithm in (("jwt", "HS256"), ("cryptography", "RS256")):
        code = f"""
import sys
sys.modules[{missing!r}] = None
from hookguard import Preset, Verifier
from hookguard.schemes import JwtScheme
scheme = JwtScheme(algorithm={algorithm!r}, claims={{}})
Verifier(Preset(name="x", scheme=scheme, event_id=None, identity="content"), "a-secret-that-is-long-enough-for-anything")
"""
        failed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert "ConfigurationError" in failed.stderr
        assert "pip install 'hookguard-webhooks[" in failed.stderr.splitlines()[-1]


def test_address_of_keys_with_a_user_is_rejected_without_showing_the_password():
    with pytest.raises(ConfigurationError, match=r"without a user, not from 'https://…@keys\.example/jwks") as raised:
        KeySet("https://reader:canary-4242@keys.example/jwks?key=canary-4242")
    assert "canary" not in str(raised.value)
