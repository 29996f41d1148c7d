"""Your own provider, described in plain texts, for settings files and the command line."""

from __future__ import annotations

from hookguard.errors import ConfigurationError
from hookguard.place import InBody, InForm, InHeader, Place
from hookguard.preset import Identity, Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader
from hookguard.schemes.timestamp import TimestampUnit
from hookguard.secret import SecretFormat

__all__ = ["generic_hmac", "read_place"]


def generic_hmac(
    *,
    name: str,
    header: str,
    layout: str = "{hex}",
    separator: str | None = None,
    signed: str = "{body}",
    digest: str = "sha256",
    timestamp_header: str | None = None,
    timestamp_unit: TimestampUnit = "s",
    id_header: str | None = None,
    secret_format: SecretFormat = "text",
    event_id: str | None = None,
    event_type: str | None = None,
    identity: Identity | None = None,
    tolerance: float = 300.0,
) -> Preset:
    """Return a preset for a sender that signs with an HMAC.

    ``header`` and ``layout`` describe the signature (``"X-Acme-Signature"``, ``"t={timestamp},v1={hex}"``), and ``signed`` is the
    signed content. ``event_id`` and ``event_type`` are places: ``"header:X-Acme-Id"``, ``"body:data.id"`` or ``"form:id"``.
    Without an ``event_id`` the content is the identity. Raises ConfigurationError.
    """
    return Preset(
        name=name,
        scheme=HmacScheme(
            signature=SignatureHeader(header, layout, separator=separator),
            signed=signed,
            digest=digest,
            timestamp=InHeader(timestamp_header) if timestamp_header else None,
            timestamp_unit=timestamp_unit,
            id=InHeader(id_header) if id_header else None,
            secret_format=secret_format,
        ),
        event_id=read_place(event_id),
        event_type=read_place(event_type),
        identity=identity or ("content" if event_id is None else None),
        tolerance=tolerance,
    )


def read_place(text: str | None) -> Place | None:
    """Return the place that ``header:NAME``, ``body:path.to.field`` or ``form:FIELD`` names, or raise ConfigurationError."""
    if text is None:
        return None
    kind, colon, where = text.partition(":") if isinstance(text, str) else ("", "", "")
    places: dict[str, type[InHeader] | type[InBody] | type[InForm]] = {"header": InHeader, "body": InBody, "form": InForm}
    if not colon or not where or kind not in places:
        raise ConfigurationError(f"{text!r} is not a place: write header:NAME, body:path.to.field or form:FIELD")
    return places[kind](where)
