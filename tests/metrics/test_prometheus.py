"""The Prometheus observer counts what really happened: deliveries through Flask, runs by workers, messages of a relay."""

import asyncio
import gc
import subprocess
import sys
import time

import pytest

pytest.importorskip("prometheus_client")
pytest.importorskip("flask")

from metered import OTHER, PARENT, SECRET, deliver, flask_shop, value
from prometheus_client import CollectorRegistry, Counter, generate_latest
from waiting import until, wait_for_autopsies

from hookguard import AsyncGuard, ConfigurationError, Endpoint, Guard, MemoryStore, Tenant, Verifier, presets
from hookguard.metrics.prometheus import PrometheusObserver
from hookguard.relay import rest
from hookguard.testing import work_off


@pytest.fixture
def outcomes():
    return []


@pytest.fixture
def shop(tmp_path, registry, outcomes):
    return flask_shop(tmp_path, [PrometheusObserver(registry), outcomes.append])


@pytest.fixture
def inbox_shop(tmp_path, registry, outcomes):
    return flask_shop(tmp_path, [PrometheusObserver(registry), outcomes.append], inbox={"tries": 3})


def test_every_outcome_of_a_delivery_is_counted(shop, registry):
    assert [deliver(shop), deliver(shop), deliver(shop, "evt_2", OTHER), deliver(shop, "evt_3", status=500)] == [
        200,
        200,
        401,
        500,
    ]

    def count(outcome, reason=""):
        return value(registry, "deliveries_total", endpoint="stripe", provider="stripe", outcome=outcome, reason=reason)

    assert (count("handled"), count("duplicate"), count("failed", "handler_status")) == (1, 1, 1)
    assert count("rejected", "signature_mismatch") == 1
    assert value(registry, "delivery_seconds_count", endpoint="stripe", outcome="handled") == 1
    assert value(registry, "delivery_seconds_sum", endpoint="stripe", outcome="handled") > 0


def test_only_verified_deliveries_have_a_size_and_an_age(shop, registry):
    deliver(shop, padding="x" * 5000, timestamp=time.time() - 30)
    deliver(shop, "evt_2", OTHER, padding="x" * 50_000)
    assert value(registry, "body_bytes_count", endpoint="stripe") == 1
    assert 5000 < value(registry, "body_bytes_sum", endpoint="stripe") < 5200
    assert value(registry, "signature_age_seconds_bucket", endpoint="stripe", le="15.0") == 0
    assert value(registry, "signature_age_seconds_bucket", endpoint="stripe", le="300.0") == 1


def test_the_secret_that_matched_is_counted_by_its_name(shop, registry):
    began = time.time()
    for number in range(3):
        deliver(shop, f"evt_{number}")
    [sample] = [each for family in registry.collect() for each in family.samples if each.name == "hookguard_secret_matches_total"]
    assert (sample.labels["endpoint"], sample.value) == ("stripe", 3)
    assert SECRET not in sample.labels["secret"]
    last = value(registry, "secret_last_match_timestamp_seconds", **sample.labels)
    assert began <= last <= time.time()


def test_a_tenant_is_a_label_only_if_it_is_asked_for(registry):
    named = CollectorRegistry()
    endpoint = Endpoint(
        Verifier("stripe", lambda name, delivery: Tenant("tenant-a", [SECRET])),
        name="shop",
        observers=[PrometheusObserver(registry), PrometheusObserver(named, tenant_label=True)],
    )
    Guard(endpoint, MemoryStore()).run(presets.STRIPE.sign(b'{"id": "evt_1"}', SECRET), lambda event: None)
    assert b"tenant-a" not in generate_latest(registry)
    labels = {"endpoint": "shop", "provider": "stripe", "outcome": "handled", "reason": "", "tenant": "tenant-a"}
    assert value(named, "deliveries_total", **labels) == 1
    assert b"hookguard_secret_matches_total{" not in generate_latest(registry) + generate_latest(named)


def test_an_async_guard_is_measured_as_well(registry):
    endpoint = Endpoint(Verifier("stripe", SECRET), name="shop", observers=[PrometheusObserver(registry)])
    asyncio.run(AsyncGuard(endpoint, MemoryStore()).run(presets.STRIPE.sign(b'{"id": "evt_1"}', SECRET), lambda event: 204))
    labels = {"endpoint": "shop", "provider": "stripe", "outcome": "handled", "reason": ""}
    assert value(registry, "deliveries_total", **labels) == 1


def test_a_worker_counts_runs_and_no_deliveries(inbox_shop, registry, outcomes):
    assert deliver(inbox_shop) == 200
    assert deliver(inbox_shop, "evt_2", status=500) == 200
    work_off(inbox_shop)

    def runs(outcome):
        return value(registry, "inbox_runs_total", endpoint="stripe", part="", outcome=outcome)

    assert (runs("handled"), runs("failed"), runs("dead")) == (1, 2, 1)
    assert value(registry, "inbox_run_seconds_count", endpoint="stripe", part="") == 4
    assert value(registry, "inbox_lag_seconds_count", endpoint="stripe", part="") == 2  # the first runs
    delivered = [
        each.value for family in registry.collect() for each in family.samples if each.name == "hookguard_deliveries_total"
    ]
    assert sum(delivered) == 2
    assert [each.by_worker for each in outcomes] == [False, False, True, True, True, True]


