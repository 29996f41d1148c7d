"""The OpenTelemetry observer makes a span and a measurement of each delivery, run and message, by the SDK's own exporters."""

import time
from types import SimpleNamespace

import pytest

pytest.importorskip("opentelemetry.sdk", reason="pip install opentelemetry-sdk")
pytest.importorskip("flask")

from metered import OTHER, PARENT, SECRET, deliver, flask_shop
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from waiting import until, wait_for_autopsies

from hookguard import Endpoint, Guard, MemoryStore, Tenant, Verifier, presets
from hookguard.metrics.opentelemetry import OpenTelemetryObserver
from hookguard.testing import work_off


@pytest.fixture
def telemetry():
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers, meters = TracerProvider(shutdown_on_exit=False), MeterProvider([reader], shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(exporter))

    def points():
        data = reader.get_metrics_data()
        return {
            metric.name: list(metric.data.data_points)
            for resource in (data.resource_metrics if data is not None else [])
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    yield SimpleNamespace(
        observer=OpenTelemetryObserver(tracer_provider=tracers, meter_provider=meters),
        options={"tracer_provider": tracers, "meter_provider": meters},
        tracer=tracers.get_tracer("the web framework"),
        spans=exporter.get_finished_spans,
        points=points,
    )
    tracers.shutdown()
    meters.shutdown()


def test_a_delivery_is_one_span_with_its_times(tmp_path, telemetry):
    app = flask_shop(tmp_path, [telemetry.observer])
    began = time.time_ns()
    with telemetry.tracer.start_as_current_span("POST /hooks/stripe") as request:
        deliver(app)
    [span] = [each for each in telemetry.spans() if each.name == "process stripe"]
    assert span.kind is SpanKind.CONSUMER
    assert (span.parent.span_id, span.context.trace_id) == (request.context.span_id, request.context.trace_id)
    assert began <= span.start_time < span.end_time <= time.time_ns()
    assert (span.links, span.status.status_code) == ((), StatusCode.UNSET)
    attributes = dict(span.attributes)
    assert attributes.pop("messaging.message.body.size") > 0
    assert attributes.pop("hookguard.secret")
    assert attributes == {
        "messaging.system": "webhook",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "stripe",
        "messaging.message.id": "evt_1",
        "hookguard.provider": "stripe",
        "hookguard.outcome": "handled",
        "hookguard.attempt": 1,
        "http.response.status_code": 200,
    }
    [point] = telemetry.points()["messaging.process.duration"]
    assert (point.count, point.attributes["hookguard.outcome"]) == (1, "handled")
    assert point.explicit_bounds[0] == 0.005
    assert "messaging.message.id" not in point.attributes


def test_the_senders_trace_is_linked_after_verification_and_never_the_parent(tmp_path, telemetry):
    app = flask_shop(tmp_path, [telemetry.observer])
    deliver(app, headers={"traceparent": PARENT})
    deliver(app, "evt_2", OTHER, headers={"traceparent": PARENT})
    handled, rejected = telemetry.spans()
    [link] = handled.links
    assert f"{link.context.trace_id:032x}-{link.context.span_id:016x}" == PARENT[3:52]
    assert (link.context.is_remote, int(link.context.trace_flags)) == (True, 1)
    assert handled.context.trace_id != link.context.trace_id
    assert handled.parent is None
    assert (rejected.links, rejected.parent) == ((), None)


def test_a_rejection_has_its_code_and_its_span_has_no_error_status(tmp_path, telemetry):
    app = flask_shop(tmp_path, [telemetry.observer])
    deliver(app, secret=OTHER)
    deliver(app, "evt_2", status=500)
    rejected, failed = telemetry.spans()
    assert (rejected.attributes["error.type"], rejected.status.status_code) == ("signature_mismatch", StatusCode.UNSET)
    assert not {"messaging.message.id", "messaging.message.body.size", "hookguard.secret"} & rejected.attributes.keys()
    assert (failed.attributes["error.type"], failed.status.status_code) == ("handler_status", StatusCode.ERROR)
    assert failed.status.description is None


def test_a_run_is_a_span_of_its_own_that_links_to_the_delivery(tmp_path, telemetry):
    app = flask_shop(tmp_path, [telemetry.observer], inbox=True)
    deliver(app, headers={"traceparent": PARENT})
    with telemetry.tracer.start_as_current_span("something else"):
        work_off(app)
    stored, run, _ = telemetry.spans()
    assert (stored.attributes["hookguard.outcome"], run.attributes["hookguard.outcome"]) == ("stored", "handled")
    assert run.parent is None
    assert [f"{link.context.trace_id:032x}" for link in run.links] == [PARENT[3:35]]
    assert [point.count for point in telemetry.points()["hookguard.inbox.lag"]] == [1]


def test_a_relays_message_is_a_client_span(tmp_path, telemetry):
    pytest.importorskip("httpx")
    pytest.importorskip("uvicorn")
    from receiving import receiver
    from relays import Shop, to

    with receiver() as one:
        one.answers.append(503)
        made = Shop(tmp_path, {"billing": to(one)}, observers=[telemetry.observer])
        made.deliver(1, traceparent=PARENT)
        made.work()
        made.close()
    failed, sent = [span for span in telemetry.spans() if span.name == "send billing"]
    assert (failed.kind, failed.status.status_code, failed.attributes["error.type"]) == (
        SpanKind.CLIENT,
        StatusCode.ERROR,
        "target_status",
    )
    assert (failed.attributes["http.response.status_code"], sent.attributes["http.response.status_code"]) == (503, 200)
    assert [f"{link.context.trace_id:032x}" for link in sent.links] == [PARENT[3:35]]
    assert sum(point.count for point in telemetry.points()["messaging.client.operation.duration"]) == 2


def test_an_autopsy_is_counted(tmp_path, telemetry):
    app = flask_shop(tmp_path, [telemetry.observer])
    wait_for_autopsies()
    deliver(app, secret=OTHER)  # GitHub's
    assert until(lambda: "hookguard.autopsies" in telemetry.points())
    [point] = telemetry.points()["hookguard.autopsies"]
    assert dict(point.attributes) == {
        "messaging.destination.name": "stripe",
        "hookguard.cause": "other_endpoint",
        "hookguard.kind": "proved",
    }


def test_a_tenant_is_named_only_if_that_is_asked_for(telemetry):
    for options in ({}, {"tenant_attribute": True}):
        verifier = Verifier("stripe", lambda name, delivery: Tenant("tenant-a", [SECRET]))
        endpoint = Endpoint(verifier, name="shop", observers=[OpenTelemetryObserver(**telemetry.options, **options)])
        Guard(endpoint, MemoryStore()).run(presets.STRIPE.sign(b'{"id": "evt_1"}', SECRET), lambda event: None)
    silent, named = telemetry.spans()
    assert "tenant-a" not in str(silent.attributes)
    assert named.attributes["hookguard.tenant"] == "tenant-a"
    assert "tenant-a" not in str(telemetry.points())


def test_without_a_provider_nothing_is_recorded_and_nothing_fails(tmp_path):
    assert deliver(flask_shop(tmp_path, [OpenTelemetryObserver()])) == 200
