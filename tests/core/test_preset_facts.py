from dataclasses import fields
from datetime import date

import pytest
from example_secrets import public_side

from hookguard import Endpoint, Preset, Verifier, presets
from hookguard.facts import DAY, LEAST_BODY, LEAST_LEASE, LEAST_RETENTION, LEAST_TOLERANCE, MIB, Facts

#: Those that no provider stands behind.
WITHOUT = {"signed-url"}
PROFILED = sorted({name for name in dir(presets) if isinstance(getattr(presets, name), Preset)} - {"SIGNED_URL"})

#: In seconds, spelled out, so that a changed fact shows here: lease and retention of an endpoint, for how long the provider
#: retries automatically, how long it waits for an answer, and how old a signed timestamp may be.
EXPECTED = {
    "adyen": (60, 3326400, 2592000, 10, None),
    "adyen-platform": (60, 3326400, 2592000, 10, None),
    "airtable": (60, 842400, 604800, 25, None),
    "alipay": (60, 604800, 87720, None, 109950),
    "anthropic": (60, 680864, 272105, 30, 340432),
    "app-store": (60, 1413600, 565200, None, 706800),
    "asana": (60, 604800, 86400, 10, None),
    "authorize-net": (60, 1166400, 864000, None, None),
    "aws-sns": (60, 604800, 3600, 15, 4800),
    "bitbucket": (60, 604800, 3600, 10, None),
    "bitbucket-server": (60, 604800, 0, 20, None),
    "box": (60, 604800, 7200, 30, 9300),
    "braintree": (60, 604800, 86400, 30, None),
    "buildkite": (60, 604800, 86400, 10, 108300),
    "buildkite-token": (60, 604800, 86400, 10, None),
    "calendly": (60, 604800, 86400, 15, 108300),
    "cashfree": (60, 604800, 86400, None, 108300),
    "chargebee": (120, 604800, 284400, 60, None),
    "checkout-com": (60, 604800, 64800, 10, None),
    "circleci": (60, 604800, 86400, 10, None),
    "clerk": (60, 604800, 99305, 15, 300),
    "cloudinary": (60, 604800, 3600, None, 7200),
    "coinbase-cdp": (60, 842400, 604800, None, 300),
    "coinbase-commerce": (60, 604800, 259200, None, None),
    "contentful": (60, 604800, 86400, 30, 108300),
    "convoy": (60, 604800, 259200, 10, None),
    "convoy-advanced": (60, 604800, 259200, 10, 300),
    "dingtalk": (60, 604800, 3600, 3, 4800),
    "dingtalk-robot": (60, 604800, 3600, None, 4800),
    "discord": (60, 604800, 0, 3, 300),
    "discord-events": (60, 604800, 600, 3, 1050),
    "docusign": (200, 1706400, 1296000, 100, None),
    "dropbox": (60, 604800, 3600, 10, None),
    "elevenlabs": (60, 604800, 2673, None, 3642),
    "event-grid": (60, 604800, 86400, 30, None),
    "figma": (60, 604800, 14400, None, None),
    "flutterwave": (120, 604800, 5400, 60, None),
    "flutterwave-v3": (120, 604800, 86400, 60, None),
    "forgejo": (60, 604800, 0, 5, None),
    "gitea": (60, 604800, 0, 5, None),
    "gitee": (60, 604800, 0, None, 300),
    "gitee-password": (60, 604800, 0, None, None),
    "github": (60, 604800, 0, 10, None),
    "gitlab": (60, 604800, 86400, 10, 108300),
    "gitlab-token": (60, 604800, 86400, 10, None),
    "gocardless": (60, 604800, 259200, 10, None),
    "gogs": (60, 604800, 0, 15, None),
    "google-pubsub": (120, 842400, 604800, 60, None),
    "grafana": (60, 604800, 3600, 30, None),
    "heroku": (60, 842400, 604800, None, None),
    "hookdeck": (120, 842400, 604800, 60, None),
    "hubspot": (60, 604800, 86400, 5, 108300),
    "hubspot-v1": (60, 604800, 86400, 5, None),
    "hubspot-v2": (60, 604800, 86400, 5, None),
    "increase": (60, 648600, 259200, None, 324300),
    "increase-older": (60, 648600, 259200, None, 324300),
    "intercom": (60, 604800, 7200, 5, None),
    "jira": (60, 604800, 4500, None, None),
    "klarna": (60, 604800, 76630, None, None),
    "lark": (60, 604800, 25560, 3, 32250),
    "lark-token": (60, 604800, 25560, 3, None),
    "lemon-squeezy": (60, 604800, 155, None, None),
    "line": (60, 604800, 86400, 2, None),
    "linear": (60, 604800, 25260, 5, 31875),
    "lithic": (60, 604800, 99305, 15, 124432),
    "mailersend": (60, 604800, 3600, 3, None),
    "mailgun": (60, 604800, 28800, None, 36300),
    "mandrill": (60, 604800, 259200, None, None),
    "mercado-pago": (60, 864600, 345600, 22, 432300),
    "messagebird": (60, 604800, 86400, None, 108300),
    "messenger": (60, 604800, 129600, 20, None),
    "meta": (60, 604800, 129600, 20, None),
    "microsoft-graph": (60, 604800, 14400, 10, None),
    "modern-treasury": (60, 604800, 345600, 5, None),
    "mollie": (60, 604800, 93600, 15, None),
    "monday": (360, 604800, 1800, 180, 2550),
    "netlify": (60, 604800, 86400, None, None),
    "notion": (60, 604800, 86400, None, None),
    "okta": (60, 604800, 3600, 3, None),
    "openai": (60, 648600, 259200, None, 324300),
    "paddle": (60, 648600, 259200, 5, 324300),
    "pagerduty": (60, 604800, 172800, 5, None),
    "paypal": (60, 648600, 259200, None, 324300),
    "paystack": (60, 604800, 262800, 30, None),
    "paytm": (60, 604800, 259200, None, None),
    "plaid": (60, 604800, 86400, 10, 108300),
    "plaid-sandbox": (60, 604800, 86400, 10, 108300),
    "plivo": (80, 604800, 86400, 40, None),
    "polar": (60, 604800, 14400, 10, 300),
    "postmark": (240, 604800, 37800, 120, None),
    "pusher": (60, 604800, 300, 4, 675),
    "qstash": (60, 648600, 259200, None, 324300),
    "razorpay": (60, 604800, 86400, 5, None),
    "recurly": (60, 657600, 262800, None, 328800),
    "resend": (60, 604800, 99305, 15, 300),
    "sanity": (60, 604800, 60, 30, 375),
    "sendgrid": (60, 604800, 86400, 10, 108300),
    "sentry": (60, 604800, 900, 1, None),
    "shopify": (60, 604800, 14400, 5, None),
    "slack": (60, 604800, 86760, 3, 108750),
    "square": (60, 604800, 86400, 10, None),
    "standard-webhooks": (60, 604800, 272105, 30, 300),
    "standard-webhooks-v1a": (60, 604800, 272105, 30, 300),
    "stripe": (60, 604800, 259200, None, 300),
    "svix": (60, 604800, 99305, 15, 300),
    "svix-v1a": (60, 604800, 99305, 15, 300),
    "telegram": (120, 604800, 86400, 60, None),
    "telnyx": (60, 604800, 3600, 2, 4800),
    "travis": (120, 604800, 0, 60, None),
    "trello": (60, 604800, 3600, None, None),
    "truelayer": (60, 648600, 259200, None, 324300),
    "twilio": (60, 604800, 15, 15, None),
    "twitch": (60, 604800, 86400, 10, 108300),
    "typeform": (60, 604800, 36000, 30, None),
    "vercel": (60, 604800, 86400, None, None),
    "viber": (60, 604800, 3600, None, None),
    "vonage": (60, 604800, 86400, 3, 108300),
    "webflow": (60, 604800, 1800, None, 2550),
    "wechat-pay": (60, 604800, 86640, 5, 108600),
    "wecom": (60, 604800, 3600, 5, 4800),
    "whatsapp": (60, 842400, 604800, 20, None),
    "wise": (60, 1598400, 1209600, 5, None),
    "woocommerce": (120, 604800, 0, 60, None),
    "workos": (60, 648600, 259200, None, 324300),
    "worldpay": (60, 842400, 604800, 10, None),
    "xendit": (60, 604800, 86400, 30, None),
    "zendesk": (60, 604800, 3600, 12, 4800),
    "zoom": (60, 604800, 5100, 3, 6675),
}
#: How many of all cells an official page or the sender's own code states, and of how many presets it states none. Facts
#: are kept once found: the first never falls, the second never grows.
STATED, WITHOUT_ANY = 368, 22
#: Whose own pages say that a retry's body is the same. One more here is one more that answers 422 to a reused id.
STABLE_BODY = {"shopify"}
#: Whose networks nobody publishes.
NO_NETWORKS = {
    "adyen",
    "adyen-platform",
    "airtable",
    "alipay",
    "anthropic",
    "asana",
    "authorize-net",
    "bitbucket-server",
    "box",
    "braintree",
    "calendly",
    "chargebee",
    "checkout-com",
    "circleci",
    "cloudinary",
    "coinbase-cdp",
    "coinbase-commerce",
    "contentful",
    "dingtalk",
    "dingtalk-robot",
    "discord",
    "discord-events",
    "docusign",
    "dropbox",
    "elevenlabs",
    "event-grid",
    "figma",
    "flutterwave",
    "flutterwave-v3",
    "forgejo",
    "gitea",
    "gitee",
    "gitee-password",
    "gocardless",
    "gogs",
    "google-pubsub",
    "grafana",
    "heroku",
    "hookdeck",
    "hubspot",
    "hubspot-v1",
    "hubspot-v2",
    "increase",
    "increase-older",
    "klarna",
    "lark",
    "lark-token",
    "lemon-squeezy",
    "line",
    "linear",
    "lithic",
    "mailersend",
    "mailgun",
    "mandrill",
    "mercado-pago",
    "messagebird",
    "messenger",
    "meta",
    "microsoft-graph",
    "monday",
    "netlify",
    "notion",
    "okta",
    "openai",
    "paypal",
    "paytm",
    "plivo",
    "pusher",
    "qstash",
    "sanity",
    "sendgrid",
    "sentry",
    "shopify",
    "slack",
    "square",
    "standard-webhooks",
    "standard-webhooks-v1a",
    "telnyx",
    "travis",
    "trello",
    "truelayer",
    "twilio",
    "twitch",
    "typeform",
    "vercel",
    "viber",
    "vonage",
    "webflow",
    "wechat-pay",
    "whatsapp",
    "wise",
    "woocommerce",
    "workos",
    "xendit",
    "zendesk",
    "zoom",
}


