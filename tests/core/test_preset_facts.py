from dataclasses import fields
from datetime import date

import pytest
from example_secrets import public_side

from hookguard import Endpoint, Preset, Verifier, presets
from hookguard.profile import DAY, LEAST_LEASE, LEAST_RETENTION, Profile

#: Those that no provider stands behind.
WITHOUT = {"signed-url"}
PROFILED = sorted({name for name in presets.__all__ if isinstance(getattr(presets, name), Preset)} - {"SIGNED_URL"})

#: In seconds, spelled out, so that a changed fact shows here: lease and retention of an endpoint, for how long the provider
#: tries again by itself, and how long it waits for an answer.
EXPECTED = {
    "adyen": (60, 3326400, 2592000, 10),
    "adyen-platform": (60, 3326400, 2592000, 10),
    "airtable": (60, 842400, 604800, 25),
    "alipay": (60, 604800, 87720, None),
    "anthropic": (60, 604800, 272105, 30),
    "app-store": (60, 1209600, 565200, None),
    "asana": (60, 604800, 86400, 10),
    "authorize-net": (60, 1166400, 864000, None),
    "aws-sns": (60, 604800, 3600, 15),
    "bitbucket": (60, 604800, 3600, 10),
    "bitbucket-server": (60, 604800, 0, 20),
    "box": (60, 604800, 7200, 30),
    "braintree": (60, 604800, 86400, 30),
    "buildkite": (60, 604800, 86400, 10),
    "buildkite-token": (60, 604800, 86400, 10),
    "calendly": (60, 604800, 86400, 15),
    "cashfree": (60, 604800, 86400, None),
    "chargebee": (120, 604800, 284400, 60),
    "checkout-com": (60, 604800, 64800, 10),
    "circleci": (60, 604800, 86400, 10),
    "clerk": (60, 604800, 99305, 15),
    "cloudinary": (60, 604800, 3600, None),
    "coinbase-cdp": (60, 842400, 604800, None),
    "coinbase-commerce": (60, 604800, 259200, None),
    "contentful": (60, 604800, 86400, 30),
    "convoy": (60, 604800, 259200, 10),
    "convoy-advanced": (60, 604800, 259200, 10),
    "dingtalk": (60, 604800, 3600, 3),
    "dingtalk-robot": (60, 604800, 3600, None),
    "discord": (60, 604800, 0, 3),
    "discord-events": (60, 604800, 600, 3),
    "docusign": (200, 1706400, 1296000, 100),
    "dropbox": (60, 604800, 3600, 10),
    "elevenlabs": (60, 604800, 2673, None),
    "event-grid": (60, 604800, 86400, 30),
    "figma": (60, 604800, 14400, None),
    "flutterwave": (120, 604800, 5400, 60),
    "flutterwave-v3": (120, 604800, 86400, 60),
    "forgejo": (60, 604800, 0, 5),
    "gitea": (60, 604800, 0, 5),
    "gitee": (60, 604800, 0, None),
    "gitee-password": (60, 604800, 0, None),
    "github": (60, 604800, 0, 10),
    "gitlab": (60, 604800, 86400, 10),
    "gitlab-token": (60, 604800, 86400, 10),
    "gocardless": (60, 604800, 259200, 10),
    "gogs": (60, 604800, 0, 15),
    "google-pubsub": (120, 842400, 604800, 60),
    "grafana": (60, 604800, 3600, 30),
    "heroku": (60, 842400, 604800, None),
    "hookdeck": (120, 842400, 604800, 60),
    "hubspot": (60, 604800, 86400, 5),
    "hubspot-v1": (60, 604800, 86400, 5),
    "hubspot-v2": (60, 604800, 86400, 5),
    "increase": (60, 604800, 259200, None),
    "increase-older": (60, 604800, 259200, None),
    "intercom": (60, 604800, 7200, 5),
    "jira": (60, 604800, 4500, None),
    "klarna": (60, 604800, 76630, None),
    "lark": (60, 604800, 25560, 3),
    "lark-token": (60, 604800, 25560, 3),
    "lemon-squeezy": (60, 604800, 155, None),
    "line": (60, 604800, 86400, 2),
    "linear": (60, 604800, 25260, 5),
    "lithic": (60, 604800, 99305, 15),
    "mailersend": (60, 604800, 3600, 3),
    "mailgun": (60, 604800, 28800, None),
    "mandrill": (60, 604800, 259200, None),
    "mercado-pago": (60, 691200, 345600, 22),
    "messagebird": (60, 604800, 86400, None),
    "messenger": (60, 604800, 129600, 20),
    "meta": (60, 604800, 129600, 20),
    "microsoft-graph": (60, 604800, 14400, 10),
    "modern-treasury": (60, 604800, 345600, 5),
    "mollie": (60, 604800, 93600, 15),
    "monday": (360, 604800, 1800, 180),
    "netlify": (60, 604800, 86400, None),
    "notion": (60, 604800, 86400, None),
    "okta": (60, 604800, 3600, 3),
    "openai": (60, 604800, 259200, None),
    "paddle": (60, 604800, 259200, 5),
    "pagerduty": (60, 604800, 172800, 5),
    "paypal": (60, 691200, 259200, None),
    "paystack": (60, 604800, 262800, 30),
    "paytm": (60, 604800, 259200, None),
    "plaid": (60, 604800, 86400, 10),
    "plaid-sandbox": (60, 604800, 86400, 10),
    "plivo": (80, 604800, 86400, 40),
    "polar": (60, 604800, 14400, 10),
    "postmark": (240, 604800, 37800, 120),
    "pusher": (60, 604800, 300, 4),
    "qstash": (60, 604800, 259200, None),
    "razorpay": (60, 604800, 86400, 5),
    "recurly": (60, 604800, 262800, None),
    "resend": (60, 604800, 99305, 15),
    "sanity": (60, 604800, 60, 30),
    "sendgrid": (60, 604800, 86400, 10),
    "sentry": (60, 604800, 900, 1),
    "shopify": (60, 604800, 14400, 5),
    "slack": (60, 604800, 86760, 3),
    "square": (60, 604800, 86400, 10),
    "standard-webhooks": (60, 604800, 272105, 30),
    "standard-webhooks-v1a": (60, 604800, 272105, 30),
    "stripe": (60, 604800, 259200, None),
    "svix": (60, 604800, 99305, 15),
    "svix-v1a": (60, 604800, 99305, 15),
    "telegram": (120, 604800, 86400, 60),
    "telnyx": (60, 604800, 3600, 2),
    "travis": (120, 604800, 0, 60),
    "trello": (60, 604800, 3600, None),
    "truelayer": (60, 691200, 259200, None),
    "twilio": (60, 604800, 15, 15),
    "twitch": (60, 604800, 86400, 10),
    "typeform": (60, 604800, 36000, 30),
    "vercel": (60, 604800, 86400, None),
    "viber": (60, 604800, 3600, None),
    "vonage": (60, 604800, 86400, 3),
    "webflow": (60, 604800, 1800, None),
    "wechat-pay": (60, 604800, 86640, 5),
    "wecom": (60, 604800, 3600, 5),
    "whatsapp": (60, 842400, 604800, 20),
    "wise": (60, 1598400, 1209600, 5),
    "woocommerce": (120, 604800, 0, 60),
    "workos": (60, 604800, 259200, None),
    "worldpay": (60, 842400, 604800, 10),
    "xendit": (60, 604800, 86400, 30),
    "zendesk": (60, 604800, 3600, 12),
    "zoom": (60, 604800, 5100, 3),
}
#: How many of all cells an official page or the sender's own code states, and of how many presets it states none. What was
#: read stays read: the first never falls, the second never grows.
STATED, WITHOUT_ANY = 349, 23
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
    assert isinstance(preset.profile, Profile), "write its facts down"
    for field in fields(Profile):
        fact = getattr(preset.profile, field.name)
        assert fact.source.startswith("https://"), field.name
        assert date(2026, 1, 1) <= date.fromisoformat(fact.checked) <= date(2036, 1, 1)
        if fact.confirmed:
            assert fact.value not in (None, ""), f"{field.name}: a page cannot state nothing; use silent()"
    assert preset.docs.startswith("https://")
    assert preset.title


