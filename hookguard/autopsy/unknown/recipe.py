"""A recipe: the arguments of a preset for a sender, as a Preset and as the Python that declares it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from hookguard.place import InHeader
from hookguard.preset import Preset
from hookguard.record import Record
from hookguard.schemes.hash import HashScheme
from hookguard.schemes.hmac import HmacScheme, SignatureHeader
from hookguard.schemes.timestamp import TimestampUnit
from hookguard.schemes.token import TokenForm, TokenScheme
from hookguard.secret import SecretFormat

__all__ = ["Recipe", "TokenRecipe"]

#: Headers whose value is likely an event's id.
_IDS = re.compile(r"id$|uuid|delivery", re.IGNORECASE)
_CHECK_ID = "  # check: each event has its own, and a retry carries the same"
_NO_ID = "  # equal bodies are one event: if the sender has an id, name it, for example InBody({})"


@dataclass(frozen=True, slots=True)
class Recipe(Record):
    """An HMAC, or a plain hash with the secret, in a header."""

    header: str
    layout: str
    signed: str
    digest: str = "sha256"
    separator: str | None = None
    timestamp_header: str = ""
    unit: TimestampUnit = "s"
    id_header: str = ""
    secret_format: SecretFormat = "text"  # noqa: S105 - the format, not a secret
    hashed: bool = False
    id_field: str = ""  #: the field of the JSON body that may be the event's id

    @property
    def names_id(self) -> bool:
        """Whether the signed header is taken for the event's id."""
        return bool(self.id_header) and _IDS.search(self.id_header) is not None

    @property
    def template(self) -> str:
        """The signed text, with the header's name unless it is an id."""
        return self.signed if self.names_id else self.signed.replace("{id}", f"{{header:{self.id_header}}}")

    def preset(self) -> Preset:
        """Return the preset; ConfigurationError if hookguard rejects such a scheme."""
        family = HashScheme if self.hashed else HmacScheme
        scheme = family(
            signature=SignatureHeader(self.header, self.layout, separator=self.separator),
            signed=self.template,
            digest=self.digest,
            timestamp=InHeader(self.timestamp_header) if self.timestamp_header else None,
            timestamp_unit=self.unit,
            id=InHeader(self.id_header) if self.names_id else None,
            secret_format=self.secret_format,
        )
        event_id = InHeader(self.id_header) if self.names_id else None
        return Preset(name="sender", scheme=scheme, event_id=event_id, identity=None if event_id else "content")

    def declaration(self) -> str:
        """Return the Python that declares the same preset."""
        family = "HashScheme" if self.hashed else "HmacScheme"
        separator = f", separator={_quoted(self.separator)}" if self.separator is not None else ""
        arguments = [
            f"signature=SignatureHeader({_quoted(self.header)}, {_quoted(self.layout)}{separator})",
            f"signed={_quoted(self.template)}",
            f"digest={_quoted(self.digest)}",
        ]
        if self.timestamp_header:
            arguments.append(f"timestamp=InHeader({_quoted(self.timestamp_header)})")
        if self.unit != "s":
            arguments.append(f"timestamp_unit={_quoted(self.unit)}")
        if self.names_id:
            arguments.append(f"id=InHeader({_quoted(self.id_header)})")
        if self.secret_format != "text":  # noqa: S105 - the format, not a secret
            arguments.append(f"secret_format={_quoted(self.secret_format)}")
        names = (
            ["HmacScheme", "InHeader", "Preset", "SignatureHeader"]
            if not self.hashed
            else ["InHeader", "Preset", "SignatureHeader"]
        )
        if not (self.timestamp_header or self.names_id):
            names.remove("InHeader")
        lines = [f"from hookguard import {', '.join(names)}"]
        lines += ["from hookguard.schemes import HashScheme"] if self.hashed else []
        scheme = [f"    scheme={family}(", *(f"        {each}," for each in arguments), "    ),"]
        event = f"    event_id=InHeader({_quoted(self.id_header)}),{_CHECK_ID}" if self.names_id else ""
        return _declared(lines, scheme, event, self.id_field)


@dataclass(frozen=True, slots=True)
class TokenRecipe(Record):
    """The secret itself in a header."""

    header: str
    form: TokenForm = "plain"
    id_field: str = ""

    def preset(self) -> Preset:
        """Return the preset."""
        scheme = TokenScheme(token=InHeader(self.header), form=self.form)
        return Preset(name="sender", scheme=scheme, event_id=None, identity="content")

    def declaration(self) -> str:
        """Return the Python that declares the same preset."""
        form = f", form={_quoted(self.form)}" if self.form != "plain" else ""
        scheme = [f"    scheme=TokenScheme(token=InHeader({_quoted(self.header)}){form}),"]
        return _declared(["from hookguard import InHeader, Preset, TokenScheme"], scheme, "", self.id_field)


def _declared(imports: list[str], scheme: list[str], event: str, id_field: str) -> str:
    content = ["    event_id=None,", f'    identity="content",{_NO_ID.format(_quoted(id_field or "id"))}']
    middle = [event] if event else content
    return "\n".join([*imports, "", "SENDER = Preset(", '    name="sender",', *scheme, *middle, ")", ""])


def _quoted(text: str) -> str:
    """Return a text as Python writes it, with double quotation marks. The texts are ASCII."""
    return json.dumps(text)
