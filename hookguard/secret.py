"""Secrets that are shared with the provider. No repr shows a secret, and none is empty."""

from __future__ import annotations

import base64
import binascii
import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Literal, Union, get_args

from hookguard.errors import ConfigurationError, WeakSecretWarning
from hookguard.privacy.readings import readings
from hookguard.privacy.secret_mistakes import find_secret_mistake, is_quoted
from hookguard.record import hides_arguments

__all__ = ["Secret", "SecretFormat", "SecretLike", "need_format"]

#: The format in which a provider shows a secret: text that is the key itself, hex, base64, or base64 after ``whsec_``.
SecretFormat = Literal["text", "hex", "base64", "whsec"]

#: A secret in settings: text in the provider's own format, raw bytes, or a Secret with a name and dates.
SecretLike = Union["Secret", str, bytes]

#: Fewer bytes can be guessed, and are rejected. (Published test vectors use eight.)
SHORTEST = 8
#: Fewer bytes cause a warning, or an error if a provider generated the secret.
SHORT = 16


class Secret:
    """One secret, with a ``name`` for logs and optional dates between which it is valid.

    ``value`` is the text in the provider's dashboard; the preset knows its format. Bytes are the key itself.
    ``not_before`` and ``not_after`` are aware datetimes or seconds since 1970. Raises ConfigurationError if the value is
    empty, blank, padded with white space or NUL bytes, or shorter than 8 bytes, and if text is in quotation marks, a
    placeholder, or a dotted path.

    If a provider gives several values that belong together, use ``Secret.of``.
    """

    __slots__ = ("_fields", "_value", "name", "not_after", "not_before")

    _fields: Mapping[str, Any] | None  # None for a secret of one value, until a scheme names it

    @hides_arguments
    def __init__(
        self,
        value: str | bytes,
        *,
        name: str | None = None,
        not_before: datetime | float | None = None,
        not_after: datetime | float | None = None,
    ) -> None:
        if not isinstance(value, (str, bytes)):
            raise ConfigurationError(f"a secret {_not_text(value)}")
        if not value.strip():
            raise ConfigurationError("the secret is empty: set it to the value the provider's dashboard shows")
        value = _unwrap_pem(value)
        if value != value.strip() and _is_text(value):
            raise ConfigurationError(
                "the secret starts or ends with white space, probably from copying: remove it, or keep it by Secret.exact(b'…')",
                check="S3",
            )
        _reject_secret_mistake(value, "the secret")
        self._value = value
        self._fields = None
        self._date(name, not_before, not_after)
        if isinstance(value, bytes):
            _check_key(value)

    def _date(self, name: str | None, not_before: datetime | float | None, not_after: datetime | float | None) -> None:
        self.name = name
        self.not_before = _seconds(not_before, "not_before")
        self.not_after = _seconds(not_after, "not_after")
        if self.not_before is not None and self.not_after is not None and self.not_before >= self.not_after:
            raise ConfigurationError(f"secret {name!r}: not_before must be earlier than not_after")

    @classmethod
    @hides_arguments
    def of(
        cls,
        *,
        name: str | None = None,
        not_before: datetime | float | None = None,
        not_after: datetime | float | None = None,
        **fields: str | bytes | Mapping[str, str],
    ) -> Secret:
        """Make a secret of several values that belong together, under the preset's names for them.

        ``Secret.of(token="…", aes_key="…", corp_id="…")``. A value may itself be a mapping, such as public keys by serial
        number. As text (in an environment variable or on a command line), it is a JSON object. Raises ConfigurationError.
        """
        if not fields:
            raise ConfigurationError("Secret.of() has no values: give them by name, as the preset's page lists them")
        secret = cls.__new__(cls)
        secret._value = b""
        secret._fields = {field: _read_field(field, value) for field, value in fields.items()}
        secret._date(name, not_before, not_after)
        return secret

    @classmethod
    @hides_arguments
    def from_hex(cls, text: str, *, name: str | None = None) -> Secret:
        """Make a secret from a key in hex."""
        return cls.exact(_decode(text, "hex"), name=name)

    @classmethod
    @hides_arguments
    def from_base64(cls, text: str, *, name: str | None = None) -> Secret:
        """Make a secret from a key in standard base64, padded or not."""
        return cls.exact(_decode(text, "base64"), name=name)

    @classmethod
    @hides_arguments
    def exact(cls, key: bytes, *, name: str | None = None) -> Secret:
        """Make a secret from the key's exact bytes, including white space at the ends."""
        secret = cls(bytes(range(1, SHORT + 1)), name=name)
        _check_key(key)
        secret._value = key
        return secret

    def fit(self, required: Sequence[str], optional: Sequence[str] = (), names: Sequence[str] = ()) -> Secret:
        """Return this secret with its fields named as a scheme requires; ConfigurationError if they do not fit.

        A single value is the required field, if there is only one. If there can be several, text that is a JSON object is
        parsed. ``names`` are fields that hold a name, not a secret, and may look like a dotted path.
        """
        if self._fields is not None:
            secret = self
        elif isinstance(self._value, str) and self._value.startswith("{") and len(required) + len(optional) > 1:
            secret = self._with(_read_json_fields(self._value))
        elif len(required) == 1:
            if required[0] == "secret":
                return self  # the usual case
            secret = self._with({required[0]: self._value})
        else:
            given = ", ".join(f'{field}="…"' for field in required)
            raise ConfigurationError(
                f"this provider needs {_listed(required)}: give Secret.of({given}), or as text a JSON object with these keys"
            )
        fields = secret._fields or {}
        if missing := [field for field in required if field not in fields]:
            raise ConfigurationError(f"{_listed(missing)} is missing from the secret: this provider needs {_listed(required)}")
        if unknown := [field for field in fields if field not in required and field not in optional]:
            also = f", and takes {_listed(optional)}" if optional else ""
            raise ConfigurationError(f"the secret has no field {unknown[0]!r}: this provider needs {_listed(required)}{also}")
        for field in fields.keys() - set(names):
            _reject_secret_mistake(fields[field], repr(field))
        return secret

    def _with(self, fields: Mapping[str, Any] | None) -> Secret:
        secret = type(self).__new__(type(self))
        secret._value = self._value
        secret._fields = fields
        secret.name, secret.not_before, secret.not_after = self.name, self.not_before, self.not_after
        return secret

    def has(self, field: str) -> bool:
        """Whether the field was given; a secret of one value has ``"secret"``."""
        return field in self._fields if self._fields is not None else field == "secret"

    def _get(self, field: str) -> Any:
        if self._fields is None and field == "secret":
            return self._value
        try:
            return (self._fields or {})[field]
        except KeyError:
            raise ConfigurationError(f"{field!r} was not given: write Secret.of({field}=…)") from None

    def value(self, field: str = "secret") -> str | bytes:
        """Return a field as it was given, for values that are not shared secrets: a public key, an address."""
        value = self._get(field)
        if not isinstance(value, (str, bytes)):
            raise ConfigurationError(f"{field!r} is a mapping and must be text or bytes")
        return value

    def field(self, field: str) -> str:
        """Return a field's text. ConfigurationError if it is missing or not text: see ``has``."""
        value = self._get(field)
        if isinstance(value, bytes):
            try:
                return value.decode()
            except UnicodeDecodeError:
                raise ConfigurationError(f"{field!r} is not UTF-8 text") from None
        if not isinstance(value, str):
            raise ConfigurationError(f"{field!r} is a mapping and must be text")
        return value

    def mapping(self, field: str) -> Mapping[str, str]:
        """Return a field that holds several texts by name, such as public keys by their serial number."""
        value = self._get(field)
        if not isinstance(value, Mapping):
            raise ConfigurationError(f"{field!r} must be a mapping: write Secret.of({field}={{…: …}})")
        return value

    def key(self, fmt: SecretFormat = "text", field: str = "secret") -> bytes:
        """Return the key's bytes (of ``field``, where there are several), decoding text by ``fmt``.

        Raises ConfigurationError if the text is not in that format, or if an encoded key, which a provider generates, has fewer
        than 16 bytes.
        """
        value = self._value if self._fields is None else self._get(field)
        if isinstance(value, bytes):
            if self._fields is not None:
                _check_key(value)
            return value
        if not isinstance(value, str):
            raise ConfigurationError(f"{field!r} is a mapping and must be text or bytes")
        if fmt == "text":
            key = value.encode()
            _check_key(key)
            return key
        key = _decode(value, fmt)
        if len(key) < SHORT:
            raise ConfigurationError(
                f"the secret decodes to {len(key)} bytes, and the provider's are at least {SHORT}: copy the whole value"
            )
        return key

    def readings(
        self,
        fmt: SecretFormat,
        field: str = "secret",
        *,
        prefixes: Sequence[str] = (),
        read: Callable[..., Iterator[tuple[str, str | bytes]]] = readings,
    ) -> Iterator[tuple[str, Secret]]:
        """Return what ``field`` may have been before a mistake: the code of the mistake, and the Secret without it.

        Only to explain why a signature failed, see :mod:`hookguard.autopsy`. No value leaves this class.
        """
        value = self._get(field)
        if isinstance(value, (str, bytes)):
            for code, found in read(value, fmt, prefixes):
                yield code, self.instead(field, found)

    def instead(self, field: str, value: Any) -> Secret:
        """Return this secret with another value in a field, unchecked: a hypothesis, never a key in force."""
        secret = self._with(None if self._fields is None else {**self._fields, field: value})
        secret._value = value if self._fields is None else b""
        secret.__class__ = _Hypothesis
        return secret

    def swapped(self, one: str, other: str) -> Secret:
        """Return this secret with the values of two fields exchanged, unchecked as in ``instead``."""
        return self.instead(one, self._get(other)).instead(other, self._get(one))

    def looks_like(self, test: Callable[[str], bool]) -> bool:
        """Whether ``test`` is true of a text in this secret. The texts do not leave it otherwise."""
        values = [self._value] if self._fields is None else self._fields.values()
        return any(test(each.decode("utf-8", "replace") if isinstance(each, bytes) else str(each)) for each in values)

    def valid_at(self, now: float) -> bool:
        """Whether the secret may be used at ``now`` (seconds since 1970)."""
        return (self.not_before is None or self.not_before <= now) and (self.not_after is None or now < self.not_after)

    def __repr__(self) -> str:
        held = f", {', '.join(self._fields)}" if self._fields is not None else ""
        return f"Secret(name={self.name!r}{held})"

    def __reduce__(self) -> str | tuple[object, ...]:
        # A pickled secret ends up in caches, queues and crash reports.
        raise TypeError("a Secret cannot be pickled: read it from its source instead")


