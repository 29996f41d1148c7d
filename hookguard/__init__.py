"""Receive webhooks that are genuine, fresh, handled once and never lost.

No forged delivery is ever accepted; no verified event is acknowledged without its effect.
"""

from hookguard import presets
from hookguard.delivery import Delivery
from hookguard.endpoint import Endpoint
from hookguard.errors import ConfigurationError, HookguardError, Rejected, StoreUnavailable
from hookguard.event import Event
from hookguard.gateway import GatewayVerifier
from hookguard.guard import AsyncGuard, Guard
from hookguard.headers import Headers
from hookguard.networks import Networks
from hookguard.outcome import Outcome
from hookguard.place import FirstOf, InBody, InForm, InHeader, InQuery, InXml, Joined
from hookguard.preset import Preset
from hookguard.receipt import Receipt
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
