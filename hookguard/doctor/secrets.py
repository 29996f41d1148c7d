"""Checks of the secrets. They are compared by digests with a key of this process; no text of one leaves this module."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

from hookguard.doctor.application import Application, Finder
from hookguard.doctor.published import is_published
from hookguard.endpoint import Endpoint
from hookguard.errors import ConfigurationError
from hookguard.preset import Preset
from hookguard.privacy.secret_mistakes import is_placeholder
from hookguard.remarks import Remark
from hookguard.schemes.base import Key
from hookguard.secret import SHORT

__all__ = ["SECRET_FINDERS", "texts_of"]

#: Seconds before its last date at which a secret without a successor gets a remark.
SOON: Final = 14 * 86400.0

#: How well-known credentials begin that no provider uses for signatures.
TOKENS: Final = (
    (r"(?:gh[pousr]_|github_pat_)[A-Za-z0-9]", "an access token of GitHub"),
    (r"glpat-[A-Za-z0-9_-]", "an access token of GitLab"),
    (r"xox[abeoprs]-|xapp-[0-9]", "a token of Slack"),
    (r"(?:AKIA|ASIA)[A-Z0-9]{16}\Z", "an access key's id of AWS"),
    (r"sk-(?:ant|proj)-", "an API key"),
    (r"npm_[A-Za-z0-9]{36}\Z", "an access token of npm"),
)

_NAMED = re.compile(r"(?:export )?[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\s*=")


def _each(application: Application) -> Iterator[tuple[Endpoint, Preset, Key]]:
    """Yield every configured key, the gateways' too, except the published keys of providers, which are not secret."""
    for endpoint in application.every_endpoint():
        for preset, key in endpoint.verifier.configured():
            if not preset.scheme.signs_privately:
                yield endpoint, preset, key


def texts_of(preset: Preset, key: Key) -> dict[str, bytes]:
    """Return the values of a secret by their fields, without those that only name something."""
    scheme, found = preset.scheme, {}
    for field in (*scheme.secret_fields, *scheme.optional_fields):
        if key.secret.has(field) and field not in scheme.naming_fields:
            try:
                value = key.secret.value(field)
            except ConfigurationError:
                continue  # a mapping: public keys by their numbers
            found[field] = value.encode() if isinstance(value, str) else value
    return found


def _about(endpoint: Endpoint, key: Key) -> str:
    return f"the secret {key.name} of endpoint {endpoint.name!r}"


def _short(application: Application) -> Iterator[Remark]:
    for endpoint, preset, key in _each(application):
        text = texts_of(preset, key).get(preset.scheme.secret_fields[0], b"")
        if text and len(text) < SHORT:
            yield Remark(
                "S1",
                f"{_about(endpoint, key)} has only {len(text)} bytes",
                f"Use at least {SHORT} random ones",
                "warning",
            )


def _unfit(application: Application) -> Iterator[Remark]:
    for endpoint, preset, key in _each(application):
        for text in texts_of(preset, key).values():
            shown = text.decode("latin-1")
            if is_published(text):
                yield Remark("S2", f"{_about(endpoint, key)} is an example that a manual publishes: anybody can sign with it")
            elif is_placeholder(shown):
                yield Remark("S2", f"{_about(endpoint, key)} is a placeholder of a manual, or a variable's name")
            for shape, what in preset.not_secrets:
                if re.match(shape, shown):
                    yield Remark("S2", f"{_about(endpoint, key)} has the shape of {what}")
                    break
            else:
                if what := next((what for shape, what in TOKENS if re.match(shape, shown)), ""):
                    yield Remark("S2", f"{_about(endpoint, key)} has the shape of {what}")
            if shown.startswith("-----BEGIN "):
                continue
            if _NAMED.match(shown):
                yield Remark("S3", f"{_about(endpoint, key)} begins with a variable's name and an equals sign")
            elif shown.isascii() and ("\n" in shown or "\r" in shown) and shown.replace("\n", "").replace("\r", "").isprintable():
                yield Remark("S3", f"{_about(endpoint, key)} has a line break in it")


def _of_tests(application: Application) -> Iterator[Remark]:
    for endpoint, preset, key in () if application.debug else _each(application):
        texts = [text.decode("latin-1") for text in texts_of(preset, key).values()]
        if preset.test_shape and any(re.match(preset.test_shape, text) for text in texts):
            yield Remark("S6", f"{_about(endpoint, key)} is of the test mode of {preset.title or preset.name}")


def _twice(application: Application) -> Iterator[Remark]:
    own = os.urandom(32)
    places: defaultdict[bytes, list[tuple[Endpoint, Key]]] = defaultdict(list)
    for endpoint, preset, key in _each(application):
        texts = sorted(texts_of(preset, key).values())
        if texts:
            places[hmac.digest(own, b"\0".join(texts), hashlib.sha256)].append((endpoint, key))
    for same in places.values():
        (first, key), *others = same
        for endpoint, other in others:
            yield Remark("S4", f"{_about(first, key)} and {_about(endpoint, other)} are the same")


def _dates(application: Application) -> Iterator[Remark]:
    now = time.time()
    for endpoint in application.every_endpoint():
        keys: defaultdict[str, list[Key]] = defaultdict(list)
        for preset, key in endpoint.verifier.configured():
            keys[preset.name].append(key)
        for provider, each in keys.items():
            yield from _compare_dates(endpoint, provider, each, now)


def _compare_dates(endpoint: Endpoint, provider: str, keys: list[Key], now: float) -> Iterator[Remark]:
    valid = [key for key in keys if key.secret.valid_at(now)]
    if not valid:
        yield Remark("S5", f"endpoint {endpoint.name!r}: no secret of {provider} is valid now, by their dates")
        return
    ends = [key.secret.not_after for key in valid if key.secret.not_after is not None]
    later = any(key.secret.not_before is not None and key.secret.not_before > now for key in keys)
    if len(ends) == len(valid) and not later and max(ends) - now < SOON:
        days = (max(ends) - now) / 86400
        yield Remark(
            "S5",
            f"endpoint {endpoint.name!r}: the last secret of {provider} is valid for {days:.1f} days more, and has no successor",
            level="warning",
        )
    for key in keys:
        if key.secret.not_after is not None and key.secret.not_after <= now:
            yield Remark("S5", f"{_about(endpoint, key)} is not valid any more, by its date", "Remove it", "info")


def secrets_by_text(application: Application) -> Mapping[bytes, str]:
    """Return the texts of the secrets that are long enough to be found in a file, with their places in words."""
    return {
        text: _about(endpoint, key)
        for endpoint, preset, key in _each(application)
        for text in texts_of(preset, key).values()
        if len(text) >= SHORT
    }


SECRET_FINDERS: Final = (
    Finder(("S1",), _short),
    Finder(("S2", "S3"), _unfit),
    Finder(("S4",), _twice),
    Finder(("S5",), _dates),
    Finder(("S6",), _of_tests),
)
