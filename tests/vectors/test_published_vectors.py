"""Published signatures of providers or their SDKs: each valid one verifies and is signed again just so.

``vectors.py`` describes the fields of a case.
"""

import base64
import json
import os
from collections import Counter
from pathlib import Path

import elsewhere_payments
import elsewhere_platforms
import pytest
from vectors import delivery_of, found_of, kept, make_keys, preset_of, secrets_of, sign_again, verify, weak_secrets

from hookguard import Delivery, Secret, SignatureHeader, presets
from hookguard.errors import Rejected, SignatureMismatch, WeakSecretWarning
from hookguard.schemes import Key, PublicKeyScheme
from hookguard.schemes.public_key import read_public_key

COLLECTIONS = {"payments.json": elsewhere_payments, "platforms.json": elsewhere_platforms}


def collection(name):
    folder = os.environ.get("HOOKGUARD_VECTORS")
    return json.loads(Path(folder, name).read_text("utf-8")) if folder else []


def theirs():
    return [
        module.CASES[vector["provider"]](vector)
        for name, module in COLLECTIONS.items()
        for vector in collection(name)
        if vector["provider"] in module.CASES
    ]


def name(case):
    return f"{case['preset']}: {case['id']}"


OURS = kept()
CASES = [*OURS, *theirs()]
VALID = [case for case in CASES if case["valid"] and "reply" not in case]
pytestmark = pytest.mark.filterwarnings(f"ignore::{WeakSecretWarning.__module__}.{WeakSecretWarning.__name__}")


@pytest.mark.parametrize("case", VALID, ids=name)
def test_a_valid_vector_verifies(case):
    event = verify(case)
    expected = dict(case.get("event", {}))
    if "content" in expected:
        content = expected.pop("content")
        assert (event.content.decode() if isinstance(content, str) else json.loads(event.content)) == content
    for field, value in expected.items():
        assert getattr(event, field) == value, field


@pytest.mark.parametrize("case", [case for case in CASES if not case["valid"]], ids=name)
def test_an_invalid_one_is_rejected(case):
    with pytest.raises(Rejected) as rejected:
        # A vector without a clock may also be rejected for what it says, but never for its age.
        verify(case)
    assert case.get("error", type(rejected.value).__name__) == type(rejected.value).__name__


@pytest.mark.parametrize("case", [case for case in VALID if case.get("signer") is not False], ids=name)
def test_a_valid_vector_is_signed_again_to_the_same_header_and_body(case):
    published, delivery = sign_again(case)
    preset = preset_of(case)
    if case.get("random"):
        with weak_secrets(preset, case["secret"]):
            keys = make_keys(preset, secrets_of(case["secret"]))
            assert preset.scheme.verify(delivery, keys, **found_of(case, keys))
        return
    assert delivery.body == delivery_of(case).body
    headers = getattr(preset.scheme, "signature", ())
    layouts = {header.lower: header.layout for header in headers} if isinstance(headers, tuple) else {}
    for header, value in delivery.headers.items():
        separator = layouts[header].separator if header in layouts else None
        ours, theirs = (set(text.split(separator)) if separator else {text} for text in (value, published[header]))
        # A published list may hold the signatures of other secrets, other orders and unknown items as well.
        assert ours <= theirs if len(theirs) > len(ours) else ours == theirs, header


@pytest.mark.parametrize("case", [case for case in CASES if "reply" in case], ids=name)
def test_a_challenge_is_answered_as_published(case):
    preset = preset_of(case)
    with weak_secrets(preset, case["secret"]):
        reply = preset.challenge.unsigned(delivery_of(case), make_keys(preset, secrets_of(case["secret"])))
    assert (reply.status, reply.body.decode()) == (case["reply"].get("status", 200), case["reply"]["body"])


@pytest.mark.skipif("HOOKGUARD_VECTORS" not in os.environ, reason="HOOKGUARD_VECTORS names no folder")
def test_bare_ed25519_signatures():
    """RFC 8032 section 7.1, through the verify that deliveries go through: no preset signs the body alone."""
    pytest.importorskip("cryptography", reason="the extra crypto is not installed")
    scheme = PublicKeyScheme(signature=SignatureHeader("X-Signature-Ed25519", "{hex}"), algorithm="ed25519")
    found = [vector for vector in collection("platforms.json") if vector["provider"] == "ed25519-primitive"]
    assert len(found) == 2
    for vector in found:
        assert vector["valid"]
        keys = [Key("#1", Secret(vector["secret"]), read_public_key(vector["secret"], "ed25519"))]
        body = base64.b64decode(vector["body_b64"])
        assert scheme.verify(Delivery(body, vector["headers"]), keys) == ("#1", None)
        with pytest.raises(SignatureMismatch):
            scheme.verify(Delivery(body + b"\0", vector["headers"]), keys)


def test_a_preset_says_that_a_vector_proves_it_just_where_one_does():
    # Long ones count as well: that they pass is seen where the folder is.
    elsewhere = elsewhere_payments.LONG | elsewhere_platforms.LONG
    vectored = {case["preset"] for case in OURS if case["valid"] and "made" not in case} | elsewhere
    assert vectored == {preset.name for preset in presets.BUILT_IN if "vector" in preset.proof}
    assert sum(case["valid"] for case in OURS) >= 25


def test_each_case_has_an_id_of_its_own():
    counted = Counter(name(case) for case in OURS)
    assert max(counted.values()) == 1, counted.most_common(1)


@pytest.mark.skipif("HOOKGUARD_VECTORS" not in os.environ, reason="HOOKGUARD_VECTORS names no folder")
def test_every_vector_of_the_collection_is_used_or_left_for_a_reason():
    for file, module in COLLECTIONS.items():
        providers = Counter(vector["provider"] for vector in collection(file))
        assert not set(module.CASES) & set(module.LEFT)
        assert set(providers) == set(module.CASES) | set(module.LEFT), file
