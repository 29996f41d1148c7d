"""Every provider's handshake, with its own preset, gets from every framework what the core's guard answers.

Two are left out: Amazon SNS wants a key that is fetched, and DingTalk's answer is never twice the same.
"""

import json
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest

for needed in ("flask", "django", "starlette", "fastapi", "litestar", "quart", "httpx", "cryptography"):
    pytest.importorskip(needed)


from example_secrets import private_side, public_side
from handshakes import HANDSHAKES, delivered
from same_clients import WAYS, client_of

from hookguard import Delivery, Endpoint, Guard, MemoryStore, Secret, Verifier, presets
from hookguard.preset import make_keys
from hookguard.schemes import Draft
from hookguard.schemes.sorted_hash import sorted_hash


class Case(NamedTuple):
    """A provider, its way of asking, and the endpoint that is asked. The delivery is made when it is needed, for its time is signed."""

    preset: str
    method: str
    secret: Secret | str
    ask: Callable[[], Delivery]
    options: dict[str, Any] = {}  # noqa: RUF012 - nobody writes into it


def ping(name, kind):
    preset, body = presets.get(name), json.dumps({"type": kind, "version": 1}).encode()
    return Case(name, "POST", public_side(preset), lambda: preset.sign(body, private_side(preset)))


LARK = Secret.of(encrypt_key="an-encrypt-key-of-lark", verification_token="a-verification-token")


def lark():
    asked = json.dumps({"type": "url_verification", "challenge": "abc-1", "token": "a-verification-token"}).encode()
    sealed = presets.LARK.envelope.seal(Draft(asked, {}), make_keys(presets.LARK, LARK)[0])
    return Delivery(sealed.body, {})


def wecom():
    secret = public_side(presets.WECOM)
    sealed = presets.WECOM.envelope.encrypt(b"1616140317555161061", secret)
    signature = sorted_hash(secret.field("token"), "1700000000", "n", sealed)
    query = urlencode({"msg_signature": signature, "timestamp": "1700000000", "nonce": "n", "echostr": sealed})
    return Delivery(b"", {}, "GET", f"/hook?{query}")


CASES = [
    *(Case(each.preset, each.method, each.secret, partial(delivered, each), each.options) for each in HANDSHAKES),
    ping("discord", 1),
    ping("discord-events", 0),
    Case("lark", "POST", LARK, lark),
    Case("wecom", "GET", public_side(presets.WECOM), wecom),
]


def test_every_provider_that_asks_is_among_them():
    asking = {preset.name for preset in presets.BUILT_IN if preset.challenge is not None}
    assert asking - {case.preset for case in CASES} == {"aws-sns", "dingtalk"}
    assert {case.method for case in CASES} == {"GET", "HEAD", "OPTIONS", "POST"}


@pytest.mark.parametrize("way", WAYS, ids="-".join)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.preset} {case.method}")
def test_a_handshake_is_answered_as_the_core_does(case, way):
    options = dict(case.options)
    if "url" in presets.get(case.preset).scheme.covers:
        options["public_url"] = "https://a.example/hook"
    delivery = case.ask()
    assert delivery.method == case.method
    wanted = Guard(Endpoint(Verifier(case.preset, case.secret), **options), MemoryStore()).open(delivery).reply
    assert wanted.status < 300
    settings = {"endpoints": {case.preset: {"secrets": [case.secret], **options}}, "store": MemoryStore()}
    _, mark, query = delivery.url.partition("?")
    with client_of(way, settings, lambda event: pytest.fail("a handshake is no event")) as client:
        answer = client.send(case.preset, delivery, mark + query)
    assert (answer.status_code, answer.content) == (wanted.status, wanted.body)
    assert dict(wanted.headers).items() <= {name: answer.headers.get(name) for name, _ in wanted.headers}.items()
