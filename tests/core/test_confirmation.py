"""Amazon SNS asks for its SubscribeURL to be fetched: only if the endpoint is set to, and never any other address."""

import base64
import json

import pytest
from example_secrets import private_side, public_side
from guards import NOW, Async, Sync
from scheme_keys import rsa_pair

from hookguard import AsyncGuard, ConfigurationError, Endpoint, Guard, MemoryStore, Verifier, presets
from hookguard.errors import VerificationUnavailable
from hookguard.presets.aws_sns import _canonical
from hookguard.schemes.public_key import PublicKey, read_key
from hookguard.testing import FrozenClock

PRESET = presets.AWS_SNS
TOPIC = "arn:aws:sns:us-east-1:123456789012:orders"
URL = f"https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37fb687f5d51e6e241d44a2c"


class Source:
    """Serves the certificate's key, and notes every other fetch."""

    def __init__(self, fails=False):
        self.key = read_key(rsa_pair()[1])
        self.visited = []
        self.fails = fails

    def get(self, wanted):
        if wanted.url.endswith(".pem"):
            return self.key
        self.visited.append(wanted.url)
        if self.fails:
            raise VerificationUnavailable("it does not answer")
        return wanted.read(b"<ConfirmSubscriptionResponse/>", NOW)[wanted.id]


def confirmation(url=URL, kind="SubscriptionConfirmation"):
    body = json.dumps({"Type": kind, "SubscribeURL": URL, "Token": "t", "TopicArn": TOPIC})
    delivery = PRESET.sign(body.encode(), private_side(PRESET), timestamp=NOW)
    if url == URL:
        return delivery
    # The preset signs no such address; an attacker with the provider's key could.
    message = {**json.loads(delivery.body), "SubscribeURL": url}
    signature = PublicKey(read_key(rsa_pair()[0]), "rsa-sha256").sign(_canonical(message))
    return delivery._replace(body=json.dumps({**message, "Signature": base64.b64encode(signature).decode()}).encode())


@pytest.fixture(params=[Sync, Async], ids=lambda kind: kind.name)
def make(request):
    def made(source, outcomes, **options):
        verifier = Verifier(PRESET, public_side(PRESET), clock=FrozenClock(NOW))
        endpoint = Endpoint(verifier, observers=[outcomes.append], **options)
        guard = request.param(endpoint, MemoryStore())
        kind = Guard if request.param is Sync else AsyncGuard
        guard.guard = kind(endpoint, MemoryStore(), keys=source)
        return guard

    return made


def test_by_default_it_is_answered_and_nothing_is_fetched(make):
    source, outcomes = Source(), []
    assert make(source, outcomes).open(confirmation()).reply.status == 200
    assert source.visited == []
    assert outcomes[-1].outcome == "challenge"
    assert "set confirm_subscription=True" in outcomes[-1].reason


def test_the_address_is_fetched_when_the_endpoint_is_set_to(make):
    source, outcomes = Source(), []
    assert make(source, outcomes, confirm_subscription=True).open(confirmation()).reply.status == 200
    assert source.visited == [URL]
    assert (outcomes[-1].outcome, outcomes[-1].reason) == ("challenge", "the subscription was confirmed")


def test_sns_tries_again_when_it_could_not_be_fetched(make):
    reply = make(Source(fails=True), [], confirm_subscription=True).open(confirmation()).reply
    assert (reply.status, dict(reply.headers)["Retry-After"]) == (503, "30")


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.us-east-1.amazonaws.com.evil.example/?Action=ConfirmSubscription&TopicArn=a&Token=b",
        "https://evil.example/?Action=ConfirmSubscription&TopicArn=a&Token=b",
        "http://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=a&Token=b",
        "https://sns.us-east-1.amazonaws.com@evil.example/?Action=ConfirmSubscription&TopicArn=a&Token=b",
        "https://sns.us-east-1.amazonaws.com:8443/?Action=ConfirmSubscription&TopicArn=a&Token=b",
        "https://sns.us-east-1.amazonaws.com/?Action=DeleteTopic&TopicArn=a&Token=b",
        "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=a&Token=b&Action=DeleteTopic",
        "https://sns.us-east-1.amazonaws.com/x?Action=ConfirmSubscription&TopicArn=a&Token=b",
        "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=a&Token=b#x",
        "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=a&Token=" + "b" * 2000,
        "https://s3.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=a&Token=b",
    ],
)
def test_any_other_address_is_rejected_unfetched(make, url):
    source, outcomes = Source(), []
    reply = make(source, outcomes, confirm_subscription=True).open(confirmation(url)).reply
    assert (reply.status, source.visited, outcomes[-1].reason_code) == (401, [], "untrusted_key_source")


def test_a_forged_confirmation_is_not_fetched(make):
    source = Source()
    delivery = confirmation()
    forged = delivery._replace(body=delivery.body.replace(b"orders", b"others"))
    assert make(source, [], confirm_subscription=True).open(forged).reply.status == 401
    assert source.visited == []


def test_the_end_of_a_subscription_is_an_event(make):
    source = Source()
    event = make(source, [], confirm_subscription=True).open(confirmation(kind="UnsubscribeConfirmation")).event
    assert (event.type, source.visited) == ("UnsubscribeConfirmation", [])


def test_a_provider_that_asks_for_nothing_takes_no_such_setting():
    with pytest.raises(ConfigurationError, match="never asks for that: leave confirm_subscription out"):
        Endpoint(Verifier("stripe", "a-secret-that-is-long-enough"), confirm_subscription=True)
