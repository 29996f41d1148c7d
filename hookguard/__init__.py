"""Receive webhooks that are genuine, fresh, handled once and never lost.

No forged delivery is ever accepted; no verified event is acknowledged without its effect.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hookguard import presets
    from hookguard.delivery import Delivery
    from hookguard.endpoint import Endpoint
    from hookguard.errors import ConfigurationError, GiveUp, HookguardError, Rejected, StoreUnavailable
    from hookguard.event import Event
    from hookguard.gateway import GatewayVerifier
    from hookguard.guard import AsyncGuard, Guard
    from hookguard.guard.receipt import Receipt
    from hookguard.headers import Headers
    from hookguard.networks import Networks
    from hookguard.outcome import Outcome
    from hookguard.place import FirstOf, InBody, InForm, InHeader, InQuery, InXml, Joined
    from hookguard.preset import Preset
    from hookguard.reply import Reply
    from hookguard.schemes import CallbackScheme, HmacScheme, SignatureHeader, TokenScheme
    from hookguard.secret import Secret
    from hookguard.store import AsyncStore, Claim, ClaimStatus, Store, StoreKey
    from hookguard.stores import MemoryStore, SQLiteStore
    from hookguard.verifier import Tenant, Verifier

__all__ = [
    "AsyncGuard",
    "AsyncStore",
    "CallbackScheme",
    "Claim",
    "ClaimStatus",
    "ConfigurationError",
    "Delivery",
    "Endpoint",
    "Event",
    "FirstOf",
    "GatewayVerifier",
    "GiveUp",
    "Guard",
    "Headers",
    "HmacScheme",
    "HookguardError",
    "InBody",
    "InForm",
    "InHeader",
    "InQuery",
    "InXml",
    "Joined",
    "MemoryStore",
    "Networks",
    "Outcome",
    "Preset",
    "Receipt",
    "Rejected",
    "Reply",
    "SQLiteStore",
    "Secret",
    "SignatureHeader",
    "Store",
    "StoreKey",
    "StoreUnavailable",
    "Tenant",
    "TokenScheme",
    "Verifier",
    "presets",
]

#: Where each name is. A module is loaded when one of its names is asked for, so that ``import hookguard`` costs nothing.
_HOMES = {
    "delivery": ("Delivery",),
    "endpoint": ("Endpoint",),
    "errors": ("ConfigurationError", "GiveUp", "HookguardError", "Rejected", "StoreUnavailable"),
    "event": ("Event",),
    "gateway": ("GatewayVerifier",),
    "guard": ("AsyncGuard", "Guard"),
    "guard.receipt": ("Receipt",),
    "headers": ("Headers",),
    "networks": ("Networks",),
    "outcome": ("Outcome",),
    "place": ("FirstOf", "InBody", "InForm", "InHeader", "InQuery", "InXml", "Joined"),
    "preset": ("Preset",),
    "reply": ("Reply",),
    "schemes": ("CallbackScheme", "HmacScheme", "SignatureHeader", "TokenScheme"),
    "secret": ("Secret",),
    "store": ("AsyncStore", "Claim", "ClaimStatus", "Store", "StoreKey"),
    "stores": ("MemoryStore", "SQLiteStore"),
    "verifier": ("Tenant", "Verifier"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "presets":
        found: Any = import_module("hookguard.presets")
    elif name in _HOME:
        found = getattr(import_module(f"hookguard.{_HOME[name]}"), name)
    else:
        raise AttributeError(f"module 'hookguard' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
