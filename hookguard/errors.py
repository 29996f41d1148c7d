"""Every error hookguard raises, and GiveUp for handlers to raise. This module imports nothing of the package.

::

    HookguardError
    ├── ConfigurationError             found when the object is constructed, never at a delivery
    │   └── StoreMisconfigured         503 when it is found late; also a StoreError
    ├── Rejected                       a delivery is rejected; .status is the HTTP status, .code the reason
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
    │   │   ├── UnknownTenant          401
    │   │   └── TenantMismatch         401
    │   ├── TimestampRejected          401
    │   │   ├── MissingTimestamp       401
    │   │   ├── MalformedTimestamp     401
    │   │   └── TimestampOutOfTolerance 401
    │   └── EventIdReused              422
    ├── StoreError
    │   ├── StoreUnavailable           503, transient: the sender should try again
    │   │   └── MissingTable           503, until a migration creates the store's table
    │   └── StoreMisconfigured         503, an operator must fix it: the sender should try again meanwhile
    ├── VerificationUnavailable        503, the secret or key is unavailable: the delivery may be genuine
    ├── LeaseLost                      503, another worker owns the event by now
    ├── TransactionFailed              500, the handler's transaction did not commit, and all of it was rolled back
    │   └── TransactionEscaped         500, the handler ended the transaction that the guard must end
    └── Overloaded                     503, the endpoint's concurrency limit is reached

The text of an error is for the operator: it holds no secret, no signature and no piece of a body, and never reaches the sender.
Its numbers and names are attributes too (``off``, ``size``, ...), so that no program parses it; one that does not apply is None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from hookguard.privacy.shown import printable

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing itself from Python 3.11 on

__all__ = [
    "AddressNotAllowed",
    "AmbiguousHeader",
    "BodyTooLarge",
    "ConfigurationError",
    "EventIdReused",
    "GiveUp",
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
    "MissingTable",
    "MissingTimestamp",
    "Overloaded",
    "Rejected",
    "SignatureMismatch",
    "SignatureRejected",
    "SourceRejected",
    "StoreError",
    "StoreMisconfigured",
    "StoreUnavailable",
    "TenantMismatch",
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
    """The root of all errors of hookguard. ``facts`` become attributes; TypeError for one that the class does not have."""

    _from_sender: ClassVar[bool] = False  # whether the text may be the sender's: then what is unprintable is escaped

    def __init__(self, *args: object, **facts: object) -> None:
        if unknown := [name for name in facts if not hasattr(type(self), name)]:
            raise TypeError(f"{type(self).__name__} has no attribute {unknown[0]!r}")
        vars(self).update(facts)
        super().__init__(*[printable(each) if self._from_sender and isinstance(each, str) else each for each in args])

    def with_reason(self, reason: str) -> Self:
        """Return an error of the same class with the same facts, another text, and no traceback."""
        return type(self)(reason, **{name: value for name, value in vars(self).items() if not name.startswith("_")})


class GiveUp(Exception):
    """Raised by a handler: the event cannot be handled. Its inbox entry is dead then; in direct mode it is answered 500."""


class ConfigurationError(HookguardError):
    """A setting is wrong; the text says which one and what to do."""

    check: str = "C1"  #: the id of the doctor's check that reports it
    mistakes: tuple[ConfigurationError, ...] = ()  #: each mistake, if the text has several, one in each line


class WeakSecretWarning(UserWarning):
    """A secret is shorter than 16 bytes."""


class UnconfirmedPresetWarning(UserWarning):
    """A preset is used that its provider does not confirm in every detail; the text names the detail."""


class Rejected(HookguardError):
    """A delivery is rejected. Unprintable characters in the text are escaped, because parts of it may come from the sender."""

    _from_sender = True
    status: ClassVar[int] = 400
    code: ClassVar[str] = "rejected"


class MethodNotAllowed(Rejected):
    """The delivery's HTTP method is not one the provider uses."""

    status = 405
    code = "method_not_allowed"
    method: str | None = None  #: the delivery's method
    allowed: frozenset[str] | None = None  #: the endpoint's methods


class BodyTooLarge(Rejected):
    """The body is over the endpoint's limit, or carries more events than allowed."""

    status = 413
    code = "body_too_large"
    size: int | None = None  #: bytes of the body
    events: int | None = None  #: events in the body, if there are too many
    limit: int | None = None  #: how many of these are allowed


class LengthRequired(Rejected):
    """The server passed on no body of a chunked delivery without Content-Length."""

    status = 411
    code = "length_required"


class UnsupportedEncoding(Rejected):
    """The body is compressed, or declares another charset than UTF-8; signatures cover the bytes on the wire."""

    status = 415
    code = "unsupported_encoding"


class SourceRejected(Rejected):
    """The endpoint does not allow the connection that the delivery came by."""

    status = 403
    code = "source_rejected"


class InsecureTransport(SourceRejected):
    """The endpoint requires HTTPS, and the framework does not confirm it for this request."""

    code = "insecure_transport"


class AddressNotAllowed(SourceRejected):
    """The sender's address is outside of the allowed networks, or the framework reports none."""

    code = "address_not_allowed"
    address: str | None = None  #: the sender's, as the framework reports it


