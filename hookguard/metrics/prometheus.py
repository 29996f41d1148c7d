"""Metrics for Prometheus: an observer that counts and measures outcomes, autopsies and what a relay sends.

Labels are configuration and words of our own, never a part of a delivery. Otherwise a sender could make time series, and what it
sends would be shown to everybody who may see metrics.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import WeakKeyDictionary

from hookguard.errors import ConfigurationError
from hookguard.guard.autopsies import skipped
from hookguard.outcome import Outcome
from hookguard.process.locks import Lock

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, Metric
    from prometheus_client.core import CounterMetricFamily
    from prometheus_client.registry import Collector
except ImportError:
    raise ImportError("hookguard.metrics.prometheus needs prometheus-client: pip install 'hookguard-webhooks[metrics]'") from None

if TYPE_CHECKING:
    from hookguard.autopsy import Autopsy
    from hookguard.relay.shipping import Attempt

__all__ = ["PrometheusObserver"]

#: Upper bounds of buckets: seconds of a delivery or a run, seconds from the answer to the first run, bytes, and seconds from the
#: signed timestamp to the arrival, which are negative if the sender's clock is ahead.
SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LAGS: Final = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1_800.0, 7_200.0, 21_600.0, 86_400.0)
BYTES: Final = (256, 1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 23)
AGES: Final = (-300.0, -60.0, -5.0, 0.0, 1.0, 5.0, 15.0, 60.0, 300.0, 3_600.0, 86_400.0)


class PrometheusObserver:
    """Give it to ``observers``. Several with one registry share its metrics, so that an application may be made twice.

    ``registry`` is prometheus-client's usual one by default. ``tenant_label`` adds the label ``tenant`` to the two counters of
    deliveries and runs; each tenant is a time series then. Raises ConfigurationError.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY, *, tenant_label: bool = False) -> None:
        self.registry = registry
        self._tenant_label = tenant_label
        self._metrics = _metrics_in(registry, tenant_label=tenant_label)
        # Finding the time series of some labels takes longer than counting.
        self._deliveries: dict[tuple[str, ...], Callable[[Outcome], None]] = {}

    def __call__(self, outcome: Outcome) -> None:
        """Count one outcome."""
        tenant = outcome.tenant if self._tenant_label else ""
        where = outcome.part if outcome.by_worker else outcome.provider
        labels = ("run" if outcome.by_worker else "", outcome.endpoint, where, outcome.outcome, outcome.reason_code, tenant)
        count = self._deliveries.get(labels)
        if count is None:
            make = self._metrics.run if outcome.by_worker else self._metrics.delivery
            count = self._deliveries[labels] = make(outcome, (tenant,) if self._tenant_label else ())
        count(outcome)
        # The names of a tenant's secrets come from the lookup, and are as many as tenants.
        if outcome.secret and not outcome.tenant and not outcome.by_worker:
            self._metrics.secret_matched(outcome.endpoint, outcome.secret)

    def explained(self, endpoint: str, provider: str, mark: str, autopsy: Autopsy) -> None:
        """Count an autopsy by its likeliest cause."""
        first = autopsy.findings[0]
        self._metrics.autopsies.labels(endpoint, first.code, first.kind).inc()
        self._metrics.autopsy_seconds.observe(autopsy.seconds)

    def sent(self, endpoint: str, provider: str, attempt: Attempt) -> None:
        """Count what a relay sent, and note whether its target rests."""
        self._metrics.resting.labels(endpoint, attempt.target).set(attempt.resting)
        self._metrics.sends.labels(endpoint, attempt.target, attempt.outcome).inc()
        self._metrics.send_seconds.labels(endpoint, attempt.target).observe(attempt.duration)


class _Matches(NamedTuple):
    """The time series of one secret."""

    inc: Callable[[], None]
    note: Callable[[float], None]