class _Hypothesis(Secret):
    """A secret that may have been meant. It is not checked for strength, because it opens nothing."""

    __slots__ = ()

    def key(self, fmt: SecretFormat = "text", field: str = "secret") -> bytes:
        """Return the key's bytes, decoding text by ``fmt``; ConfigurationError if the text is not in that format."""
        value = self._get(field)
        if isinstance(value, bytes):
            return value
        return _decode(value, fmt) if fmt != "text" else value.encode()


def _unwrap_pem(value: str | bytes) -> str | bytes:
    # A PEM file ends with a line break, which is not a mistake.
    start: Any = "-----BEGIN " if isinstance(value, str) else b"-----BEGIN "
    return value.strip() if value.startswith(start) else value


def _read_field(field: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        if not value or not all(isinstance(key, str) and isinstance(text, str) and text.strip() for key, text in value.items()):
            raise ConfigurationError(f"{field!r} must map names to texts that are not empty")
        return {key: _read_field(f"{field}[{key!r}]", text) for key, text in value.items()}
    if not isinstance(value, (str, bytes)):
        raise ConfigurationError(f"{field!r} {_not_text(value)}")
    value = _unwrap_pem(value)
    if not value.strip():
        raise ConfigurationError(f"{field!r} is empty: set it to the value the provider's dashboard shows")
    if isinstance(value, str) and value != value.strip():
        raise ConfigurationError(f"{field!r} starts or ends with white space, probably from copying: remove it", check="S3")
    return value


def _not_text(value: object) -> str:
    kind = f"must be text or bytes, not {type(value).__name__}"
    if isinstance(value, (int, float)):
        # Flask's from_prefixed_env and YAML files turn digits into a number, which may lose leading zeros.
        return (
            f"""{kind}: put quotation marks around it in the settings; in an environment variable that is read as JSON, '"…"'"""
        )
    if isinstance(value, Mapping):
        return f"{kind}: several values that belong together are Secret.of(…)"
    if callable(value):
        return f"{kind}: a function that looks secrets up is given alone, in place of the list"
    return f"{kind}: is the setting or the environment variable unset?"


def _reject_secret_mistake(value: object, what: str) -> None:
    if isinstance(value, str) and (mistake := find_secret_mistake(value)) is not None:
        raise ConfigurationError(f"{what} {mistake}", check="S3" if is_quoted(value) else "S2")


def _read_json_fields(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        # The error's own text would quote the secret.
        raise ConfigurationError("the secret begins with {, and is not the JSON object that this provider needs") from None
    return {field: _read_field(field, value) for field, value in fields.items()}


def _listed(fields: Sequence[str]) -> str:
    return " and ".join(fields) if len(fields) < 3 else f"{', '.join(fields[:-1])} and {fields[-1]}"


def _is_text(value: str | bytes) -> bool:
    # Random bytes may end with the code of a space; a secret read from a file ends with a line break.
    return isinstance(value, str) or value.strip().decode("latin-1").isprintable()


def _check_key(key: bytes) -> None:
    if not key:
        raise ConfigurationError("the secret is empty: set it to the value the provider's dashboard shows")
    if key.endswith(b"\0"):
        # HMAC pads keys with NULs, so `key` and `key + NUL` would be one secret.
        raise ConfigurationError("the secret ends with NUL bytes: HMAC cannot distinguish it from the secret without them")
    if len(set(key)) == 1:
        raise ConfigurationError("the secret is one character repeated: it looks like a placeholder or a masked value")
    if len(key) < SHORTEST:
        raise ConfigurationError(
            f"the secret has {len(key)} bytes and could be guessed: use at least {SHORT} random ones"
            ' (python -c "import secrets; print(secrets.token_urlsafe(32))")'
        )
    if len(key) < SHORT:
        warnings.warn(
            f"a webhook secret has only {len(key)} bytes: use at least {SHORT} random ones", WeakSecretWarning, stacklevel=3
        )


_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}", re.ASCII)
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+", re.ASCII)


def need_format(fmt: object) -> None:
    """Raise ConfigurationError unless secrets can be read in this format."""
    if fmt not in get_args(SecretFormat):
        raise ConfigurationError(f"secret_format is {fmt!r}; choose {', '.join(map(repr, get_args(SecretFormat)))}")


def _decode(text: str, fmt: SecretFormat) -> bytes:
    if fmt == "hex":
        if not _HEX.fullmatch(text):
            raise ConfigurationError("the secret is not hex: this provider shows pairs of the digits 0-9 and a-f", check="S2")
        return bytes.fromhex(text)
    body = text
    if fmt == "whsec":
        for wrong in ("whpk_", "whsk_"):
            if text.startswith(wrong):
                raise ConfigurationError(f"the secret is an asymmetric key ({wrong}…); this preset needs a whsec_ secret")
        body = text.removeprefix("whsec_")
        if not body:
            raise ConfigurationError("the secret is empty after whsec_: set it to the value the provider's dashboard shows")
    if not _BASE64.fullmatch(body):
        raise ConfigurationError("the secret is not base64: copy the whole value, or pass bytes if the text itself is the key")
    stripped = body.rstrip("=")
    try:
        key = base64.b64decode(stripped + "=" * (-len(stripped) % 4), validate=True)
    except binascii.Error:
        key = b""
    # b64decode ignores stray bits in the last character: only the one canonical spelling is a copy of the real secret.
    if base64.b64encode(key).rstrip(b"=") != stripped.encode():
        raise ConfigurationError("the secret is cut base64: copy the whole value", check="S3")
    return key


def _seconds(moment: datetime | float | None, what: str) -> float | None:
    if moment is None or isinstance(moment, (int, float)):
        return moment
    if moment.tzinfo is None:
        raise ConfigurationError(f"{what} has no time zone: write datetime(…, tzinfo=timezone.utc)")
    return moment.astimezone(timezone.utc).timestamp()