class MalformedDelivery(Rejected):
    """The delivery cannot be read."""

    code = "malformed_delivery"


class MalformedHeader(MalformedDelivery):
    """A header holds control characters, is too long or lists too many signatures."""

    code = "malformed_header"
    header: str | None = None  #: its name
    size: int | None = None  #: characters, signatures or items that came
    limit: int | None = None  #: how many of these are read


class AmbiguousHeader(MalformedDelivery):
    """A header that may appear once appears more than once."""

    code = "ambiguous_header"
    header: str | None = None  #: its name
    count: int | None = None  #: how often it came


class TruncatedBody(MalformedDelivery):
    """Fewer or more bytes arrived than Content-Length announced."""

    code = "truncated_body"
    size: int | None = None  #: bytes that came
    announced: int | None = None  #: bytes according to Content-Length


class MalformedBody(MalformedDelivery):
    """The body is genuine, but it is not the JSON, form or XML that it should be."""

    code = "malformed_body"
    limit: int | None = None  #: the bound on fields, values, elements or levels that it exceeds


class MissingEventId(MalformedDelivery):
    """The event carries no id at the preset's place. Nothing is rejected for that: the log line has this ``code``."""

    code = "missing_event_id"


class SignatureRejected(Rejected):
    """The delivery is not genuine."""

    status = 401
    code = "signature_rejected"


class MissingSignature(SignatureRejected):
    """The signature or token is missing or empty."""

    code = "missing_signature"
    header: str | None = None  #: the missing one, if it should be in a header


class MalformedSignature(SignatureRejected):
    """The signature header holds no text that could be a signature of this scheme."""

    code = "malformed_signature"
    size: int | None = None  #: characters of a token, or members of the body, if there are too many
    limit: int | None = None  #: how many of these are allowed


class SignatureMismatch(SignatureRejected):
    """No secret that is valid now matches any of the delivery's signatures."""

    code = "signature_mismatch"
    secrets: int | None = None  #: how many were tried
    candidates: int | None = None  #: signatures in the delivery
    size: int | None = None  #: bytes of the body


class UntrustedKeySource(SignatureRejected):
    """The delivery names a key or certificate at an address that is not the provider's, so it is not fetched."""

    code = "untrusted_key_source"


class UnknownKey(SignatureRejected):
    """The delivery names a key that is not in the provider's own list of keys."""

    code = "unknown_key"
    key_id: str | None = None  #: the name of the key


class UnexpectedSecret(SignatureRejected):
    """The delivery brings a new secret that ``accept_secret`` did not accept."""

    code = "unexpected_secret"


class UnknownTenant(SignatureRejected):
    """The endpoint's secret lookup found no tenant for this delivery."""

    code = "unknown_tenant"


class TenantMismatch(SignatureRejected):
    """The signed part of the delivery names no tenant, or not the one whose secrets were looked up."""

    code = "tenant_mismatch"
    tenant: str | None = None  #: whose secrets were looked up


class TimestampRejected(Rejected):
    """The delivery's timestamp does not show that it is fresh."""

    status = 401
    code = "timestamp_rejected"


class MissingTimestamp(TimestampRejected):
    """The scheme signs a timestamp, and the delivery has none."""

    code = "missing_timestamp"
    header: str | None = None  #: the missing one, if it should be in a header


class MalformedTimestamp(TimestampRejected):
    """The timestamp is not in the scheme's format."""

    code = "malformed_timestamp"


class TimestampOutOfTolerance(TimestampRejected):
    """The signed timestamp is too old or too far in the future."""

    code = "timestamp_out_of_tolerance"
    off: float | None = None  #: seconds; more than 0 is in the past
    tolerance: float | None = None  #: seconds that are allowed in this direction


class EventIdReused(Rejected):
    """The event's id came before with another body, and this provider's retries never change the body."""

    status = 422
    code = "event_id_reused"


class StoreError(HookguardError):
    """Something is wrong with the store, not with the delivery."""


class StoreUnavailable(StoreError):
    """The store cannot answer now, so whether the event was handled before is unknown."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "store_unavailable"


class MissingTable(StoreUnavailable):
    """The store's table, or a column of it, does not exist yet. The application starts all the same, so that it can migrate."""

    code: ClassVar[str] = "store_missing_table"


class StoreMisconfigured(StoreError, ConfigurationError):
    """The store's configuration breaks its contract; raised when an application starts, if it can be found out then."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "store_misconfigured"


class VerificationUnavailable(HookguardError):
    """The secret or key to verify with is unavailable; the delivery may well be genuine."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "verification_unavailable"


class LeaseLost(HookguardError):
    """The handler ran longer than its lease and another worker took the event over."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "lease_lost"
    lease: float | None = None  #: seconds


class TransactionFailed(HookguardError):
    """The claim's transaction did not commit: a database error was caught, or a deferred constraint failed. All is undone."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "transaction_failed"


class TransactionEscaped(TransactionFailed):
    """The handler committed or rolled back the transaction that its claim is part of."""

    code = "transaction_escaped"


class Overloaded(HookguardError):
    """As many deliveries are being handled as the endpoint allows concurrently."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "overloaded"
    limit: int | None = None  #: the endpoint's ``max_concurrent``
