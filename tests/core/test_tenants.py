"""Tenants that share one secret: the tenant in what was signed is the tenant whose secrets were looked up."""

import json
from dataclasses import replace

import pytest
from guards import SECRET

from hookguard import ConfigurationError, Endpoint, Guard, InBody, InHeader, InQuery, MemoryStore, Tenant, Verifier, presets
from hookguard.config import Settings
from hookguard.errors import TenantMismatch
from hookguard.gateway import GatewayVerifier
from hookguard.place import FirstOf

TEAM = InBody("team_id")
TEAMS = {"/hooks/a": "T-a", "/hooks/b": "T-b"}


def secrets_of(path, headers):
    return Tenant(TEAMS[path], [SECRET]) if path in TEAMS else None


def slack(path, **fields):
    return presets.SLACK.sign(json.dumps({"event_id": "Ev1", "type": "event_callback", **fields}).encode(), SECRET)._replace(
        url=path
    )


def guard_of(verifier):
    return Guard(Endpoint(verifier), MemoryStore())


def answers(guard, delivery):
    receipt = guard.open(delivery)
    if receipt.reply is None:
        guard.settle(receipt, status=200)
        return receipt.event.tenant
    return receipt.reply.status, getattr(receipt.error, "code", None)


def test_a_delivery_of_another_tenant_of_the_same_secret_is_rejected():
    guard = guard_of(Verifier("slack", secrets_of, tenant_in=TEAM))
    assert answers(guard, slack("/hooks/a", team_id="T-a")) == "T-a"
    assert answers(guard, slack("/hooks/b", team_id="T-a")) == (401, "tenant_mismatch")
    assert answers(guard, slack("/hooks/b", team_id="T-b")) == "T-b"


@pytest.mark.parametrize("fields", [{}, {"team_id": ""}, {"team_id": None}, {"team_id": ["T-a"]}, {"team_id": {"id": "T-a"}}])
def test_a_delivery_that_names_no_tenant_is_rejected(fields):
    assert answers(guard_of(Verifier("slack", secrets_of, tenant_in=TEAM)), slack("/hooks/a", **fields)) == (
        401,
        "tenant_mismatch",
    )


def test_a_handshake_needs_no_tenant():
    guard = guard_of(Verifier("slack", secrets_of, tenant_in=TEAM))
    body = b'{"type": "url_verification", "challenge": "abc"}'
    assert guard.open(presets.SLACK.sign(body, SECRET)._replace(url="/hooks/a")).reply.body == b"abc"


def test_the_provider_may_call_the_tenant_otherwise():
    guard = guard_of(Verifier("slack", lambda *_: Tenant("acme", [SECRET], signed_as="T-a"), tenant_in=TEAM))
    assert answers(guard, slack("/", team_id="T-a")) == "acme"
    assert answers(guard, slack("/", team_id="acme")) == (401, "tenant_mismatch")
    number = guard_of(Verifier("slack", lambda *_: Tenant("7", [SECRET]), tenant_in=FirstOf(InBody("team.id"), TEAM)))
    assert answers(number, slack("/", team={"id": 7})) == "7"


def test_every_event_of_a_delivery_is_of_the_tenant():
    def hubspot(*portals):
        body = [{"eventId": n, "portalId": portal, "subscriptionType": "contact.creation"} for n, portal in enumerate(portals)]
        return presets.HUBSPOT.sign(json.dumps(body).encode(), SECRET, url="https://shop.example/hooks")

    verifier = Verifier("hubspot", lambda *_: Tenant("1", [SECRET]), tenant_in=InBody("portalId")).for_tenant(
        Tenant("1", [SECRET])
    )
    assert verifier.verify(hubspot(1, 1)).tenant == "1"
    assert verifier.verify(hubspot(1, None)).tenant == "1", "it came in one signed body with the other"
    for portals in ((1, 2), (2,), (None,), ()):
        with pytest.raises(TenantMismatch):
            verifier.verify(hubspot(*portals))


def test_a_place_that_is_not_signed_is_rejected_at_the_start():
    with pytest.raises(ConfigurationError, match="shopify does not sign the place in tenant_in"):
        Verifier("shopify", secrets_of, tenant_in=InHeader("X-Shopify-Shop-Domain"))
    for preset, place in ((presets.TELEGRAM, TEAM), (presets.GITHUB, InQuery("tenant"))):
        with pytest.raises(ConfigurationError, match="does not sign"):
            Verifier(preset, secrets_of, tenant_in=place)


@pytest.mark.parametrize(
    ("secrets", "place", "why"), [([SECRET], TEAM, "a lookup returns"), (secrets_of, "body:team_id", "give its place")]
)
def test_mistakes_are_rejected_at_the_start(secrets, place, why):
    with pytest.raises(ConfigurationError, match=why):
        Verifier("slack", secrets, tenant_in=place)
    with pytest.raises(ConfigurationError, match="signed_as"):
        Tenant("a", [SECRET], signed_as="")


@pytest.mark.parametrize("place", ["body:team_id", TEAM])
def test_settings_take_the_place_in_words_or_as_an_object(place):
    def made(**endpoint):
        given = {"endpoints": {"slack": {"secrets": secrets_of, **endpoint}}}
        return Guard(Settings(given, where="HOOKS", default_store=MemoryStore).endpoint("slack"), MemoryStore())

    guard = made(tenant_in=place)
    assert answers(guard, slack("/hooks/a", team_id="T-a")) == "T-a"
    assert answers(guard, slack("/hooks/b", team_id="T-a")) == (401, "tenant_mismatch")
    with pytest.raises(ConfigurationError, match="is not a place"):
        made(tenant_in="team_id")


def test_behind_a_gateway_what_is_signed_is_what_both_sign():
    gateway = Verifier("hookdeck", "the-gateways-own-secret")
    delivery = slack("/hooks/a", team_id="T-a")
    passed_on = presets.HOOKDECK.sign(delivery.body, "the-gateways-own-secret", headers=dict(delivery.headers.items()))
    verifier = GatewayVerifier("slack", secrets_of, gateway=gateway, tenant_in=TEAM)
    assert verifier.for_tenant(Tenant("T-a", [SECRET])).verify(passed_on).tenant == "T-a"
    with pytest.raises(TenantMismatch):
        verifier.for_tenant(Tenant("T-b", [SECRET])).verify(passed_on)
    unsigned = replace(presets.SLACK, name="acme")
    with pytest.raises(ConfigurationError, match="does not sign"):
        GatewayVerifier(unsigned, secrets_of, gateway=gateway, tenant_in=InHeader("Team"))
