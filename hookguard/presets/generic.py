"""A provider of one's own in plain words, for settings files and the command line."""

from __future__ import annotations

from hookguard.errors import ConfigurationError
from hookguard.place import InBody, InForm, InHeader, Place
from hookguard.preset import Identity, Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader
from hookguard.secret import SecretFormat
from hookguard.timestamp import TimestampUnit

__all__ = ["generic_hmac"]


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

    ``header`` and ``layout`` say where the signature is (``"X-Acme-Signature"``, ``"t={timestamp},v1={hex}"``), ``signed``
    what it covers. ``event_id`` and ``event_type`` are places: ``"header:X-Acme-Id"``, ``"body:data.id"`` or
    ``"form:id"``; without an ``event_id`` the content is the identity. Raises ConfigurationError.
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
        event_id=_place(event_id),
        event_type=_place(event_type),
        identity=identity or ("content" if event_id is None else None),
        tolerance=tolerance,
    )


def _place(text: str | None) -> Place | None:
    if text is None:
        return None
    kind, colon, where = text.partition(":") if isinstance(text, str) else ("", "", "")
    places: dict[str, type[InHeader] | type[InBody] | type[InForm]] = {"header": InHeader, "body": InBody, "form": InForm}
    if not colon or not where or kind not in places:
        raise ConfigurationError(f"{text!r} is not a place: write header:NAME, body:path.to.field or form:FIELD")
    return places[kind](where)
