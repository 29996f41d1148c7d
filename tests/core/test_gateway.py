"""Behind a gateway: its signature first, then the provider's, whose time may be as old as the gateway's retries last."""

import base64
import json
from dataclasses import replace

import pytest
from guards import NOW, Async, Sync

from hookguard import ConfigurationError, Delivery, Endpoint, GatewayVerifier, MemoryStore, Secret, Tenant, Verifier, presets
from hookguard.challenge import AnyOf, Fixed
from hookguard.config import Settings
from hookguard.errors import MissingSignature, SignatureMismatch, TimestampOutOfTolerance, UnconfirmedPresetWarning
from hookguard.reply import Reply
from hookguard.testing import FrozenClock

SECRET = "a-secret-that-is-long-enough"
GATEWAY = "the-gateways-own-secret-here"
WHSEC = "whsec_" + base64.b64encode(bytes(range(7, 39))).decode()
HOUR, DAY = 3600.0, 86400.0


@pytest.fixture(params=[Sync, Async], ids=lambda kind: kind.name)
def kind(request):
    return request.param


@pytest.fixture
def clock():
    return FrozenClock(NOW)


def stripe(event_id="evt_1", at=NOW, secret=SECRET):
    return presets.STRIPE.sign(json.dumps({"id": event_id, "type": "invoice.paid"}).encode(), secret, timestamp=at)


def passed(delivery, gateway="hookdeck", secret=GATEWAY, at=NOW, event_id="hop_1", **headers):
    """The delivery that the gateway passes on: the provider's body and headers, and its own besides."""
    carried = {**dict(delivery.headers.items()), **headers}
    return presets.get(gateway).sign(delivery.body, secret, id=event_id, timestamp=at, headers=carried)


def behind(clock, gateway="hookdeck", provider="stripe", secrets=SECRET, gateway_secrets=GATEWAY, **options):
    hop = Verifier(gateway, gateway_secrets, clock=clock)
    return GatewayVerifier(provider, secrets, gateway=hop, clock=clock, **options)


@pytest.mark.parametrize(
    ("gateway", "secret"), [("hookdeck", GATEWAY), ("svix", WHSEC), ("convoy", GATEWAY), ("convoy-advanced", GATEWAY)]
)
def test_both_signatures_are_checked(clock, gateway, secret):
    verifier = behind(clock, gateway, gateway_secrets=secret)
    event = verifier.verify(passed(stripe(), gateway, secret))
    assert (event.provider, event.id, event.type, event.timestamp, event.secret) == ("stripe", "evt_1", "invoice.paid", NOW, "#1")
    assert event.covers >= {"body"}
    other = WHSEC[:-4] + "AAA=" if gateway == "svix" else "another-gateways-secret"
    with pytest.raises(SignatureMismatch):
        verifier.verify(passed(stripe(), gateway, other))
    with pytest.raises(SignatureMismatch):
        verifier.verify(passed(stripe(secret="another-providers-secret"), gateway, secret))
    with pytest.raises(MissingSignature, match=r"(?i)no (x-hookdeck|svix|x-convoy)-signature"):
        verifier.verify(stripe())
    with pytest.raises(MissingSignature, match="no Stripe-Signature"):
        verifier.verify(passed(Delivery(stripe().body, {}), gateway, secret))


def test_a_tampered_body_is_the_gateways_to_reject(clock):
    delivery = passed(stripe())
    with pytest.raises(SignatureMismatch):
        behind(clock).verify(delivery._replace(body=delivery.body + b" "))


def test_the_log_names_whose_signature_it_was(clock):
    verifier = behind(clock)
    with pytest.raises(SignatureMismatch, match=r"hookdeck, the gateway in front: signature does not match \(secrets tried: 1"):
        verifier.verify(passed(stripe(), secret="another-gateways-own-secret"))
    with pytest.raises(SignatureMismatch) as raised:
        verifier.verify(passed(stripe(secret="another-secret-of-the-provider")))
    assert "hookdeck" not in str(raised.value)
    late = behind(clock, "svix", gateway_secrets=WHSEC)
    with pytest.raises(TimestampOutOfTolerance, match="svix, the gateway in front: the signed timestamp is 3600 s old"):
        late.verify(passed(stripe(), "svix", WHSEC, at=NOW - HOUR))


