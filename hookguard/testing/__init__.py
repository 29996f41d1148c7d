"""For the tests of people who use hookguard: a clock that stands still, ``work_off``, and the contracts of stores and inboxes.

Deliveries need nothing from here: ``presets.STRIPE.sign(body, secret)`` returns one with its headers, signed as the
provider would. The contracts need pytest; the rest does not. The Hypothesis machine is in :mod:`hookguard.testing.machine`,
because it needs Hypothesis.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hookguard.testing.clock import FrozenClock
from hookguard.testing.working_off import awork_off, work_off

if TYPE_CHECKING:
    from hookguard.testing.contract import StoreContract
    from hookguard.testing.evidence_contract import EvidenceContract
    from hookguard.testing.inbox_contract import InboxContract

__all__ = ["EvidenceContract", "FrozenClock", "InboxContract", "StoreContract", "awork_off", "work_off"]

_NEED_PYTEST = {"EvidenceContract": "evidence_contract", "InboxContract": "inbox_contract", "StoreContract": "contract"}


def __getattr__(name: str) -> Any:
    """Load a contract on first use."""
    if name not in _NEED_PYTEST:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_NEED_PYTEST[name]}"), name)
