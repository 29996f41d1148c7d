"""Spans and metrics for OpenTelemetry: an observer that reports each outcome after it is known.

A span has the times of its delivery, and is made when that has ended: nothing is added to the delivery's way. So the spans of a
handler are not below it, but beside it, below the span of the HTTP request. Attributes are configuration, words of our own and
the event's id; never a body, a header, a type or a reason's text, which may quote what a handler raised.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from hookguard.metrics import conventions as names
from hookguard.outcome import Outcome, OutcomeName
from hookguard.version import __version__

try:
    from opentelemetry import metrics, trace
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
except ImportError:
    raise ImportError("hookguard.metrics.opentelemetry needs opentelemetry-api: pip install 'hookguard-webhooks[otel]'") from None

if TYPE_CHECKING:
    from hookguard.autopsy import Autopsy
    from hookguard.relay.shipping import Attempt

__all__ = ["OpenTelemetryObserver"]

#: Outcomes that are an error of ours. A rejected delivery is one of its sender's: the receiver did what it should.
_ERRORS: Final[frozenset[OutcomeName]] = frozenset(
    {"failed", "dead", "lease_lost", "abandoned", "unavailable", "overloaded"}
)  # fmt: skip

#: Seconds from the answer to the first run.
_LAGS: Final = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1_800.0, 7_200.0, 21_600.0, 86_400.0)

_Attributes = dict[str, str | int]


class OpenTelemetryObserver:
    """Give it to ``observers``. Without providers it uses the global ones, which may be set later.

    With ``tenant_attribute`` the spans name the tenant; metrics never do.
    """

    def __init__(
        self,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
        tenant_attribute: bool = False,
    ) -> None:
        self._tenant_attribute = tenant_attribute
        self._tracer = trace.get_tracer("hookguard", __version__, tracer_provider)
        meter = metrics.get_meter("hookguard", __version__, meter_provider)

        def histogram(name: str, text: str, buckets: tuple[float, ...] = names.BUCKETS) -> metrics.Histogram:
            return meter.create_histogram(name, unit="s", description=text, explicit_bucket_boundaries_advisory=buckets)

        self._processing = histogram(names.PROCESS_DURATION, "Duration of a delivery, or of a worker's run")
        self._sending = histogram(names.OPERATION_DURATION, "Duration of one message of a relay")
        self._lag = histogram("hookguard.inbox.lag", "Time from the answer to the first run", _LAGS)
        self._autopsies = meter.create_counter(
            "hookguard.autopsies", unit="{delivery}", description="Examined rejections, by the likeliest cause"
        )

    def __call__(self, outcome: Outcome) -> None:
        """Report one outcome."""
        measured = _measured(outcome)
        self._processing.record(outcome.duration, measured)
        if outcome.lag is not None:
            self._lag.record(outcome.lag, {names.DESTINATION: outcome.endpoint, names.PART: outcome.part})
        self._report(
            f"process {outcome.endpoint}",
            SpanKind.CONSUMER,
            {**measured, **self._described(outcome)},
            outcome.duration,
            outcome.traceparent,
            # A run may come days later, and its worker has no request. A delivery is a part of the current one.
            Context() if outcome.by_worker else None,
            failed=outcome.outcome in _ERRORS,
        )

    def explained(self, endpoint: str, provider: str, mark: str, autopsy: Autopsy) -> None:
        """Count an autopsy by its likeliest cause."""
        first = autopsy.findings[0]
        self._autopsies.add(1, {names.DESTINATION: endpoint, names.CAUSE: first.code, names.KIND: first.kind})

    def sent(self, endpoint: str, provider: str, attempt: Attempt) -> None:
        """Report one message of a relay."""
        attributes: _Attributes = {
            names.SYSTEM: names.WEBHOOK,
            names.OPERATION: "send",
            names.OPERATION_TYPE: "send",
            names.DESTINATION: attempt.target,
            names.ENDPOINT: endpoint,
        }
        if attempt.outcome != "sent":
            attributes[names.ERROR_TYPE] = attempt.outcome
        if attempt.status is not None:
            attributes[names.STATUS] = attempt.status
        self._sending.record(attempt.duration, attributes)
        self._report(
            f"send {attempt.target}",
            SpanKind.CLIENT,
            attributes,
            attempt.duration,
            attempt.traceparent,
            Context(),
            failed=attempt.outcome != "sent",
        )

    def _described(self, outcome: Outcome) -> _Attributes:
        """Return the attributes of a span that would be too many time series for a metric."""
        found: _Attributes = {}
        if outcome.event_id:
            found[names.MESSAGE_ID] = outcome.event_id
        if outcome.size is not None:
            found[names.BODY_SIZE] = outcome.size
        if outcome.attempt:
            found[names.ATTEMPT] = outcome.attempt
        if outcome.secret and not outcome.tenant:  # the names of a tenant's secrets may name the tenant
            found[names.SECRET] = outcome.secret
        if outcome.tenant and self._tenant_attribute:
            found[names.TENANT] = outcome.tenant
        if outcome.status is not None:
            found[names.STATUS] = outcome.status
        return found

    def _report(
        self,
        name: str,
        kind: SpanKind,
        attributes: _Attributes,
        duration: float,
        traceparent: str,
        context: Context | None,
        *,
        failed: bool,
    ) -> None:
        """Make a span that ends now. A delivery's own trace is only linked: its sender must not choose ours."""
        now = time.time_ns()
        began = now - int(duration * 1e9)
        links = [_link(traceparent)] if traceparent else None
        span = self._tracer.start_span(name, context, kind, attributes, links, began)
        if failed:
            span.set_status(Status(StatusCode.ERROR))
        span.end(now)


def _measured(outcome: Outcome) -> _Attributes:
    """Return the attributes that a metric may have: few values each."""
    attributes: _Attributes = {
        names.SYSTEM: names.WEBHOOK,
        names.OPERATION: "process",
        names.OPERATION_TYPE: "process",
        names.DESTINATION: outcome.endpoint,
        names.PROVIDER: outcome.provider,
        names.OUTCOME: outcome.outcome,
    }
    if outcome.part:
        attributes[names.PART] = outcome.part
    if outcome.reason_code or outcome.outcome in _ERRORS:
        attributes[names.ERROR_TYPE] = outcome.reason_code or outcome.outcome
    return attributes


def _link(traceparent: str) -> Link:
    """Return a link to the span that a valid header names."""
    _, trace_id, span_id, flags = traceparent.split("-")
    return Link(SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16))))
