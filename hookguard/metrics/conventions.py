"""Names of OpenTelemetry's conventions for messaging, which are still in development, and our own beside them."""

from __future__ import annotations

from typing import Final

__all__ = [
    "ATTEMPT",
    "BODY_SIZE",
    "BUCKETS",
    "CAUSE",
    "DESTINATION",
    "ENDPOINT",
    "ERROR_TYPE",
    "KIND",
    "MESSAGE_ID",
    "OPERATION",
    "OPERATION_DURATION",
    "OPERATION_TYPE",
    "OUTCOME",
    "PART",
    "PROCESS_DURATION",
    "PROVIDER",
    "SECRET",
    "STATUS",
    "SYSTEM",
    "TENANT",
    "WEBHOOK",
]

# From https://opentelemetry.io/docs/specs/semconv/messaging/, as of version 1.37.
SYSTEM: Final = "messaging.system"
OPERATION: Final = "messaging.operation.name"
OPERATION_TYPE: Final = "messaging.operation.type"
DESTINATION: Final = "messaging.destination.name"
MESSAGE_ID: Final = "messaging.message.id"
BODY_SIZE: Final = "messaging.message.body.size"
ERROR_TYPE: Final = "error.type"
STATUS: Final = "http.response.status_code"
PROCESS_DURATION: Final = "messaging.process.duration"
OPERATION_DURATION: Final = "messaging.client.operation.duration"

#: The convention's buckets of a duration, in seconds.
BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)

#: Our value of ``messaging.system``: the convention lets a system that it does not list name itself.
WEBHOOK: Final = "webhook"

# Ours.
ENDPOINT: Final = "hookguard.endpoint"
PROVIDER: Final = "hookguard.provider"
OUTCOME: Final = "hookguard.outcome"
ATTEMPT: Final = "hookguard.attempt"
SECRET: Final = "hookguard.secret"  # noqa: S105 - the name of an attribute
PART: Final = "hookguard.part"
TENANT: Final = "hookguard.tenant"
CAUSE: Final = "hookguard.cause"
KIND: Final = "hookguard.kind"