@pytest.fixture(params=PROFILED)
def preset(request):
    return getattr(presets, request.param)


def endpoint_of(preset, **settings):
    where = {"public_url": "https://example.com/hooks"} if "url" in preset.scheme.covers else {}
    return Endpoint(Verifier(preset, public_side(preset)), **where, **settings)


def test_every_fact_has_a_source_and_a_day(preset):
    assert isinstance(preset.facts, Facts), "write its facts down"
    for field in fields(Facts):
        fact = getattr(preset.facts, field.name)
        assert fact.source.startswith("https://"), field.name
        assert date(2026, 1, 1) <= date.fromisoformat(fact.checked) <= date(2036, 1, 1)
        if fact.confirmed:
            assert fact.value not in (None, ""), f"{field.name}: a page cannot state nothing; use silent()"
    assert preset.docs.startswith("https://")
    assert preset.title


def test_the_number_of_stated_facts_never_falls():
    stated = {
        name: sum(getattr(getattr(presets, name).facts, field.name).confirmed for field in fields(Facts)) for name in PROFILED
    }
    assert sum(stated.values()) >= STATED
    assert len([name for name, count in stated.items() if not count]) <= WITHOUT_ANY


def test_a_profile_says_what_a_reader_needs(preset):
    profile = preset.facts
    assert profile.schedule.value
    assert profile.statuses.value
    assert 0 <= profile.horizon.value <= 60 * DAY
    assert profile.timeout.value is None or 1 <= profile.timeout.value <= 180
    assert {profile.resigned.value, profile.stable_body.value, profile.stable_id.value} <= {True, False, None}
    assert profile.largest_body.value is None or 1000 <= profile.largest_body.value <= 50 * MIB
    assert profile.networks.value is None or profile.networks.value.startswith("https://")


