"""Metrics and traces of deliveries, as observers: for Prometheus and for OpenTelemetry. Each needs its extra."""
