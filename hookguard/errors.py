"""Every error hookguard raises. This module imports nothing of the package.

::

    HookguardError
    ├── ConfigurationError             found when the object is constructed, never at a delivery
    │   └── StoreMisconfigured         503 when it shows late; also a StoreError
    ├── Rejected                       a delivery is refused; .status is the HTTP status, .code the reason
    │   ├── MethodNotAllowed           405
    │   ├── BodyTooLarge               413
    │   ├── LengthRequired             411
    │   ├── UnsupportedEncoding        415
    │   ├── SourceRejected             403
    │   │   ├── InsecureTransport      403
    │   │   └── AddressNotAllowed      403
    │   ├── MalformedDelivery          400
    │   │   ├── MalformedHeader        400
    │   │   ├── AmbiguousHeader        400
    │   │   ├── TruncatedBody          400
    │   │   ├── MalformedBody          400
    │   │   └── MissingEventId         400
    │   ├── SignatureRejected          401
    │   │   ├── MissingSignature       401
    │   │   ├── MalformedSignature     401
    │   │   ├── SignatureMismatch      401
    │   │   ├── UntrustedKeySource     401
    │   │   ├── UnknownKey             401
    │   │   ├── UnexpectedSecret       401
    │   │   └── UnknownTenant          401
    │   ├── TimestampRejected          401
    │   │   ├── MissingTimestamp       401
    │   │   ├── MalformedTimestamp     401
    │   │   └── TimestampOutOfTolerance 401
    │   └── EventIdReused              422
    ├── StoreError
    │   ├── StoreUnavailable           503, transient: the sender should try again
    │   └── StoreMisconfigured         503, an operator must mend it: the sender should try again meanwhile
    ├── VerificationUnavailable        503, the secret or key to verify with cannot be had: unknown is not invalid
    ├── LeaseLost                      503, another worker owns the event by now
    ├── TransactionFailed              500, the handler's transaction did not commit: nothing of it happened
    │   └── TransactionEscaped         500, the handler ended the transaction that was not its own to end
    └── Overloaded                     503, the endpoint's concurrency limit is reached

``status`` is what the core suggests; the framework's plugin answers with it. The text of an error is for the operator:
it never holds a secret, a signature or a piece of the body, and it never reaches the sender.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "AddressNotAllowed",
    "AmbiguousHeader",
    "BodyTooLarge",
    "ConfigurationError",
    "EventIdReused",
    "HookguardError",
    "InsecureTransport",
    "LeaseLost",
    "LengthRequired",
    "MalformedBody",
    "MalformedDelivery",
    "MalformedHeader",
    "MalformedSignature",
    "MalformedTimestamp",
    "MethodNotAllowed",
    "MissingEventId",
    "MissingSignature",
    "MissingTimestamp",
    "Overloaded",
    "Rejected",
    "SignatureMismatch",
    "SignatureRejected",
    "SourceRejected",
    "StoreError",
    "StoreMisconfigured",
    "StoreUnavailable",
    "TimestampOutOfTolerance",
    "TimestampRejected",
    "TransactionEscaped",
    "TransactionFailed",
    "TruncatedBody",
    "UnconfirmedPresetWarning",
    "UnexpectedSecret",
    "UnknownKey",
    "UnknownTenant",
    "UnsupportedEncoding",
    "UntrustedKeySource",
    "VerificationUnavailable",
    "WeakSecretWarning",
]


class HookguardError(Exception):
    """The root: catch it to catch everything hookguard raises on purpose."""


class ConfigurationError(HookguardError):
    """A setting is wrong; the text says which one and what to do."""


class WeakSecretWarning(UserWarning):
    """A secret is shorter than 16 bytes."""


class UnconfirmedPresetWarning(UserWarning):
    """A preset is used of which something is not confirmed by its provider; the text says what."""


class Rejected(HookguardError):
    """A delivery is refused."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "rejected"


class MethodNotAllowed(Rejected):
    """The delivery's HTTP method is not one the provider uses."""

    status = 405
    code = "method_not_allowed"


class BodyTooLarge(Rejected):
    """The body is over the endpoint's limit."""

    status = 413
    code = "body_too_large"


class LengthRequired(Rejected):
    """The server handed over no body for a chunked delivery without Content-Length."""

    status = 411
    code = "length_required"