def test_an_endpoint_takes_its_defaults_from_the_facts(preset):
    endpoint = endpoint_of(preset)
    profile = preset.facts
    tolerance = endpoint.verifier.tolerance
    assert (endpoint.lease, endpoint.retention, profile.horizon.value, profile.timeout.value, tolerance) == EXPECTED[preset.name]
    assert endpoint.retention > profile.horizon.value
    assert endpoint.lease >= 2 * (profile.timeout.value or 0)


def test_no_preset_rejects_a_reused_id_unasked(preset):
    assert not endpoint_of(preset).reject_reused_id
    if preset.name in STABLE_BODY:
        assert preset.facts.stable_body.value is True
        assert preset.facts.stable_body.confirmed
        assert endpoint_of(preset, identity="id").reject_reused_id
    else:
        assert not preset.facts.stable_body.value


def test_last_retry_is_fresh_unless_retries_are_stated_to_be_signed_once_more(preset):
    if not preset.scheme.signs_timestamp:
        assert endpoint_of(preset).verifier.tolerance is None
    elif preset.facts.resigned.value is not True or not preset.facts.resigned.confirmed:
        # The first try may be as old as the answer that it waited for.
        assert preset.tolerance >= preset.facts.horizon.value + LEAST_TOLERANCE


def test_store_remembers_an_event_for_twice_the_tolerance(preset):
    assert endpoint_of(preset).retention >= 2 * preset.tolerance * preset.scheme.signs_timestamp