def test_an_outcome_has_the_trace_context_of_a_verified_delivery_alone(inbox_shop, outcomes):
    deliver(inbox_shop, headers={"traceparent": PARENT})
    deliver(inbox_shop, "evt_2", OTHER, headers={"traceparent": PARENT})
    work_off(inbox_shop)
    assert [each.traceparent for each in outcomes] == [PARENT, "", PARENT]


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "x",
        PARENT.upper(),
        PARENT[:-1],
        f"{PARENT}-x",
        f"ff{PARENT[2:]}",
        f"00-{'0' * 32}-{'1' * 16}-01",
        f"00-{'1' * 32}-{'0' * 16}-01",
    ],
)
def test_a_malformed_trace_context_is_left_out(shop, outcomes, wrong):
    assert deliver(shop, headers={"traceparent": wrong}) == 200
    assert outcomes[0].traceparent == ""


def test_a_relay_counts_its_messages_and_the_target_that_rests(tmp_path, registry):
    pytest.importorskip("httpx")
    pytest.importorskip("uvicorn")
    from receiving import receiver
    from relays import Shop, to

    with receiver() as one, receiver() as two:
        one.answers.extend([500] * rest.FAILURES)
        # No failed message is tried again before the last has failed: its success would end the rest.
        later = {"first": 3, "longest_wait": 3}
        targets = {"billing": to(one), "audit": to(two)}
        made = Shop(tmp_path, targets, inbox=later, observers=[PrometheusObserver(registry)])

        def sent(target, outcome):
            return value(registry, "relay_sends_total", endpoint="stripe", target=target, outcome=outcome)

        def resting(target):
            return value(registry, "relay_resting", endpoint="stripe", target=target)

        for number in range(rest.FAILURES):
            made.deliver(number)
        with made.working():
            assert until(lambda: sent("billing", "target_status") == rest.FAILURES and sent("audit", "sent") == rest.FAILURES)
            assert (resting("billing"), resting("audit")) == (1, 0)
        made.work()  # another worker, which has not seen it fail
        assert sent("billing", "sent") == rest.FAILURES
        assert (resting("billing"), resting("audit")) == (0, 0)
        assert value(registry, "relay_send_seconds_count", endpoint="stripe", target="billing") == 2 * rest.FAILURES
        made.close()


def test_an_observer_that_raises_does_not_stop_a_relay(tmp_path, caplog):
    pytest.importorskip("httpx")
    pytest.importorskip("uvicorn")
    from receiving import receiver
    from relays import Shop, to

    class Broken:
        def __call__(self, outcome):
            pass

        def sent(self, endpoint, provider, attempt):
            raise ValueError("metrics are down")

    with receiver() as one:
        made = Shop(tmp_path, {"billing": to(one)}, observers=[Broken()])
        made.deliver(1)
        made.work()
        assert len(one.seen) == 1
        made.close()
    assert "an observer of what a relay sends raised" in caplog.text


def test_an_autopsy_is_counted_by_its_likeliest_cause(shop, registry):
    wait_for_autopsies()
    deliver(shop, "evt_1", OTHER)  # GitHub's
    labels = {"endpoint": "stripe", "cause": "other_endpoint", "kind": "proved"}
    assert until(lambda: value(registry, "autopsies_total", **labels) == 1), generate_latest(registry)
    assert value(registry, "autopsy_seconds_count") == 1


def test_rejections_that_are_not_examined_are_counted(shop, registry):
    gc.collect()  # endpoints of earlier tests, and what they skipped
    before = value(registry, "autopsies_skipped_total", why="bucket")
    for number in range(50):
        deliver(shop, f"evt_{number}", OTHER)
    assert value(registry, "autopsies_skipped_total", why="bucket") >= before + 40


def test_two_observers_share_the_metrics_of_one_registry(tmp_path, registry):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        deliver(flask_shop(tmp_path / name, [PrometheusObserver(registry)]))
    labels = {"endpoint": "stripe", "provider": "stripe", "outcome": "handled", "reason": ""}
    assert value(registry, "deliveries_total", **labels) == 2


def test_observers_that_disagree_about_tenants_need_a_registry_each(registry):
    PrometheusObserver(registry)
    with pytest.raises(ConfigurationError, match="tenant_label is True"):
        PrometheusObserver(registry, tenant_label=True)


def test_a_name_that_is_taken_is_a_mistake_in_the_configuration(registry):
    Counter("hookguard_deliveries", "mine", registry=registry)
    with pytest.raises(ConfigurationError, match="registry: it has a metric of this name"):
        PrometheusObserver(registry)


@pytest.mark.parametrize(
    ("package", "module", "extra"),
    [
        ("prometheus_client", "prometheus", "metrics"),
        ("prometheus_client", "inbox", "metrics"),
        ("opentelemetry", "opentelemetry", "otel"),
    ],
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(package, module, extra):
    code = f"import sys; sys.modules[{package!r}] = None; import hookguard.metrics.{module}"
    failed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"pip install 'hookguard-webhooks[{extra}]'" in failed.stderr.splitlines()[-1]
