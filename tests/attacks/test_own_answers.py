"""A text that an endpoint signed for its provider is not an event when it is sent back."""

import json
from types import FunctionType
from urllib.parse import urlencode

import pytest

pytest.importorskip("cryptography")

from example_secrets import public_side

from hookguard import Delivery, Endpoint, Guard, MemoryStore, Reply, Verifier, presets
from hookguard.challenge import AnyOf, Computed
from hookguard.schemes.sorted_hash import sorted_hash

NOW = 1_764_000_000.0
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def guard_of(name):
    return Guard(Endpoint(Verifier(name, public_side(presets.get(name)), clock=lambda: NOW)), MemoryStore())


def assert_no_event(guard, *deliveries):
    for delivery in deliveries:
        receipt = guard.open(delivery)
        assert receipt.reply is not None, "the handler would get what the endpoint signed itself"
        assert receipt.reply.status in (400, 401)


def made_with_the_secret():
    """The presets whose answers hold something that is made with the secret."""
    for preset in presets.BUILT_IN:
        asked = preset.challenge.challenges if isinstance(preset.challenge, AnyOf) else (preset.challenge,)
        if isinstance(preset.acknowledge, FunctionType) or any(isinstance(each, Computed) for each in asked):
            yield preset.name


def test_every_provider_whose_answers_are_signed_is_among_these():
    assert set(made_with_the_secret()) == {"braintree", "dingtalk", "zoom"}


def test_dingtalk_s_answer_is_not_an_event():
    guard = guard_of("dingtalk")
    body = b'{"EventType":"user_add_org","eventId":"1"}'
    receipt = guard.open(presets.DINGTALK.sign(body, public_side(presets.DINGTALK), url="/ding", timestamp=NOW))
    said = json.loads(guard.settle(receipt, status=200).body)
    query = urlencode({"msg_signature": said["msg_signature"], "timestamp": said["timeStamp"], "nonce": said["nonce"]})
    assert_no_event(guard, Delivery(json.dumps({"encrypt": said["encrypt"]}).encode(), {}, "POST", f"/ding?{query}"))


@pytest.mark.parametrize("text", [b"1616140317555161061", b"success", b"a" * 256])
def test_the_text_of_wecom_s_url_check_is_not_an_event(text):
    secret = public_side(presets.WECOM)
    sealed = presets.WECOM.envelope.encrypt(text, secret)
    signature = sorted_hash(secret.field("token"), "1764000000", "n", sealed)
    query = urlencode({"msg_signature": signature, "timestamp": "1764000000", "nonce": "n"})
    body = f"<xml><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>".encode()
    guard = guard_of("wecom")
    assert_no_event(guard, Delivery(body, {}, "POST", f"/wecom?{query}"))
    # It is what GET asks for.
    assert guard.open(Delivery(b"", {}, "GET", f"/wecom?{query}&{urlencode({'echostr': sealed})}")).reply == Reply.text(
        200, text.decode(), ("X-Content-Type-Options", "nosniff")
    )


@pytest.mark.parametrize("token", ["abc", "v0", "1764000000", "x" * 256])
def test_zoom_s_answer_signs_no_event(token):
    guard = guard_of("zoom")
    body = json.dumps({"event": "endpoint.url_validation", "payload": {"plainToken": token}}).encode()
    said = json.loads(guard.open(presets.ZOOM.sign(body, public_side(presets.ZOOM), timestamp=NOW)).reply.body)
    for stamp, sent in (("1764000000", token.encode()), ("1764000000", b""), (token, b"")):
        headers = {"x-zm-request-timestamp": stamp, "x-zm-signature": f"v0={said['encryptedToken']}"}
        assert_no_event(guard, Delivery(sent, headers))


@pytest.mark.parametrize("challenge", ["ab" * 10, "0123456789abcdef" * 2])
def test_braintree_s_answer_signs_no_event(challenge):
    guard = guard_of("braintree")
    said = guard.open(Delivery(b"", {}, "GET", f"/b?bt_challenge={challenge}")).reply.body.decode()
    for payload in (challenge, challenge + "\n"):
        assert_no_event(guard, Delivery(urlencode({"bt_signature": said, "bt_payload": payload}).encode(), FORM))
