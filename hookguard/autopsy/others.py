"""Keys that may have signed a delivery besides those in force: retired ones, other endpoints', misread ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from itertools import combinations
from typing import NamedTuple

from hookguard.autopsy.known import Known
from hookguard.delivery import Delivery
from hookguard.errors import HookguardError
from hookguard.preset import Preset
from hookguard.privacy.readings import cut_short
from hookguard.schemes.base import Key, Scheme
from hookguard.secret import Secret, SecretFormat
from hookguard.verifier import Verifier

__all__ = ["Other", "cut_secrets", "key_under", "other_keys", "verifiers_of"]

#: The most endpoints whose secrets are tried.
MAX_ENDPOINTS = 64
#: The prefix of Standard Webhooks, which others have as well.
_STANDARD = "whsec_"
_LITERAL = re.compile(r"[A-Za-z]+(?:_[A-Za-z]+)*_")


class Other(NamedTuple):
    """A key, and the cause that a match with it proves."""

    code: str
    detail: str
    key: Key


def other_keys(verifier: Verifier, own: Sequence[Key], delivery: Delivery, known: Known, now: float) -> list[Other]:
    """Return the keys to try, the likeliest first, each under a name of its own."""
    scheme, preset = verifier.preset.scheme, verifier.preset
    found: list[tuple[str, str, Secret]] = list(_out_of_date(verifier, now))
    found += _of_endpoints(preset, known)
    if not scheme.signs_privately and not hasattr(scheme, "wants"):
        found += _misread(preset, own)
    found += _swapped(scheme, own)
    for key in own:
        found += [("test_event", "", key.secret.instead(name, value)) for name, value in preset.stand_ins if key.secret.has(name)]
        found += _accounts(scheme, key.secret, delivery)
    keys: list[Other] = []
    for code, detail, secret in found:
        made = _prepared(scheme, secret, f"other {len(keys)}")
        if made is not None:
            keys.append(Other(code, detail, made))
    return keys


def _prepared(scheme: Scheme, secret: Secret, name: str) -> Key | None:
    """Return the key, or None if the scheme cannot use the secret."""
    try:
        return Key(name, secret, scheme.prepare(secret))
    except Exception:  # a hypothesis may be no key at all
        return None


def _out_of_date(verifier: Verifier, now: float) -> Iterator[tuple[str, str, Secret]]:
    for key in verifier.every_key:
        start, end = key.secret.not_before, key.secret.not_after
        if end is not None and end <= now:
            yield "secret_retired", f"secret {key.name}, retired since {_day(end)}", key.secret
        elif start is not None and start > now:
            yield "secret_not_yet", f"secret {key.name}, valid from {_day(start)}", key.secret


def _day(moment: float) -> str:
    try:
        return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return f"{moment:.0f}"


def verifiers_of(verifier: object) -> list[Verifier]:
    """Return the verifier, or the two of an endpoint behind a gateway."""
    if isinstance(verifier, Verifier):
        return [verifier]
    return [
        each for each in (getattr(verifier, "gateway", None), getattr(verifier, "provider", None)) if isinstance(each, Verifier)
    ]


def _of_endpoints(preset: Preset, known: Known) -> Iterator[tuple[str, str, Secret]]:
    for name, endpoint in known.endpoints[:MAX_ENDPOINTS]:
        for verifier in verifiers_of(endpoint):
            for key in verifier.every_key:
                secret = key.secret if verifier.preset.scheme is preset.scheme else key_under(preset.scheme, key.secret)
                if secret is not None:
                    yield "other_endpoint", f"{known.place(name)}, secret {key.name}", secret


def key_under(scheme: Scheme, secret: Secret) -> Secret | None:
    """Return a secret with its fields named as another scheme requires; None if they do not fit."""
    try:
        return secret.fit(scheme.secret_fields, scheme.optional_fields, scheme.naming_fields)
    except HookguardError:
        return None


def _misread(preset: Preset, own: Sequence[Key]) -> Iterator[tuple[str, str, Secret]]:
    scheme = preset.scheme
    fmt: SecretFormat = scheme.secret_format
    prefixes = _prefixes(preset)
    names = [name for name in scheme.secret_fields if name not in scheme.naming_fields][:2]
    for key in own:
        for name in names:
            if key.secret.has(name):
                for code, secret in key.secret.readings(fmt, name, prefixes=prefixes):
                    yield code, f"secret {key.name}", secret


def _prefixes(preset: Preset) -> tuple[str, ...]:
    """Return the texts with which the provider's secrets begin."""
    own = tuple(dict.fromkeys(_LITERAL.findall(preset.secret_shape)))[:4]
    usual = () if _STANDARD in own or preset.scheme.secret_format != "text" else (_STANDARD,)  # noqa: S105 - the format, not a secret
    return (*own, *usual)


def _swapped(scheme: Scheme, own: Sequence[Key]) -> Iterator[tuple[str, str, Secret]]:
    names = (*scheme.secret_fields, *scheme.optional_fields)
    for key in own:
        given = [name for name in names if key.secret.has(name)]
        for one, other in combinations(given[:4], 2):
            yield "secret_swapped", f"{one} and {other} of secret {key.name}", key.secret.swapped(one, other)


def _accounts(scheme: Scheme, secret: Secret, delivery: Delivery) -> Iterator[tuple[str, str, Secret]]:
    """Return the secret with what the delivery says of itself in place of the fields that only name something."""
    try:
        said = {name: text for name, text in scheme.says_of_itself(delivery).items() if secret.has(name)}
        other = {name: text for name, text in said.items() if secret.field(name) != text}
    except Exception:  # the delivery may be anything
        return
    for name, text in other.items():
        yield "wrong_account", f"field {name}", secret.instead(name, text)
    if len(other) > 1:
        whole = secret
        for name, text in other.items():
            whole = whole.instead(name, text)
        yield "wrong_account", f"fields {', '.join(other)}", whole


def cut_secrets(scheme: Scheme, own: Sequence[Key]) -> Iterator[Other]:
    """Yield the keys of secrets with one character more at an end."""
    if scheme.signs_privately or hasattr(scheme, "wants"):
        return
    name = scheme.secret_fields[0]
    for key in own:
        if not key.secret.has(name):
            continue
        for number, (code, secret) in enumerate(key.secret.readings(scheme.secret_format, name, read=_cut)):
            prepared = _prepared(scheme, secret, f"cut {number}")
            if prepared is not None:
                yield Other(code, f"secret {key.name}", prepared)


def _cut(value: str | bytes, *_: object) -> Iterator[tuple[str, str | bytes]]:
    for text in cut_short(value):
        yield "secret_cut", text
