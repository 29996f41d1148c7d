"""Checks that ask the provider over the network, only with ``--online``: its keys, its list of networks, and its clock."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from hookguard.doctor.application import Application, Finder
from hookguard.endpoint import Endpoint
from hookguard.errors import ConfigurationError
from hookguard.networks import Networks
from hookguard.remarks import Remark
from hookguard.verifier import Verifier

__all__ = ["ONLINE_FINDERS"]

#: Seconds that an answer may take, and the most bytes that are read of it.
TIMEOUT: Final = 5.0
LARGEST: Final = 4 << 20
#: Seconds that this machine's clock may differ from the Date of an answer, which has whole seconds and was on its way.
CLOCKS: Final = 30.0


class _Answer(NamedTuple):
    status: int
    body: bytes
    ahead: float | None  #: seconds that this machine's clock is ahead of the server's; None without a Date


class _Failed(Exception):
    """The address did not answer; the text says why, without the address."""


def _context() -> ssl.SSLContext:
    """Return the certificates that are trusted, the same as when a delivery's key is fetched."""
    import httpx  # noqa: PLC0415 - an extra

    return httpx.create_ssl_context(trust_env=False)


def _get(url: str) -> _Answer:
    """Ask an address, as keys are fetched: without redirects, and without the environment's proxy. Raises _Failed."""
    try:
        import httpx  # noqa: PLC0415 - an extra
    except ImportError:
        raise _Failed("the package httpx is missing: pip install 'hookguard-webhooks[fetch]'") from None
    content = bytearray()
    deadline = time.monotonic() + TIMEOUT
    try:
        options: dict[str, Any] = {"timeout": TIMEOUT, "verify": _context(), "trust_env": False, "follow_redirects": False}
        with httpx.Client(**options) as client, client.stream("GET", url, headers={"accept-encoding": "identity"}) as answer:
            for piece in answer.iter_raw():
                content += piece
                if len(content) > LARGEST or time.monotonic() > deadline:
                    raise _Failed("the answer is too large or too slow")
            return _Answer(answer.status_code, bytes(content), _ahead(answer.headers.get("date", "")))
    except httpx.HTTPError as error:
        why = str(error.__cause__ or error)
        certificate = "CERTIFICATE_VERIFY_FAILED" in why
        raise _Failed("its certificate is not trusted" if certificate else f"{type(error).__name__}") from None


def _ahead(date: str) -> float | None:
    try:
        return time.time() - parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError):
        return None


def _asked(application: Application) -> Iterator[Remark]:
    """Ask each address once, for all endpoints."""
    ask = cache(_answer_or_error)
    for endpoint in application.every_endpoint():
        yield from _keys(endpoint, ask)
        yield from _networks(endpoint, ask)
        yield from _clocks(endpoint, ask)


def _answer_or_error(url: str) -> _Answer | _Failed:
    try:
        return _get(url)
    except _Failed as error:
        return error


_Ask = Callable[[str], "_Answer | _Failed"]


def _sources(endpoint: Endpoint) -> tuple[str, ...]:
    verifier: Any = endpoint.verifier
    provider = getattr(verifier, "provider", verifier)
    if not isinstance(provider, Verifier) or not provider.fetches:
        return ()
    scheme: Any = provider.preset.scheme
    return tuple(scheme.sources(provider.every_key)) if hasattr(scheme, "sources") else ()


def _keys(endpoint: Endpoint, ask: _Ask) -> Iterator[Remark]:
    for url in _sources(endpoint):
        found = ask(url)
        host = urlsplit(url).netloc.rpartition("@")[2]
        if isinstance(found, _Failed):
            yield Remark("P3", f"the keys of endpoint {endpoint.name!r} are at {host}, which does not answer: {found}")
        elif found.status >= 500:
            yield Remark("P3", f"the keys of endpoint {endpoint.name!r} are at {host}, which answers {found.status}")


def _networks(endpoint: Endpoint, ask: _Ask) -> Iterator[Remark]:
    facts = endpoint.preset.facts
    field = endpoint.preset.networks_field
    if endpoint.allow_from is None or facts is None or not facts.networks.value or field is None:
        return
    url = facts.networks.value
    found = ask(url)
    try:
        published = _published(found, field)
    except (_Failed, ConfigurationError, ValueError) as error:
        why = str(error) if isinstance(error, _Failed) else "it is not the list that hookguard knows"
        yield Remark("N2", f"the networks of {endpoint.preset.name} at {url} cannot be read: {why}", level="info")
        return
    if missing := endpoint.allow_from.missing(published):
        yield Remark(
            "N2",
            f"allow_from of endpoint {endpoint.name!r} lacks {len(missing)} of {len(published)} networks that"
            f" {endpoint.preset.name} publishes, such as {missing[0]}",
        )


def _published(found: _Answer | _Failed, field: str) -> Networks:
    if isinstance(found, _Failed):
        raise found
    if found.status != 200:
        raise _Failed(f"it answers {found.status}")
    text = found.body.decode()
    if not field:
        words = (word for line in text.splitlines() for word in line.partition("#")[0].replace(",", " ").split())
        return Networks(words)
    document = json.loads(text)
    listed = document.get(field) if isinstance(document, dict) else None
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise ValueError
    return Networks(listed)


def _clocks(endpoint: Endpoint, ask: _Ask) -> Iterator[Remark]:
    for url in _sources(endpoint):
        found = ask(url)
        if isinstance(found, _Answer) and found.ahead is not None and abs(found.ahead) > CLOCKS:
            host, side = urlsplit(url).netloc.rpartition("@")[2], "ahead of" if found.ahead > 0 else "behind"
            yield Remark("T1", f"this machine's clock is {abs(found.ahead):.0f} s {side} that of {host}")


ONLINE_FINDERS: Final = (Finder(("P3", "N2"), _asked),)
