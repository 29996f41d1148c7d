"""Is it genuine, and is it fresh? Pure: bytes and a clock in, an Event out."""

from __future__ import annotations

import time
import warnings
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Union

from hookguard.delivery import Delivery
from hookguard.envelope import Envelope
from hookguard.errors import (
    ConfigurationError,
    MalformedBody,
    Rejected,
    SignatureMismatch,
    TimestampOutOfTolerance,
    UnconfirmedPresetWarning,
)
from hookguard.event import Event
from hookguard.headers import Headers
from hookguard.keys import Wanted
from hookguard.preset import Preset, make_keys
from hookguard.presets import get
from hookguard.schemes.base import Key, Verified
from hookguard.secret import SecretLike

__all__ = ["SecretLookup", "Tenant", "Verifier"]

#: The widest tolerance that is taken for a tolerance: a year.
WIDEST = 366 * 86400.0
#: Seconds that two clocks may differ where what was signed has dates of its own.
LEEWAY = 30.0


@dataclass(frozen=True, slots=True)
class Tenant:
    """Whose secrets a delivery is to be checked with. ``name`` becomes part of the store key."""

    name: str
    secrets: Sequence[SecretLike] = field(repr=False)

    def __post_init__(self) -> None:
        if not self.name or isinstance(self.secrets, (str, bytes)):
            raise ConfigurationError("a Tenant has a name and a list of secrets")


#: Finds the tenant by the delivery's path and headers, neither of which is verified yet; None when there is none.
SecretLookup = Callable[[str, Headers], Union[Tenant, None, Awaitable[Union[Tenant, None]]]]


