"""The Wycheproof project's vectors, through the verify that deliveries go through.

The files are not part of this project: HOOKGUARD_VECTORS names the folder that holds ``wycheproof/``.
"""

import json
import os
from pathlib import Path

import pytest

from hookguard import Delivery, HmacScheme, Secret, SignatureHeader
from hookguard.errors import MalformedSignature, MissingSignature, Rejected, SignatureMismatch
from hookguard.schemes import Key, PublicKeyScheme
from hookguard.schemes.hmac import HmacKey

FOLDER = os.environ.get("HOOKGUARD_VECTORS")
pytestmark = pytest.mark.skipif(FOLDER is None, reason="HOOKGUARD_VECTORS names no folder with wycheproof's vectors")
SOME = Secret("a-secret-that-is-long-enough")


def groups(name):
    document = json.loads(Path(FOLDER, "wycheproof", f"{name}.json").read_text())
    return document["testGroups"], document["numberOfTests"]


def accepted(scheme, prepared, message, signature):
    header = scheme.signature[0].layout.encode(signature)
    try:
        scheme.verify(Delivery(message, {"X-Sig": header}), [Key("#1", SOME, prepared)])
    except (SignatureMismatch, MalformedSignature, MissingSignature):
        return False
    return True


@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha512"])
def test_hmac_matches_wycheproof(digest, encoding):
    scheme = HmacScheme(signature=SignatureHeader("X-Sig", f"{{{encoding}}}"), digest=digest)
    found, count = groups(f"hmac_{digest}_test")
    seen = cut = 0
    for group in found:
        # A cut tag is a weaker signature, and no provider sends one: where the file calls it valid, it is rejected.
        whole = group["tagSize"] == int(digest.removeprefix("sha").replace("1", "160") if digest == "sha1" else digest[3:])
        for case in group["tests"]:
            ours = accepted(
                scheme, HmacKey(bytes.fromhex(case["key"]), digest), bytes.fromhex(case["msg"]), bytes.fromhex(case["tag"])
            )
            assert ours == (case["result"] == "valid" and whole), case["tcId"]
            seen += 1
            cut += not whole
    assert seen == count
    assert 0 < cut < count


@pytest.mark.parametrize(
    ("name", "algorithm"),
    [
        ("ed25519_test", "ed25519"),
        ("ecdsa_secp256r1_sha256_test", "ecdsa-p256-sha256"),
        ("rsa_signature_2048_sha256_test", "rsa-sha256"),
    ],
)
def test_public_keys_match_wycheproof(name, algorithm):
    pytest.importorskip("cryptography", reason="the extra crypto is not installed")
    from hookguard.schemes.public_key import read_public_key

    scheme = PublicKeyScheme(signature=SignatureHeader("X-Sig", "{base64}"), algorithm=algorithm)
    found, count = groups(name)
    seen = 0
    for group in found:
        key = read_public_key(group["publicKeyPem"], algorithm)
        for case in group["tests"]:
            ours = accepted(scheme, key, bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
            # "acceptable" is what a careful verifier may reject: RSA signatures whose digest's NULL is left out.
            wanted = {"valid": True, "invalid": False}.get(case["result"], ours)
            assert ours == wanted, (case["tcId"], case["comment"])
            seen += 1
    assert seen == count


#: Where the file and we differ, and why.
DIFFERENT = {
    346: "the key is for PS256 and the token says PS384: our keys are for one algorithm",
    350: "likewise",
    367: "not as its comment says: the very token of case 357, which is valid",
    370: "likewise",
    372: "a character that is no base64url stands in the header, and the file calls it valid",
    373: "likewise in the payload",
}


def test_json_web_signatures():
    pytest.importorskip("jwt", reason="the extra jwt is not installed")
    import base64

    from hookguard.schemes.jws import JwsKey, jwk_key, read_jws

    def verified(jwk, token):
        # The key says which algorithm it is for; a token that says otherwise is rejected.
        algorithm = {"ES521": "ES512"}.get(jwk.get("alg"), jwk.get("alg") or {"RSA": "RS256", "EC": "ES256"}[jwk["kty"]])
        try:
            if jwk["kty"] == "oct":
                key = JwsKey(base64.urlsafe_b64decode(jwk["k"] + "=="), algorithm)
            else:
                # RFC 7520's own key names the algorithm ES521, which does not exist.
                key = jwk_key({name: value for name, value in jwk.items() if value != "ES521"}, algorithm)
        except ValueError:
            return False
        try:
            return key.verify(read_jws(token))
        except Rejected:
            return False

    found, count = groups("json_web_signature_test")
    seen = 0
    mismatches = {}
    for group in found:
        for case in group["tests"]:
            seen += 1
            ours = verified(group.get("public") or group["private"], case["jws"])
            if ours != (case["result"] == "valid"):
                mismatches[case["tcId"]] = (case["comment"], ours)
    assert mismatches.keys() == DIFFERENT.keys(), mismatches
    assert {number for number, (_, ours) in mismatches.items() if ours} == {367, 370}
    # The two that are accepted say the same, character by character, as one that the file calls valid.
    tokens = {case["tcId"]: case["jws"] for group in found for case in group["tests"]}
    assert tokens[367] == tokens[370] == tokens[357]
    assert seen == count