def test_what_is_stated_never_gets_less():
    stated = {
        name: sum(getattr(getattr(presets, name).profile, field.name).confirmed for field in fields(Profile)) for name in PROFILED
    }
    assert sum(stated.values()) >= STATED
    assert len([name for name, count in stated.items() if not count]) <= WITHOUT_ANY


def test_a_profile_says_what_a_reader_needs(preset):
    profile = preset.profile
    assert profile.schedule.value
    assert profile.statuses.value
    assert 0 <= profile.horizon.value <= 60 * DAY
    assert profile.timeout.value is None or 1 <= profile.timeout.value <= 180
    assert profile.networks.value is None or profile.networks.value.startswith("https://")


def test_what_an_endpoint_takes_from_it(preset):
    endpoint = endpoint_of(preset)
    profile = preset.profile
    assert (endpoint.lease, endpoint.retention, profile.horizon.value, profile.timeout.value) == EXPECTED[preset.name]
    assert endpoint.retention > profile.horizon.value
    assert endpoint.lease >= 2 * (profile.timeout.value or 0)


def test_no_preset_refuses_a_reused_id_unasked(preset):
    assert not endpoint_of(preset).reject_reused_id
    if preset.name in STABLE_BODY:
        assert preset.profile.stable_body.value is True
        assert preset.profile.stable_body.confirmed
        assert endpoint_of(preset, identity="id").reject_reused_id
    else:
        assert not preset.profile.stable_body.value


def test_published_networks(preset):
    assert (preset.profile.networks.value is None) == (preset.name in NO_NETWORKS)


def test_without_facts_an_endpoint_takes_the_least():
    endpoint = Endpoint(Verifier(presets.SIGNED_URL, public_side(presets.SIGNED_URL), tolerance=60))
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
