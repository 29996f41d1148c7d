from dataclasses import fields
from datetime import date

import pytest

from hookguard import Endpoint, Preset, Secret, Verifier, presets
from hookguard.profile import DAY, LEAST_LEASE, LEAST_RETENTION, Profile

KEY = Secret.exact(bytes(range(1, 33)))
#: Those that no provider stands behind.
WITHOUT = {"signed-url"}
PROFILED = sorted({name for name in presets.__all__ if isinstance(getattr(presets, name), Preset)} - {"SIGNED_URL"})

#: In seconds, spelled out, so that a changed fact shows here: lease and retention of an endpoint, for how long the provider
#: tries again by itself, and how long it waits for an answer.
EXPECTED = {
    "convoy": (60, 604800, 259200, None),
    "convoy-advanced": (60, 604800, 259200, None),
    "github": (60, 604800, 0, 10),
    "gitlab": (60, 604800, 86400, 10),
    "gitlab-token": (60, 604800, 86400, 10),
    "hookdeck": (120, 842400, 604800, 60),
    "paddle": (60, 604800, 259200, 5),
    "razorpay": (60, 604800, 86400, 5),
    "shopify": (60, 604800, 14400, 5),
    "slack": (60, 604800, 86400, 3),
    "standard-webhooks": (60, 604800, 272105, 30),
    "stripe": (60, 604800, 259200, None),
    "svix": (60, 604800, 99305, 15),
}
#: Whose own pages say that a retry's body is the same. One more here is one more that answers 422 to a reused id.
STABLE_BODY = {"shopify"}
#: Whose networks nobody publishes.
NO_NETWORKS = {"hookdeck", "shopify", "slack", "standard-webhooks"}


@pytest.fixture(params=PROFILED)
def preset(request):
    return getattr(presets, request.param)


def test_every_fact_has_a_source_and_a_day(preset):
    assert isinstance(preset.profile, Profile), "write its facts down"
    for field in fields(Profile):
        fact = getattr(preset.profile, field.name)
        assert fact.source.startswith("https://"), field.name
        assert date(2026, 1, 1) <= date.fromisoformat(fact.checked) <= date(2036, 1, 1)
        if fact.confirmed:
            assert fact.value not in (None, ""), f"{field.name}: a page cannot state nothing; use silent()"
    assert preset.docs.startswith("https://")
    assert preset.title


def test_a_profile_says_what_a_reader_needs(preset):
    profile = preset.profile
    assert profile.schedule.value
    assert profile.statuses.value
    assert 0 <= profile.horizon.value <= 60 * DAY
    assert profile.timeout.value is None or 1 <= profile.timeout.value <= 120
    assert profile.networks.value is None or profile.networks.value.startswith("https://")


def test_what_an_endpoint_takes_from_it(preset):
    endpoint = Endpoint(Verifier(preset, KEY))
    profile = preset.profile
    assert (endpoint.lease, endpoint.retention, profile.horizon.value, profile.timeout.value) == EXPECTED[preset.name]
    assert endpoint.retention > profile.horizon.value
    assert endpoint.lease >= 2 * (profile.timeout.value or 0)


def test_no_preset_refuses_a_reused_id_unasked(preset):
    assert not Endpoint(Verifier(preset, KEY)).reject_reused_id
    if preset.name in STABLE_BODY:
        assert preset.profile.stable_body.value is True
        assert preset.profile.stable_body.confirmed
        assert Endpoint(Verifier(preset, KEY), identity="id").reject_reused_id
    else:
        assert not preset.profile.stable_body.value


def test_published_networks(preset):
    assert (preset.profile.networks.value is None) == (preset.name in NO_NETWORKS)


def test_without_facts_an_endpoint_takes_the_least():
    endpoint = Endpoint(Verifier(presets.SIGNED_URL, KEY, tolerance=60))
    assert (endpoint.lease, endpoint.retention) == (LEAST_LEASE, LEAST_RETENTION) == (60, 604800)


def test_the_table_is_whole():
    assert set(EXPECTED) == {getattr(presets, name).name for name in PROFILED}
    assert {name for name in presets.names() if presets.get(name).profile is None} == WITHOUT


def test_webhooks_caused_by_webhooks_of_an_older_gitlab_are_all_handled():
    # Before 17.4 there is no Idempotency-Key, and such webhooks share the event's UUID.
    token = "a-token-that-is-long-enough-to-be-one"
    verifier = Verifier(presets.GITLAB_TOKEN, token)
    endpoint = Endpoint(verifier)
    first, second, again = (
        endpoint.key(verifier.verify(presets.GITLAB_TOKEN.sign(body, token, headers={"X-Gitlab-Event-UUID": "u-1"})))
        for body in (b'{"object_kind":"push"}', b'{"object_kind":"note"}', b'{"object_kind":"push"}')
    )
    assert first != second
    assert first == again
