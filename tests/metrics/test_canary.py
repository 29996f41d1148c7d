"""Marked values of a delivery, in every place that a sender can fill, appear in no metric and in no span."""

import json

import pytest

pytest.importorskip("prometheus_client")
pytest.importorskip("opentelemetry.sdk", reason="pip install opentelemetry-sdk")
pytest.importorskip("flask")
pytest.importorskip("httpx")
pytest.importorskip("uvicorn")

from metered import opened, store_of
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest
from receiving import receiver
from relays import HERE, PROVIDERS, to
from waiting import until

from hookguard import Tenant, presets
from hookguard.metrics.inbox import InboxCollector
from hookguard.metrics.opentelemetry import OpenTelemetryObserver
from hookguard.metrics.prometheus import PrometheusObserver
from hookguard.testing import work_off

CANARIES = {
    "body": "canary-body",
    "card": "4242424242424242",
    "header": "canary-header",
    "query": "canary-query",
    "type": "canary-type",
    "tenant": "canary-tenant",
    "exception": "canary-exception",
    "agent": "canary-agent",
}
SECRETS = {"one": "whsec_canary-secret-0123456789", "tenant's": "whsec_canary-other-0123456789", "provider's": PROVIDERS}


@pytest.fixture
def telemetry():
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers, meters = TracerProvider(shutdown_on_exit=False), MeterProvider([reader], shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    observer = OpenTelemetryObserver(tracer_provider=tracers, meter_provider=meters)
    yield (
        observer,
        lambda: [span.to_json() for span in exporter.get_finished_spans()],
        lambda: reader.get_metrics_data().to_json(),
    )
    tracers.shutdown()
    meters.shutdown()


def shop(folder, observers, one):
    from flask import Flask

    from hookguard_flask import HookGuard

    app = Flask("shop", instance_path=str(folder))
    app.config["HOOKGUARD"] = {
        "endpoints": {
            "direct": {"preset": "stripe", "secrets": [SECRETS["one"]]},
            "tenants": {"preset": "stripe", "secrets": {"lookup": lambda name, delivery: tenant()}},
            "stored": {"preset": "stripe", "secrets": [SECRETS["one"]], "inbox": {"tries": 2}},
            "passed": {
                "preset": "stripe",
                "secrets": [SECRETS["one"]],
                "inbox": {"tries": 2},
                "relay": {**HERE, "targets": {"billing": to(one)}},
            },
        },
        "store": f"sqlite:///{folder}/canary.sqlite3",
        "observers": observers,
    }
    hooks = HookGuard(app)
    opened.append(store_of(app))

    def handle():
        raise ValueError(CANARIES["exception"])

    for name in ("direct", "tenants", "stored"):
        app.add_url_rule(f"/{name}", name, hooks.guard(name)(handle), methods=["POST"])
    app.add_url_rule("/passed", "passed", hooks.relay("passed"), methods=["POST"])
    return app


def tenant():
    return Tenant(CANARIES["tenant"], [SECRETS["tenant's"]])


def signed(number, secret):
    body = {"id": f"evt_{number}", "type": CANARIES["type"], "text": CANARIES["body"], "card": CANARIES["card"]}
    return presets.STRIPE.sign(json.dumps(body).encode(), secret)


def test_nothing_of_a_delivery_is_in_a_metric_or_a_span(tmp_path, telemetry, caplog):
    observer, spans, points = telemetry
    registry = CollectorRegistry()
    signatures = []
    with receiver() as one:
        app = shop(tmp_path, [PrometheusObserver(registry), observer], one)
        registry.register(InboxCollector(store_of(app)))
        for number, (name, secret) in enumerate([
            ("direct", SECRETS["one"]), ("direct", SECRETS["provider's"]), ("tenants", SECRETS["tenant's"]),
            ("tenants", SECRETS["provider's"]), ("stored", SECRETS["one"]), ("passed", SECRETS["one"]),
        ]):  # fmt: skip
            delivery = signed(number, secret)
            signatures.append(delivery.headers["stripe-signature"].rpartition("=")[2])
            app.test_client().post(
                f"/{name}?token={CANARIES['query']}",
                data=delivery.body,
                headers={
                    **dict(delivery.headers.items()),
                    "Content-Type": "application/json",
                    "X-Marked": CANARIES["header"],
                    "User-Agent": CANARIES["agent"],
                    "traceparent": CANARIES["header"],
                },
            )
        work_off(app)
        assert len(one.seen) == 1
    assert until(lambda: b"hookguard_autopsies_total{" in generate_latest(registry))
    assert "an observer of" not in caplog.text, "one that raises shows nothing"
    shown = generate_latest(registry).decode() + "".join(spans()) + points()
    # The control: all of them were measured, and the event's id is in the spans.
    for present in (
        "evt_4", "send billing", "signature_mismatch", "handler_raised", 'part="billing"', 'endpoint="tenants"', 'state="dead"'
    ):  # fmt: skip
        assert present in shown, present
    for what, marked in {**CANARIES, **SECRETS, **{f"signature {n}": text for n, text in enumerate(signatures)}}.items():
        assert marked not in shown, what
