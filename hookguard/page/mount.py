"""The page of an application's settings, for the plugins: the inbox of the store, and what is known of the endpoints."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from hookguard.config import Settings
from hookguard.endpoint import Endpoint
from hookguard.errors import ConfigurationError
from hookguard.evidence.contract import KeepsEvidence
from hookguard.gateway import GatewayVerifier
from hookguard.guard.bridge import ThreadRunner, call_inline
from hookguard.inbox.contract import HasInbox
from hookguard.inbox.hidden import read_pointers
from hookguard.page.door import Door
from hookguard.page.look import Call
from hookguard.page.opened import EndpointFacts
from hookguard.page.site import Page

__all__ = ["need_allow", "open_page"]


def need_allow(allow: object, example: str) -> None:
    """Raise ConfigurationError unless ``allow`` is a function: the page is closed unless it lets somebody in."""
    if allow is None:
        raise ConfigurationError(
            "page: allow is missing, and without it anybody could read your customers' events: give a function that returns None,"
            f" or a name and a set of 'look', 'open', 'rerun', 'drop', as in {example}"
        )
    if not callable(allow):
        raise ConfigurationError(f"page: allow is {allow!r}: give a function that takes the request, as in {example}")


def open_page(settings: Settings, secret_key: str | bytes | None, in_thread: ThreadRunner = call_inline) -> Page:
    """Return the page of the inbox in the settings' store. ``in_thread`` runs the calls of a blocking inbox.

    Raises ConfigurationError if the store keeps no deliveries, or the secret key is missing.
    """
    door = Door(secret_key)
    store = settings.store
    if not isinstance(store, HasInbox):
        raise ConfigurationError(
            f"page: {store!r} cannot keep deliveries, so there is no inbox to show: use a store with an inbox, such as"
            " sqlite:///hookguard.sqlite3"
        )
    facts = {name: _facts(endpoint) for name, endpoint in settings.endpoints.items() if endpoint.inbox is not None}
    records = None
    if isinstance(store, KeepsEvidence) and any(endpoint.evidence is not None for endpoint in settings.endpoints.values()):
        records = _blocking(store.evidence(), in_thread)
    return Page(_caller(store.inbox(), in_thread), door, facts, records)


def _facts(endpoint: Endpoint) -> EndpointFacts:
    scheme = endpoint.preset.scheme
    gateway = isinstance(endpoint.verifier, GatewayVerifier)
    hide = endpoint.inbox.hide if endpoint.inbox is not None else ()
    return EndpointFacts(
        covers=() if gateway else tuple(sorted(scheme.covers)),
        secret_headers=frozenset(name.lower() for name in scheme.signature_headers),
        hide=read_pointers(hide),
    )


def _caller(inbox: Any, in_thread: ThreadRunner) -> Call:
    if not inspect.iscoroutinefunction(inbox.counts):
        awaited = getattr(inbox, "awaited", None)
        if in_thread is call_inline or awaited is None:
            return _blocking(inbox, in_thread)
        inbox = awaited(in_thread)

    async def call(operation: Callable[[Any], Any]) -> Any:
        return await operation(inbox)

    return call


def _blocking(called: Any, in_thread: ThreadRunner) -> Call:
    async def call(operation: Callable[[Any], Any]) -> Any:
        return await in_thread(lambda: operation(called))

    return call