@pytest.mark.parametrize(("name", "size"), [("github", 25_000_000), ("gitlab", 25_000_000), ("postmark", 35_000_000)])
def test_largest_body_that_a_provider_states_is_taken(name, size):
    assert endpoint_of(presets.get(name)).max_body >= size


def test_largest_batch_of_event_grid_is_taken():
    assert presets.EVENT_GRID.batch.limit == 5000


def test_endpoint_takes_the_largest_body_and_batch_that_a_provider_sends(preset):
    endpoint, profile = endpoint_of(preset), preset.facts
    assert endpoint.max_body == max(LEAST_BODY, profile.largest_body.value or 0)
    if preset.batch is not None:
        assert preset.batch.largest.source.startswith("https://")
        assert preset.batch.limit >= max(1000, preset.batch.largest.value or 0)


def test_networks_are_known_for_all_presets_but_those_listed(preset):
    assert (preset.facts.networks.value is None) == (preset.name in NO_NETWORKS)


def test_without_facts_an_endpoint_takes_the_least():
    endpoint = Endpoint(Verifier(presets.SIGNED_URL, public_side(presets.SIGNED_URL), tolerance=60))
    assert (endpoint.lease, endpoint.retention) == (LEAST_LEASE, LEAST_RETENTION) == (60, 604800)


def test_the_table_is_whole():
    assert set(EXPECTED) == {getattr(presets, name).name for name in PROFILED}
    assert {name for name in presets.names() if presets.get(name).facts is None} == WITHOUT


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