class Verifier:
    """Checks deliveries of one provider: the signature first, then the timestamp.

    ``preset`` is a name or a Preset. ``secrets`` are newest first; any of them may match. ``tolerance`` is seconds a
    signed timestamp may be off, both ways; leave it out for the preset's own, and switch it off only with
    ``tolerance=None, allow_stale=True``. Raises ConfigurationError here, never at a delivery. Warns
    UnconfirmedPresetWarning when no official source confirms the preset.
    """

    __slots__ = (
        "_clock",
        "_keys",
        "_undated",
        "_validity",
        "_verify",
        "_wants",
        "allow_stale",
        "held",
        "lookup",
        "preset",
        "tenant",
        "tolerance",
    )

    _copied: ClassVar[tuple[str, ...]] = (
        "_clock",
        "_validity",
        "_verify",
        "_wants",
        "allow_stale",
        "held",
        "preset",
        "tolerance",
    )

    def __init__(
        self,
        preset: str | Preset,
        secrets: SecretLike | Iterable[SecretLike] | SecretLookup,
        *,
        tolerance: float | None | Literal["preset"] = "preset",
        allow_stale: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.preset = get(preset) if isinstance(preset, str) else preset
        if not isinstance(self.preset, Preset):
            raise ConfigurationError(f"preset is {type(self.preset).__name__}: give the name of a preset, or a Preset")
        if not self.preset.confirmed:
            # The text is the same every time, so that Python's own filter shows it once.
            warnings.warn(
                f"the preset {self.preset.name!r} is not confirmed by its provider: {self.preset.doubt}."
                " Try it with real deliveries before you rely on it.",
                UnconfirmedPresetWarning,
                stacklevel=2,
            )
        self.allow_stale = allow_stale
        self.held = 0.0  #: seconds that somebody in between may have kept a delivery, besides the tolerance
        self.tolerance = self._judge(tolerance)
        self.tenant: str | None = None
        self.lookup: SecretLookup | None = None
        self._clock = clock
        self._verify: Callable[..., Verified] = self.preset.scheme.verify
        # What only a few schemes have: keys to fetch, and bounds of their own to when they hold.
        self._wants = getattr(self.preset.scheme, "wants", None)
        self._validity = getattr(self.preset.scheme, "validity", None)
        if callable(secrets):
            self.lookup = secrets
            self._use(())
        else:
            self._take(secrets)

    def _judge(self, tolerance: float | None | Literal["preset"]) -> float | None:
        name = self.preset.name
        if tolerance == "preset":
            tolerance = None if self.allow_stale else self.preset.tolerance
        elif not self.preset.scheme.signs_timestamp:
            raise ConfigurationError(
                f"{name} signs no timestamp, so a tolerance would check nothing: leave it out. Replays are caught by the store."
            )
        if tolerance is None:
            if not self.allow_stale:
                raise ConfigurationError(f"{name}: tolerance=None accepts deliveries of any age; say allow_stale=True as well")
            return None
        if isinstance(tolerance, bool) or not isinstance(tolerance, (int, float)) or not 0 < tolerance <= WIDEST:
            raise ConfigurationError(f"{name}: tolerance is {tolerance!r}; give seconds, more than 0 and at most a year")
        if self.allow_stale:
            raise ConfigurationError(f"{name}: allow_stale=True switches the tolerance off, so leave one of the two out")
        return float(tolerance) if self.preset.scheme.signs_timestamp else None

    def _take(self, secrets: SecretLike | Iterable[SecretLike]) -> None:
        self._use(make_keys(self.preset, secrets))

    def _use(self, keys: tuple[Key, ...]) -> None:
        dated = any(key.secret.not_before is not None or key.secret.not_after is not None for key in keys)
        self._keys = keys
        #: The keys where all of them hold at any time, so that no clock is asked; else none.
        self._undated: tuple[Key, ...] = () if dated else keys

    def for_tenant(self, tenant: Tenant) -> Verifier:
        """Return a verifier with the tenant's secrets, otherwise like this one."""
        verifier = type(self).__new__(type(self))
        for name in self._copied:
            setattr(verifier, name, getattr(self, name))
        verifier.lookup = None
        verifier.tenant = tenant.name
        verifier._take(tenant.secrets)
        return verifier

    def keys(self) -> tuple[Key, ...]:
        """Return the keys that are valid now, as configured."""
        now = self._clock()
        return tuple(key for key in self._keys if key.secret.valid_at(now))

    def key(self, name: str) -> Key:
        """Return the key of that name: an event's ``secret`` is the name of the one that matched."""
        return next(key for key in self._keys if key.name == name)

    @property
    def retention(self) -> float:
        """How long an event must be remembered, in seconds, unless an endpoint says otherwise."""
        return self.preset.retention(self.tolerance)

    @property
    def fetches(self) -> bool:
        """Whether deliveries need keys that the provider publishes: see ``wants``."""
        return self._wants is not None

    def wants(self, delivery: Delivery) -> Wanted | None:
        """Return which key the delivery needs fetched, or None; raise Rejected when no key could make it genuine.

        Guards fetch it by themselves. Without one: ``verifier.verify(delivery, found=source.get(wanted))``.
        """
        return self._wants(delivery, self._undated or self._usable()) if self._wants is not None else None

    def _usable(self) -> tuple[Key, ...]:
        keys = self.keys()
        if not keys:
            if self.lookup is not None:
                raise ConfigurationError("this verifier looks its secrets up per tenant: pass deliveries to a guard")
            raise SignatureMismatch("every secret of this endpoint is outside its dates: configure a current one")
        return keys

    def verify(self, delivery: Delivery, *, found: Any = None) -> Event:
        """Return the delivery's event, or raise Rejected.

        The order is signature, then timestamp: a stale delivery is called stale only when it is genuine. ``found`` is the key
        that ``wants`` asked for.
        """
        keys = self._undated or self._usable()
        if self._wants is None:
            secret, timestamp = self._verify(delivery, keys)
        else:
            if found is None and self._wants(delivery, keys) is not None:
                raise ConfigurationError(
                    f"{self.preset.name} deliveries need a key that is fetched: pass them to a guard, which does that,"
                    " or have verifier.wants(delivery) fetched and pass found= here"
                )
            secret, timestamp = self._verify(delivery, keys, found)
        tolerance = self.tolerance
        if timestamp is not None and tolerance is not None:
            off = self._clock() - timestamp
            if not -tolerance <= off <= tolerance and not 0 <= off <= tolerance + self.held:
                side = "old" if off > 0 else "in the future"
                raise TimestampOutOfTolerance(
                    f"the signed timestamp is {abs(off):.0f} s {side};"
                    f" {tolerance + (self.held if off > 0 else 0.0):.0f} s are allowed."
                    " If every delivery says so, this machine's clock is off."
                )
        if self._validity is not None and not self.allow_stale:
            start, end = self._validity(delivery)
            now = self._clock()
            if (start is not None and now < start - LEEWAY) or (end is not None and now > end + LEEWAY + self.held):
                raise TimestampOutOfTolerance("what was signed does not hold yet, or no more, by its own dates")
        opened: bytes | None = None
        if self.preset.envelope is not None:
            secret, opened = self._open(self.preset.envelope, delivery, keys, secret)
        return Event(delivery, self.preset, secret, timestamp, self.tenant, opened)

    def _open(self, envelope: Envelope, delivery: Delivery, keys: tuple[Key, ...], secret: str) -> tuple[str, bytes]:
        """What is in the envelope, and the name of the secret that opens it.

        While only the key of the envelope is rotated, the signature says nothing about which one it is.
        """
        try:
            return secret, envelope.open(delivery, self.key(secret))
        except MalformedBody:
            for key in keys:
                if key.name != secret and self._wants is None:
                    with suppress(Rejected):
                        self._verify(delivery, (key,))
                        return key.name, envelope.open(delivery, key)
            raise

    def __repr__(self) -> str:
        return f"Verifier({self.preset.name!r}, {len(self._keys)} secrets, tolerance={self.tolerance})"
