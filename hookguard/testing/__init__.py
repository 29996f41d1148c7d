"""For the tests of people who use hookguard: a clock that stands still, and the contract every store must keep.

Deliveries need nothing from here: ``presets.STRIPE.sign(body, secret)`` returns one with its headers, signed as the
provider would. The Hypothesis machine is in :mod:`hookguard.testing.machine`, because it needs Hypothesis.
"""

from hookguard.testing.clock import FrozenClock
from hookguard.testing.contract import StoreContract

__all__ = ["FrozenClock", "StoreContract"]
