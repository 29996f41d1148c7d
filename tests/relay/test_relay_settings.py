"""The setting ``relay``: mistakes are found when the application starts."""

from typing import Any

import pytest

pytest.importorskip("httpx")

from relays import PROVIDERS, SECRET, Ledger

from hookguard import ConfigurationError, MemoryStore
from hookguard.config import Settings

TARGET = {"url": "https://billing.example/hooks", "secrets": [SECRET]}


def endpoint(relay, **more) -> Any:
    given = {"preset": "stripe", "secrets": [PROVIDERS], "relay": relay, **more}
    return Settings({"endpoints": {"stripe": given}}, where="HOOKGUARD", default_store=MemoryStore).endpoint("stripe")


def with_target(**more):
    return {"targets": {"billing": {**TARGET, **more}}}


def test_relay_brings_an_inbox():
    made = endpoint(with_target())
    assert made.inbox.tries == 24
    assert made.relay.parts == ("billing", "relay")
    assert endpoint(with_target(), inbox={"tries": 3}).inbox.tries == 3


def test_keys_may_be_in_upper_case():
    made = endpoint({"TARGETS": {"Billing": {"URL": TARGET["url"], "SECRETS": [SECRET]}}, "HANDLE": True})
    assert made.relay.parts == ("Billing", "relay", "")


def test_settings_of_connections_hold_for_each_target_without_its_own():
    made = endpoint({"timeout": 3, "targets": {"a": TARGET, "b": {**TARGET, "timeout": 4}}})
    assert [target.reach.timeout for target in made.relay.targets.values()] == [3, 4]


def test_dotted_paths_are_imported():
    made = endpoint({"spread": "relays.everyone", "targets": {"billing": TARGET, "own": {"to": "relays.LEDGER"}}})
    assert made.relay.spread(None, ["a"]) == ["a"]
    assert isinstance(made.relay.targets["own"].to, Ledger)


@pytest.mark.parametrize(
    ("relay", "says"),
    [
        ({}, "targets are missing"),
        ({"targets": {}}, "targets are missing"),
        ({"targets": ["billing"]}, "must map names"),
        ("billing", "give a mapping with targets"),
        ({"targets": {"a.b": TARGET}}, "use letters"),
        ({"targets": {"relay": TARGET}}, "not 'relay'"),
        ({"targets": {"": TARGET}}, "use letters"),
        ({"targets": {"a": "https://billing.example"}}, "give a mapping with its url"),
        ({"targets": {"a": TARGET}, "spraed": "all"}, "did you mean 'spread'"),
        ({"targets": {"a": TARGET}, "spread": "some"}, "choose all, random, weighted, failover"),
        ({"targets": {"a": TARGET}, "handle": "yes"}, "handle is 'yes'"),
        (with_target(url=""), "give its url"),
        (with_target(to=Ledger()), "give its url"),
        (with_target(url="http://billing.example"), "allow_http"),
        (with_target(url="ftp://billing.example"), "amqps://host"),
        (with_target(url="billing.example"), "amqps://host"),
        (with_target(url="https://shop:canary@[::1/hooks"), "is not a URL"),
        (with_target(url="amqps://shop:canary@[::1/shop/events"), "is not a URL"),
        (with_target(url="nats://shop:canary[@nats.example/hooks"), "is not a URL"),
        (with_target(url="nats://shop:canary@nats.example:99999999/hooks"), "is not a URL"),
        (with_target(secrets=None), "secrets are missing"),
        (with_target(secrets=[]), "secrets are missing"),
        (with_target(secrets=["whsec_canary!"]), "not base64"),
        (with_target(secrets=["changeme"]), "placeholder|base64"),
        (with_target(weight=0), "1 to 1000"),
        (with_target(types="invoice.*"), "give a list"),
        (with_target(timeout=0), "more than 0"),
        (with_target(proxy="http://shop:canary/1@proxy.example"), "proxy is not a URL"),
        (with_target(proxy="http://shop:1@/"), "proxy is not a URL"),
        (with_target(allow_networks=["everything"]), "not a network"),
        (with_target(url="http://127.0.0.1:8302/hooks", allow_http=True), "127.0.0.1 in url is not public: set allow_networks"),
        (with_target(url="https://[::1]/hooks"), "not public"),
        (with_target(url="https://169.254.169.254/hooks"), "not public"),
        (with_target(url="https://LocalHost./hooks"), "not public"),
        (with_target(url="https://10.20.1.2/hooks", allow_networks=["10.21.0.0/16"]), "not public"),
        (with_target(tpyes=[]), "did you mean 'types'"),
        ({"targets": {"a": {"to": object()}}}, "no coroutine method send"),
        ({"targets": {"a": {"to": "relays.nothing"}}}, "cannot import"),
    ],
)
def test_mistake_is_found(relay, says):
    with pytest.raises(ConfigurationError, match=says) as caught:
        endpoint(relay)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "https://10.20.1.2/hooks", "allow_networks": ["10.20.0.0/16"]},
        {"url": "https://10.20.1.2/hooks", "proxy": "http://proxy.example:3128"},
        {"url": "https://localhost/hooks", "allow_networks": ["127.0.0.0/8"]},
        {"url": "https://93.184.216.34/hooks"},
        {"url": "https://erp.internal.example/hooks"},
    ],
)
def test_address_that_may_be_connected_to_is_valid(settings):
    assert endpoint(with_target(**settings)).relay.targets


def test_coroutine_function_cannot_spread():
    async def spread(event, names):
        return names

    with pytest.raises(ConfigurationError, match="give a plain one"):
        endpoint({"targets": {"a": TARGET}, "spread": spread})


def test_relay_without_its_inbox_is_a_mistake():
    with pytest.raises(ConfigurationError, match="events wait in the inbox"):
        endpoint(with_target(), inbox=False)


def test_providers_headers_that_the_relay_overwrites_are_a_mistake():
    with pytest.raises(ConfigurationError, match="leave keep_provider_headers out"):
        endpoint({"targets": {"a": TARGET}, "keep_provider_headers": True}, preset="standard-webhooks", secrets=[SECRET])


def test_secrets_are_in_no_text():
    made = endpoint({**with_target(), "proxy": "http://shop:canary@proxy.example:3128"})
    assert SECRET not in repr(made.relay)
    assert "canary" not in repr(made.relay)