def test_the_providers_time_may_be_as_old_as_the_gateway_holds(clock):
    # The gateway received it when it was fresh, and passes it on a day later.
    verifier = behind(clock, gateway_delay=DAY)
    assert verifier.verify(passed(stripe(at=NOW - DAY))).timestamp == NOW - DAY
    assert verifier.verify(passed(stripe(at=NOW - DAY - 299)))
    with pytest.raises(TimestampOutOfTolerance, match="301 s old; 86700 s are allowed|86701 s old"):
        verifier.verify(passed(stripe(at=NOW - DAY - 301)))
    with pytest.raises(TimestampOutOfTolerance, match="301 s in the future; 300 s are allowed"):
        verifier.verify(passed(stripe(at=NOW + 301)))
    with pytest.raises(TimestampOutOfTolerance):
        Verifier("stripe", SECRET, clock=clock).verify(stripe(at=NOW - DAY))


def test_how_long_it_holds_follows_from_its_retries(clock):
    horizon = presets.SVIX.facts.horizon.value
    verifier = behind(clock, "svix", gateway_secrets=WHSEC)
    assert verifier.verify(passed(stripe(at=NOW - horizon), "svix", WHSEC))
    with pytest.raises(TimestampOutOfTolerance):
        verifier.verify(passed(stripe(at=NOW - horizon - 301), "svix", WHSEC))


def test_the_gateways_own_time_is_checked_as_usual(clock):
    verifier = behind(clock, "svix", gateway_secrets=WHSEC)
    with pytest.raises(TimestampOutOfTolerance):
        verifier.verify(passed(stripe(at=NOW - HOUR), "svix", WHSEC, at=NOW - HOUR))
    assert verifier.verify(passed(stripe(at=NOW - HOUR), "svix", WHSEC, at=NOW - 200))


def test_the_gateway_may_vouch_alone(clock):
    verifier = behind(clock, secrets=None, verify_provider=False)
    event = verifier.verify(passed(stripe(secret="unknown-to-this-application", at=NOW - 90 * DAY)))
    assert (event.provider, event.id, event.timestamp, event.covers) == ("stripe", "evt_1", None, frozenset({"body"}))
    assert verifier.verify(passed(Delivery(b'{"id": "evt_2"}', {}))).id == "evt_2"
    for forged in (stripe(), passed(stripe(), secret="another-gateways-secret")):
        with pytest.raises((MissingSignature, SignatureMismatch)):
            verifier.verify(forged)


def test_an_unsigned_id_is_not_an_identity_alone(clock):
    """The provider signs the id in its header; the gateway signs the body. A capture of one must not burn another event's id."""
    alone = Endpoint(behind(clock, provider="standard-webhooks", secrets=None, verify_provider=False))
    both = Endpoint(behind(clock, provider="standard-webhooks", secrets=WHSEC))
    assert (alone.identity, both.identity) == ("id+content", "id")
    assert Endpoint(behind(clock, provider="github", secrets=None, verify_provider=False)).identity == "id+content"
    assert Endpoint(behind(clock, secrets=None, verify_provider=False)).identity == "id"


def test_the_providers_id_is_the_identity_across_the_gateways_retries(kind, clock):
    store, outcomes = MemoryStore(clock=clock), []
    guard = kind(Endpoint(behind(clock), observers=[outcomes.append]), store)
    receipt = guard.open(passed(stripe(), event_id="hop_1"))
    assert guard.settle(receipt, status=200) is None
    # The gateway's retry, and the provider's own retry that the gateway passes on as another of its events.
    for again in (passed(stripe(), event_id="hop_1"), passed(stripe(at=NOW + 9), event_id="hop_2")):
        reply = guard.open(again).reply
        assert (reply.status, dict(reply.headers)["Hookguard-Duplicate"]) == (200, "1")
    assert {outcome.event_id for outcome in outcomes} == {"evt_1"}
    assert guard.open(passed(stripe("evt_2"), event_id="hop_1")).event.id == "evt_2"


def test_forged_hops_never_reach_the_provider_or_the_store(kind, clock):
    class Untouched(MemoryStore):
        def claim(self, key, **arguments):
            raise AssertionError("claimed")

    guard = kind(Endpoint(behind(clock)), Untouched())
    for forged in (
        stripe(),
        passed(stripe(), secret="another-gateways-secret"),
        passed(stripe(secret="another-secret-of-stripe")),
    ):
        assert guard.open(forged).reply.status == 401


def test_the_head_alone_shows_that_a_delivery_did_not_come_through_the_gateway(kind, clock):
    guard = kind(Endpoint(behind(clock)), MemoryStore())
    assert guard.guard.screen(Delivery(b"", stripe().headers)).reply.status == 401
    assert guard.guard.screen(Delivery(b"", passed(stripe()).headers)) is None