class _Metrics:
    """The metrics in one registry."""

    def __init__(self, registry: CollectorRegistry, *, tenant_label: bool) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"hookguard_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"hookguard_{name}", text, labels, registry=registry, buckets=buckets)

        self.tenant_label = tenant_label
        tenant = ("tenant",) if tenant_label else ()
        self.deliveries = counter(
            "deliveries", "Events and rejected deliveries, by outcome", "endpoint", "provider", "outcome", "reason", *tenant
        )
        self.delivery_seconds = histogram(
            "delivery_seconds", "Seconds from the first check to the answer", SECONDS, "endpoint", "outcome"
        )
        self.body_bytes = histogram("body_bytes", "Bytes of a verified body", BYTES, "endpoint")
        self.age = histogram(
            "signature_age_seconds", "Seconds from the signed timestamp to the arrival of a verified delivery", AGES, "endpoint"
        )
        self.matches = counter("secret_matches", "Verified events, by the secret that matched", "endpoint", "secret")
        self.last_match = Gauge(
            "hookguard_secret_last_match_timestamp_seconds",
            "When a secret last matched, in seconds since 1970",
            ("endpoint", "secret"),
            registry=registry,
            multiprocess_mode="max",
        )
        self.runs = counter("inbox_runs", "Runs of inbox entries by workers", "endpoint", "part", "outcome", *tenant)
        self.run_seconds = histogram("inbox_run_seconds", "Seconds of a worker's run", SECONDS, "endpoint", "part")
        self.lag = histogram("inbox_lag_seconds", "Seconds from the answer to the first run", LAGS, "endpoint", "part")
        self.sends = counter("relay_sends", "Messages to a relay's targets, by outcome", "endpoint", "target", "outcome")
        self.send_seconds = histogram("relay_send_seconds", "Seconds of one message", SECONDS, "endpoint", "target")
        self.resting = Gauge(
            "hookguard_relay_resting",
            "1 from the rest of a target to the next message that arrives, otherwise 0",
            ("endpoint", "target"),
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.autopsies = counter("autopsies", "Examined rejections, by the likeliest cause", "endpoint", "cause", "kind")
        self.autopsy_seconds = histogram("autopsy_seconds", "Seconds of processor time of an autopsy", SECONDS)
        registry.register(_Skipped())
        self._secrets: dict[tuple[str, str], _Matches] = {}

    def delivery(self, outcome: Outcome, tenant: tuple[str, ...]) -> Callable[[Outcome], None]:
        """Return what counts the outcomes of deliveries with these labels."""
        name, endpoint = outcome.outcome, outcome.endpoint
        count = self.deliveries.labels(endpoint, outcome.provider, name, outcome.reason_code, *tenant).inc
        took = self.delivery_seconds.labels(endpoint, name).observe
        size, age = self.body_bytes.labels(endpoint).observe, self.age.labels(endpoint).observe

        def note(outcome: Outcome) -> None:
            count()
            took(outcome.duration)
            if outcome.size is not None:
                size(outcome.size)
            if outcome.age is not None:
                age(outcome.age)

        return note

    def run(self, outcome: Outcome, tenant: tuple[str, ...]) -> Callable[[Outcome], None]:
        """Return what counts the outcomes of runs with these labels."""
        endpoint, part = outcome.endpoint, outcome.part
        count = self.runs.labels(endpoint, part, outcome.outcome, *tenant).inc
        took, lag = self.run_seconds.labels(endpoint, part).observe, self.lag.labels(endpoint, part).observe

        def note(outcome: Outcome) -> None:
            count()
            took(outcome.duration)
            if outcome.lag is not None:
                lag(outcome.lag)

        return note

    def secret_matched(self, endpoint: str, name: str) -> None:
        """Count a match of a secret, and note the time."""
        matches = self._secrets.get((endpoint, name))
        if matches is None:
            found = _Matches(self.matches.labels(endpoint, name).inc, self.last_match.labels(endpoint, name).set)
            matches = self._secrets[endpoint, name] = found
        matches.inc()
        matches.note(time.time())


class _Skipped(Collector):
    """Counts the rejected deliveries that this process did not examine. It asks when it is scraped: a flood ends before that."""

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily("hookguard_autopsies_skipped", "Rejections that were not examined, by why", labels=["why"])
        for why, number in skipped().items():
            family.add_metric([why], number)
        yield family


_made: Final[WeakKeyDictionary[CollectorRegistry, _Metrics]] = WeakKeyDictionary()
_making: Final = Lock()


def _metrics_in(registry: CollectorRegistry, *, tenant_label: bool) -> _Metrics:
    """Return the metrics of a registry, made at the first call."""
    with _making:
        found = _made.get(registry)
        if found is None:
            try:
                found = _made[registry] = _Metrics(registry, tenant_label=tenant_label)
            except ValueError as error:
                raise ConfigurationError(f"registry: it has a metric of this name already: {error}") from None
    if found.tenant_label != tenant_label:
        raise ConfigurationError(
            f"tenant_label is {tenant_label}, and another observer with this registry has {found.tenant_label}: give both the"
            " same, or a registry each"
        )
    return found