class UnsupportedEncoding(Rejected):
    """The body is compressed; signatures cover the bytes on the wire and hookguard inflates nothing."""

    status = 415
    code = "unsupported_encoding"


class SourceRejected(Rejected):
    """The connection the delivery came by is not one the endpoint allows."""

    status = 403
    code = "source_rejected"


class InsecureTransport(SourceRejected):
    """The endpoint requires HTTPS and the framework does not vouch for it."""

    code = "insecure_transport"


class AddressNotAllowed(SourceRejected):
    """The sender's address is in none of the allowed networks, or the framework does not vouch for one."""

    code = "address_not_allowed"


class MalformedDelivery(Rejected):
    """The delivery cannot be read."""

    code = "malformed_delivery"


class MalformedHeader(MalformedDelivery):
    """A header holds control characters, is too long or lists too many signatures."""

    code = "malformed_header"


class AmbiguousHeader(MalformedDelivery):
    """A header that may appear once appears more than once."""

    code = "ambiguous_header"


class TruncatedBody(MalformedDelivery):
    """Fewer or more bytes arrived than Content-Length announced."""

    code = "truncated_body"


class MalformedBody(MalformedDelivery):
    """The body is genuine but is not the JSON or the form it should be."""

    code = "malformed_body"


class MissingEventId(MalformedDelivery):
    """The event carries no id where the preset says it is, so it cannot be handled once."""

    code = "missing_event_id"


class SignatureRejected(Rejected):
    """The delivery is not genuine."""

    status = 401
    code = "signature_rejected"


class MissingSignature(SignatureRejected):
    """No signature or token header, or an empty one."""

    code = "missing_signature"


class MalformedSignature(SignatureRejected):
    """The signature header holds nothing that could be a signature of this scheme."""

    code = "malformed_signature"


class SignatureMismatch(SignatureRejected):
    """No secret that is valid now makes any of the signatures that came."""

    code = "signature_mismatch"


class UntrustedKeySource(SignatureRejected):
    """The delivery names a key or certificate at an address that is not the provider's, so it is not fetched."""

    code = "untrusted_key_source"


class UnknownKey(SignatureRejected):
    """The delivery names a key that the provider's own list of keys does not hold."""

    code = "unknown_key"


class UnexpectedSecret(SignatureRejected):
    """The delivery brings a new secret, and no registration that would is under way."""

    code = "unexpected_secret"


class UnknownTenant(SignatureRejected):
    """The endpoint's secret lookup knows no secret for this delivery."""

    code = "unknown_tenant"


class TimestampRejected(Rejected):
    """The delivery's timestamp does not show that it is fresh."""

    status = 401
    code = "timestamp_rejected"


class MissingTimestamp(TimestampRejected):
    """The scheme signs a timestamp and none came."""

    code = "missing_timestamp"


class MalformedTimestamp(TimestampRejected):
    """The timestamp is not written as the scheme writes it."""

    code = "malformed_timestamp"


class TimestampOutOfTolerance(TimestampRejected):
    """The signed timestamp is too old or too far in the future."""

    code = "timestamp_out_of_tolerance"


class EventIdReused(Rejected):
    """The event's id is known with another body, and the provider's retries never change theirs."""

    status = 422
    code = "event_id_reused"


class StoreError(HookguardError):
    """Something is wrong with the store, not with the delivery."""


class StoreUnavailable(StoreError):
    """The store cannot answer now; whether the event was handled before is not known."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "store_unavailable"


class StoreMisconfigured(StoreError, ConfigurationError):
    """The store cannot keep its contract as it is set up; raised when an application starts, where that can be seen then."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "store_misconfigured"


class VerificationUnavailable(HookguardError):
    """The secret or key to verify with could not be had; the delivery may well be genuine."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "verification_unavailable"


class LeaseLost(HookguardError):
    """The handler ran longer than its lease and another worker took the event over."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "lease_lost"


class TransactionFailed(HookguardError):
    """The transaction of the claim and the handler's writes did not commit: nothing of it happened.

    A handler that catches a database error and answers 2xx all the same ends here, and a deferred constraint that fails.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "transaction_failed"


class TransactionEscaped(TransactionFailed):
    """The handler committed or rolled back the transaction that its claim is part of."""

    code = "transaction_escaped"


class Overloaded(HookguardError):
    """As many deliveries are being handled as the endpoint allows at once."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "overloaded"