def test_no_key_is_fetched_for_what_did_not_come_through_the_gateway(kind, clock):
    pytest.importorskip("cryptography", reason="the extra crypto is not installed")
    from example_secrets import private_side, public_side
    from scheme_keys import rsa_pair

    from hookguard import AsyncGuard, Guard
    from hookguard.schemes.public_key import read_key

    asked = []

    class Source:
        def get(self, wanted):
            asked.append(wanted.url)
            return read_key(rsa_pair()[1])

    endpoint = Endpoint(behind(clock, provider="aws-sns", secrets=public_side(presets.AWS_SNS)))
    guard = kind(Endpoint(Verifier("stripe", SECRET)), MemoryStore())
    guard.guard = (Guard if kind is Sync else AsyncGuard)(endpoint, MemoryStore(), keys=Source())
    message = presets.AWS_SNS.sign(b"{}", private_side(presets.AWS_SNS), id="m-1", timestamp=NOW)
    assert guard.open(passed(message, secret="another-gateways-secret")).reply.status == 401
    assert guard.open(message).reply.status == 401
    assert asked == []
    assert guard.open(passed(message)).event.id == "m-1"
    assert len(asked) == 1


def test_an_event_is_remembered_as_long_as_either_may_bring_it_again(clock):
    assert Endpoint(behind(clock, gateway_delay=30 * DAY)).retention >= 30 * DAY + 600
    assert Endpoint(behind(clock)).retention >= presets.STRIPE.retention(300)
    assert Endpoint(behind(clock)).retention >= presets.HOOKDECK.retention(None)
    assert Endpoint(behind(clock)).lease == presets.HOOKDECK.lease


def test_secrets_may_rotate_on_both_sides(clock):
    verifier = behind(clock, secrets=[Secret(SECRET, name="new"), Secret("the-old-secret-of-stripe", name="old")])
    assert verifier.verify(passed(stripe(secret="the-old-secret-of-stripe"))).secret == "old"
    hop = Verifier("hookdeck", ["the-next-secret-of-the-gateway", GATEWAY], clock=clock)
    assert GatewayVerifier("stripe", SECRET, gateway=hop, clock=clock).verify(passed(stripe()))


def test_tenants_have_secrets_of_the_provider(kind, clock):
    def lookup(path, headers):
        return Tenant("acme", [SECRET]) if headers.get("x-tenant") == "acme" else None

    guard = kind(Endpoint(behind(clock, secrets=lookup, gateway_delay=DAY)), MemoryStore())
    event = guard.open(passed(stripe(at=NOW - DAY), **{"X-Tenant": "acme"})).event
    assert (event.tenant, event.provider) == ("acme", "stripe")
    assert guard.open(passed(stripe(), **{"X-Tenant": "other"})).reply.status == 401
    forged = passed(stripe(), secret="another-gateways-secret", **{"X-Tenant": "acme"})
    assert guard.open(forged).reply.status == 401


def test_a_challenge_among_what_is_passed_on_is_answered(kind, clock):
    body = b'{"type": "url_verification", "challenge": "abc"}'
    both = kind(Endpoint(behind(clock, provider="slack")), MemoryStore())
    assert both.open(passed(presets.SLACK.sign(body, SECRET, timestamp=NOW))).reply.body == b"abc"
    alone = kind(Endpoint(behind(clock, provider="slack", secrets=None, verify_provider=False)), MemoryStore())
    assert alone.open(passed(Delivery(body, {}))).reply.body == b"abc"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda clock: behind(clock, "svix", "svix", WHSEC, WHSEC), "replaces svix's header svix-signature by its own"),
        (
            lambda clock: behind(clock, verify_provider=False, secrets=None, tolerance=60),
            "leave out secrets, tolerance and allow_stale",
        ),
        (
            lambda clock: behind(clock, verify_provider=False, secrets=None, allow_stale=True),
            "leave out secrets, tolerance and allow_stale",
        ),
        (lambda clock: behind(clock, gateway_delay=-1), "give seconds, 0 or more"),
        (lambda clock: behind(clock, gateway_delay=True), "give seconds, 0 or more"),
        (lambda clock: behind(clock, secrets=[]), "secrets are missing"),
        (lambda clock: behind(clock, secrets=None), "must be text or bytes"),  # an environment variable that is not set
        (lambda clock: behind(clock, verify_provider=False), "leave out secrets, tolerance"),
        (lambda clock: behind(clock, gateway_secrets=lambda path, headers: None), "cannot be the gateway in front of"),
        (
            lambda clock: behind(
                clock, provider=replace(presets.STRIPE, acknowledge=lambda event, key: None), secrets=None, verify_provider=False
            ),
            "needed for more than its signature",
        ),
    ],
)
def test_a_provider_that_cannot_be_checked_is_rejected_at_the_start(clock, make, message):
    with pytest.raises(ConfigurationError, match=message):
        make(clock)


def test_the_same_provider_and_gateway_where_the_gateway_vouches(clock):
    verifier = behind(clock, "svix", "svix", None, WHSEC, verify_provider=False)
    delivery = presets.SVIX.sign(b'{"type": "t"}', WHSEC, id="msg_1", timestamp=NOW)
    assert verifier.verify(delivery).id == "msg_1"


def endpoint(**settings):
    return Settings({"endpoints": {"stripe": settings}}, where="test", default_store=MemoryStore).endpoints["stripe"]


def test_settings_put_an_endpoint_behind_a_gateway():
    found = endpoint(secrets=[SECRET], behind="hookdeck", gateway_secrets=[GATEWAY], gateway_delay=DAY)
    assert isinstance(found.verifier, GatewayVerifier)
    assert (found.verifier.gateway_delay, found.preset.name) == (DAY, "stripe")
    alone = endpoint(BEHIND="hookdeck", GATEWAY_SECRETS=[GATEWAY], VERIFY_PROVIDER=False)
    assert alone.verifier.verify(passed(Delivery(b'{"id": "evt_1"}', {}))).id == "evt_1"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"secrets": [SECRET], "behind": "hookdeck"}, "gateway_secrets are missing"),
        ({"behind": "hookdeck", "gateway_secrets": [GATEWAY]}, "set verify_provider=False"),
        ({"secrets": [SECRET], "gateway_secrets": [GATEWAY]}, "the gateway is missing"),
        ({"secrets": [SECRET], "verify_provider": False}, "the gateway is missing"),
        (
            {"secrets": [SECRET], "behind": "hookdeck", "gateway_secrets": [GATEWAY], "verify_provider": False},
            "leave out secrets, tolerance",
        ),
        (
            {"secrets": [SECRET], "behind": "hookdeck", "gateway_secrets": [GATEWAY], "verify_provider": "no"},
            "choose True or False",
        ),
        ({"secrets": [SECRET], "behind": "hookdek", "gateway_secrets": [GATEWAY]}, "did you mean 'hookdeck'"),
        ({"secrets": [SECRET], "behind": "hookdeck", "gateway_secrets": [None]}, "must be text or bytes"),
        ({"secrets": None, "behind": "hookdeck", "gateway_secrets": [GATEWAY]}, "must be text or bytes"),
    ],
)
def test_settings_that_contradict_each_other_are_rejected(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        endpoint(**settings)


def test_a_provider_that_signs_the_url_signs_the_gateways(clock):
    """The dashboard of the provider holds the gateway's URL, so that is public_url."""
    square = behind(clock, provider="square")
    with pytest.raises(ConfigurationError, match="set public_url"):
        Endpoint(square)
    url = "https://hkdk.events/abc123"
    found = Endpoint(square, public_url=url)
    delivery = presets.get("square").sign(b'{"event_id": "e1"}', SECRET, url=url)
    came = passed(delivery)._replace(url=found.url("/hooks/square"))
    assert found.verifier.verify(came).id == "e1"
    assert Endpoint(behind(clock, provider="square", secrets=None, verify_provider=False))  # the gateway's does not cover a URL


def test_an_id_that_only_the_provider_signs_does_not_name_the_event_where_the_gateway_vouches_alone():
    for name in ("plaid", "plaid-sandbox", "xendit", "standard-webhooks"):
        verifier = GatewayVerifier(name, gateway=Verifier("hookdeck", GATEWAY), verify_provider=False)
        assert verifier.preset.identity == "id+content", name
    for name in ("stripe", "square", "microsoft-graph"):  # in the body, which the gateway signs, or of our own making
        verifier = GatewayVerifier(name, gateway=Verifier("hookdeck", GATEWAY), verify_provider=False)
        assert verifier.preset.identity == "id", name


@pytest.mark.parametrize(("provider", "header"), [("plaid", "Plaid-Verification"), ("xendit", "webhook-id")])
def test_a_captured_delivery_burns_no_other_events_id(kind, clock, provider, header):
    """It burns no other event's id. Under a fresh id it runs, unless the content is all that counts, as the docs say."""

    def came(body, event_id):
        return passed(Delivery(body, {header: event_id}))

    def guarding(**options):
        return kind(
            Endpoint(behind(clock, provider=provider, secrets=None, verify_provider=False), **options), MemoryStore(clock=clock)
        )

    guard = guarding()
    assert guard.settle(guard.open(came(b'{"n": 1}', "a.b.c")), status=200) is None
    assert guard.open(came(b'{"n": 1}', "a.b.c")).reply.status == 200
    assert guard.open(came(b'{"n": 2}', "a.b.c")).reply is None  # the next event, under an id that was used up
    assert guard.open(came(b'{"n": 1}', "d.e.f")).reply is None

    guard = guarding(identity="content")
    assert guard.settle(guard.open(came(b'{"n": 1}', "a.b.c")), status=200) is None
    assert dict(guard.open(came(b'{"n": 1}', "d.e.f")).reply.headers)["Hookguard-Duplicate"] == "1"


def test_a_challenge_is_not_computed_with_the_gateway_s_secret():
    several = replace(presets.ZOOM, challenge=AnyOf(Fixed(Reply(200), method="HEAD"), presets.ZOOM.challenge))
    for preset in ("zoom", several):
        with pytest.raises(ConfigurationError, match="needed for more than its signature"):
            GatewayVerifier(preset, gateway=Verifier("hookdeck", GATEWAY), verify_provider=False)


def test_body_limit_behind_a_gateway_is_the_providers(clock):
    assert Endpoint(behind(clock, provider="github")).max_body == presets.GITHUB.max_body > presets.HOOKDECK.max_body


def test_tolerance_behind_a_gateway_covers_the_providers_retries(clock):
    assert behind(clock, provider="slack").tolerance == presets.SLACK.tolerance
    with pytest.warns(UserWarning, match="rejects timestamps older than 60 s, but slack retries for 86760 s"):
        Endpoint(behind(clock, provider="slack", tolerance=60))


def test_gateway_verifier_leaves_its_verifiers_as_they_are(clock):
    verifier = behind(clock, gateway_delay=DAY)
    old = stripe(at=NOW - HOUR)
    assert verifier.verify(passed(old)).covers == verifier.preset.scheme.covers
    assert verifier.gateway.verify(passed(old)).provider == "hookdeck"
    with pytest.raises(TimestampOutOfTolerance):
        Verifier("stripe", SECRET, clock=clock).verify(old)


def test_tenants_of_one_gateway_verifier_share_no_secrets(clock):
    def secrets_of(path, headers):
        raise AssertionError("the guard calls it")

    shared = behind(clock, secrets=secrets_of, gateway_delay=DAY)
    ann, ben = (shared.for_tenant(Tenant(name, [f"the-{name}-secret-of-16-bytes"])) for name in ("ann", "ben"))
    for_ann = passed(stripe(secret="the-ann-secret-of-16-bytes", at=NOW - HOUR))
    assert ann.verify(for_ann).tenant == "ann"
    assert (shared.lookup, ann.lookup, ben.lookup) == (secrets_of, None, None)
    assert shared.keys() == ()
    with pytest.raises(SignatureMismatch):
        ben.verify(for_ann)


def test_preset_must_be_a_name_or_a_preset(clock):
    with pytest.raises(ConfigurationError, match="give the name of a preset, or a Preset"):
        GatewayVerifier(None, SECRET, gateway=Verifier("hookdeck", GATEWAY))


def test_unconfirmed_preset_warns_behind_a_gateway_as_well():
    doubtful = replace(presets.STRIPE, doubt="nothing says so")
    for options in ({"secrets": SECRET}, {"verify_provider": False}):
        with pytest.warns(UnconfirmedPresetWarning, match="'stripe' is not confirmed"):
            GatewayVerifier(doubtful, gateway=Verifier("hookdeck", GATEWAY), **options)


def test_without_the_providers_check_no_keys_can_be_pinned(clock):
    alone = behind(clock, secrets=None, verify_provider=False)
    with pytest.raises(ConfigurationError, match="leave pinned_keys and known_keys out"):
        Endpoint(alone, known_keys=["https://example.com/key"])
    with pytest.raises(ConfigurationError, match="leave pinned_keys and known_keys out"):
        alone.read_pinned_key("https://example.com/key", "")
