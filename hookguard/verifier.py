"""Checks that a delivery is genuine and fresh. Pure: bytes and a clock in, an Event out."""

from __future__ import annotations

import time
import warnings
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Union, cast

from hookguard.bodies import Reading
from hookguard.delivery import Delivery
from hookguard.envelope import Envelope
from hookguard.errors import (
    ConfigurationError,
    MalformedBody,
    Rejected,
    SignatureMismatch,
    TenantMismatch,
    UnconfirmedPresetWarning,
)
from hookguard.event import Event
from hookguard.headers import Headers
from hookguard.keys import Wanted
from hookguard.place import Place, need_place
from hookguard.preset import Preset, make_keys
from hookguard.presets import get
from hookguard.record import hides_arguments
from hookguard.schemes.base import Key, Verified, in_configured_order, last_match_first
from hookguard.schemes.timestamp import check_freshness, check_ten_digits, check_validity
from hookguard.secret import SecretLike

__all__ = ["SecretLookup", "Tenant", "Verifier", "VerifierLike", "check_tenant_place", "warn_if_unconfirmed"]

#: The largest tolerance that is accepted, in seconds: a year.
WIDEST = 366 * 86400.0


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant, whose secrets verify a delivery. ``name`` becomes part of the store key.

    ``signed_as`` is the tenant's name in the signed part of a delivery, if it differs from ``name``: see ``tenant_in``.
    """

    name: str
    secrets: Sequence[SecretLike] = field(repr=False)
    signed_as: str | None = None

    def __post_init__(self) -> None:
        if not self.name or isinstance(self.secrets, (str, bytes)):
            raise ConfigurationError("a Tenant has a name and a list of secrets")
        if self.signed_as is not None and (not self.signed_as or not isinstance(self.signed_as, str)):
            raise ConfigurationError(f"tenant {self.name!r}: signed_as is {self.signed_as!r}; give a text, or leave it out")


#: Finds the tenant by the delivery's path and headers, neither of which is verified yet; None for an unknown tenant.
SecretLookup = Callable[[str, Headers], Union[Tenant, None, Awaitable[Union[Tenant, None]]]]


class VerifierLike(Protocol):
    """The part of a verifier that endpoints and guards use: a :class:`Verifier`, or one behind a gateway."""

    @property
    def preset(self) -> Preset:
        """The provider's preset; behind a gateway, with the gateway's signature and facts."""

    @property
    def lookup(self) -> SecretLookup | None:
        """The function that finds each delivery's tenant; None if the secrets are fixed."""

    @property
    def tolerance(self) -> float | None:
        """Seconds that a signed timestamp may be off; None if it is not checked."""

    @property
    def retention(self) -> float:
        """How long an event must be remembered, in seconds."""

    @property
    def oldest_retry(self) -> float:
        """How old the signed timestamp of an honest retry may be, in seconds."""

    @property
    def fetches(self) -> bool:
        """Whether deliveries need keys that the provider publishes."""

    def for_tenant(self, tenant: Tenant) -> VerifierLike:
        """Return a copy with the tenant's secrets."""

    def keys(self) -> tuple[Key, ...]:
        """Return the keys that are valid now, in the configured order."""

    def key(self, name: str) -> Key:
        """Return the key that an event's ``secret`` names."""

    def configured(self) -> Iterator[tuple[Preset, Key]]:
        """Yield every configured key, whatever its dates, with the preset that it verifies."""

    def wants(self, delivery: Delivery) -> Wanted | None:
        """Return the key that must be fetched for the delivery, or None; raise Rejected if no key could make it genuine."""

    def verify(self, delivery: Delivery, *, found: Any = None) -> Event:
        """Return the delivery's event, or raise Rejected."""

    def check_key_name(self, name: str) -> None:
        """Raise ConfigurationError unless the provider could have a published key of this name."""

    def read_pinned_key(self, name: str, text: str | bytes) -> Any:
        """Return the key that is pinned under a name; ConfigurationError if it is not valid."""


class Verifier:
    """Checks deliveries of one provider: the signature first, then the timestamp.

    ``preset`` is a name or a Preset. ``secrets`` are newest first; any of them may match. ``tolerance`` is the seconds that a
    signed timestamp may be off, in both directions. By default it is the preset's; to switch it off, set
    ``tolerance=None, allow_stale=True``. ``tenant_in`` is the place in the signed part of a delivery that names the tenant: a
    delivery that names another tenant than the lookup found is rejected. Raises ConfigurationError here, never at a
    delivery. Warns with UnconfirmedPresetWarning if no official source confirms the preset.
    """

    __slots__ = (
        "_bare",
        "_clock",
        "_keys",
        "_last_match",
        "_learns",
        "_signed_as",
        "_tenant_in",
        "_undated",
        "_validity",
        "_verify",
        "_wants",
        "allow_stale",
        "gateway_delay",
        "lookup",
        "preset",
        "tenant",
        "tolerance",
    )

    @hides_arguments
    def __init__(
        self,
        preset: str | Preset,
        secrets: SecretLike | Iterable[SecretLike] | SecretLookup,
        *,
        tolerance: float | None | Literal["preset"] = "preset",
        allow_stale: bool = False,
        tenant_in: Place | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.preset = get(preset) if isinstance(preset, str) else preset
        if not isinstance(self.preset, Preset):
            raise ConfigurationError(f"preset is {type(self.preset).__name__}: give the name of a preset, or a Preset")
        warn_if_unconfirmed(self.preset)
        self.allow_stale = allow_stale
        self.gateway_delay = 0.0  #: seconds a gateway may have held the delivery, on top of tolerance
        self.tolerance = self._check_tolerance(tolerance)
        self.tenant: str | None = None
        self.lookup: SecretLookup | None = None
        self._clock = clock
        self._verify: Callable[..., Verified] = self.preset.scheme.verify
        # Only a few schemes have these: keys to fetch, and dates of their own.
        self._wants = getattr(self.preset.scheme, "wants", None)
        self._bare = getattr(self.preset.scheme, "bare_timestamp", False)
        self._validity = getattr(self.preset.scheme, "validity", None)
        if callable(secrets):
            self.lookup = secrets
            self._use(())
        else:
            self._use(make_keys(self.preset, secrets))
        self._signed_as: str | None = None
        check_tenant_place(tenant_in, self.preset, self.lookup)
        self._tenant_in = tenant_in

    def _check_tolerance(self, tolerance: float | None | Literal["preset"]) -> float | None:
        name = self.preset.name
        if tolerance == "preset":
            tolerance = None if self.allow_stale else self.preset.tolerance
        elif not self.preset.scheme.signs_timestamp:
            raise ConfigurationError(
                f"{name} signs no timestamp, so a tolerance would check nothing: leave it out. The store rejects replays."
            )
        if tolerance is None:
            if not self.allow_stale:
                raise ConfigurationError(f"{name}: tolerance=None accepts deliveries of any age; set allow_stale=True as well")
            return None
        if isinstance(tolerance, bool) or not isinstance(tolerance, (int, float)) or not 0 < tolerance <= WIDEST:
            raise ConfigurationError(f"{name}: tolerance is {tolerance!r}; give seconds, more than 0 and at most a year")
        if self.allow_stale:
            raise ConfigurationError(f"{name}: allow_stale=True switches the tolerance off: leave one of the two out")
        return float(tolerance) if self.preset.scheme.signs_timestamp else None

    def _use(self, keys: tuple[Key, ...]) -> None:
        dated = any(key.secret.not_before is not None or key.secret.not_after is not None for key in keys)
        self._keys = keys
        #: All keys if none of them has dates, so that no clock is read; otherwise empty. The key that matched last is in front.
        self._undated: tuple[Key, ...] = () if dated else keys
        #: The name of the key that matched last, if keys have dates. The dates decide first which keys are tried.
        self._last_match = ""
        self._learns = len(keys) > 1 and getattr(self.preset.scheme, "tries_last_match_first", False)

    def for_tenant(self, tenant: Tenant) -> Verifier:
        """Return a copy of this verifier with the tenant's secrets."""
        verifier = copy(self)
        verifier.lookup = None
        verifier.tenant = tenant.name
        verifier._signed_as = tenant.signed_as or tenant.name
        verifier._use(make_keys(self.preset, tenant.secrets))
        return verifier

    def keys(self) -> tuple[Key, ...]:
        """Return the keys that are valid now, in the configured order."""
        return self.keys_at(self._clock())

    def keys_at(self, now: float) -> tuple[Key, ...]:
        """Return the keys that are valid at a time, in seconds since 1970, in the configured order."""
        return tuple(key for key in self._keys if key.secret.valid_at(now))

    @property
    def every_key(self) -> tuple[Key, ...]:
        """Every configured key, also those outside of their dates."""
        return self._keys

    @property
    def clock(self) -> Callable[[], float]:
        """The clock that timestamps are compared with."""
        return self._clock

    def key(self, name: str) -> Key:
        """Return the key of that name: an event's ``secret`` is the name of the key that matched."""
        return next(key for key in self._keys if key.name == name)

    def configured(self) -> Iterator[tuple[Preset, Key]]:
        """Yield every configured key, whatever its dates, with the preset that it verifies."""
        return ((self.preset, key) for key in self._keys)

    @property
    def retention(self) -> float:
        """How long an event must be remembered, in seconds; the default of an endpoint's ``retention``."""
        return self.preset.retention(self.tolerance)

    @property
    def oldest_retry(self) -> float:
        """How old the signed timestamp of an honest retry may be, in seconds; 0 if each retry has its own timestamp."""
        return self.preset.oldest_retry

    @property
    def fetches(self) -> bool:
        """Whether deliveries need keys that the provider publishes: see ``wants``."""
        return self._wants is not None

    def wants(self, delivery: Delivery) -> Wanted | None:
        """Return the key that must be fetched for the delivery, or None; raise Rejected if no key could make it genuine.

        Guards fetch it on their own. Without a guard: ``verifier.verify(delivery, found=source.get(wanted))``.
        """
        if self._wants is None:
            return None
        try:
            return cast("Wanted | None", self._wants(delivery, self._undated or self._usable()))
        except Rejected as error:
            raise error.with_traceback(None) from None  # as in verify

    def check_key_name(self, name: str) -> None:
        """Raise ConfigurationError unless the provider could have a published key of this name."""
        try:
            self._of_fetching_scheme("check_key_name")(name)
        except Rejected as error:
            raise ConfigurationError(str(error)) from None

    def read_pinned_key(self, name: str, text: str | bytes) -> Any:
        """Return the key that is pinned under a name; ConfigurationError if it is not valid."""
        self.check_key_name(name)
        return self._of_fetching_scheme("read_pinned_key")(text)

    def _of_fetching_scheme(self, method: str) -> Callable[..., Any]:
        if self._wants is None:
            raise ConfigurationError(f"{self.preset.name} fetches no keys: leave pinned_keys and known_keys out")
        return cast("Callable[..., Any]", getattr(self.preset.scheme, method))

    def _usable(self) -> tuple[Key, ...]:
        keys = self.keys()
        if not keys:
            if self.lookup is not None:
                raise ConfigurationError("this verifier looks up its secrets per tenant: pass deliveries to a guard")
            raise SignatureMismatch("no secret of this endpoint is valid now, by their dates: configure a current one", secrets=0)
        return keys

    def verify(self, delivery: Delivery, *, found: Any = None) -> Event:
        """Return the delivery's event, or raise Rejected.

        The signature is checked before the timestamp: only a genuine delivery is called stale. ``found`` is the key that
        ``wants`` returned.
        """
        # One function on purpose: a second call would cost 2 % of verifying a small delivery.
        try:
            keys = self._undated or last_match_first(self._usable(), self._last_match)
            if self._wants is None:
                secret, timestamp = self._verify(delivery, keys)
            else:
                secret, timestamp = self._verify_with(found, delivery, keys)
            if timestamp is not None:
                if self.tolerance is not None:
                    check_freshness(timestamp, self._clock(), self.tolerance, self.gateway_delay)
                if self._bare:
                    check_ten_digits(timestamp)
            if self._validity is not None and not self.allow_stale:
                start, end = self._validity(delivery)
                check_validity(start, end, self._clock(), self.gateway_delay)
            if self._learns and secret != keys[0].name:
                self._put_first(secret)
            reading: Reading | None = None
            if self.preset.envelope is not None:
                secret, reading = self._open(self.preset.envelope, delivery, keys, secret)
            event = Event(delivery, self.preset, secret, timestamp, self.tenant, reading)
            if self._tenant_in is not None and self.tenant is not None:
                self._check_tenant(event, self._tenant_in)
        except Rejected as error:
            # The frames below hold values made with the secrets, and an error report would show them.
            raise error.with_traceback(None) from None
        return event

    def _verify_with(self, found: Any, delivery: Delivery, keys: tuple[Key, ...]) -> Verified:
        """Verify with the key that was fetched."""
        if found is None and self._wants is not None and self._wants(delivery, keys) is not None:
            raise ConfigurationError(
                f"{self.preset.name} deliveries need a key that must be fetched: pass them to a guard, which fetches it,"
                " or fetch verifier.wants(delivery) and pass it as found"
            )
        return self._verify(delivery, keys, found)

    def _put_first(self, secret: str) -> None:
        """Try this secret first from now on. Threads may do this concurrently: each sees a complete tuple of all keys."""
        if self._undated:
            self._undated = last_match_first(self._keys, secret)
        else:
            self._last_match = secret

    def _check_tenant(self, event: Event, place: Place) -> None:
        """Raise TenantMismatch unless the event names the tenant at the place. A handshake concerns a URL, not a tenant."""
        challenge = self.preset.challenge
        if challenge is not None and challenge.signed(event, self.key(event.secret)) is not None:
            return
        # Of several events, one without a tenant is accepted: it came in the same signed body as the others.
        named = {found for each in event.events() if (found := place.find(each)) is not None}
        if named != {self._signed_as}:
            what = "another tenant" if named else "no tenant"
            raise TenantMismatch(
                f"the signed part names {what}, and the secrets of tenant {self.tenant!r} were looked up", tenant=self.tenant
            )

    def _open(self, envelope: Envelope, delivery: Delivery, keys: tuple[Key, ...], secret: str) -> tuple[str, Reading]:
        """Return the name of the secret that opens the envelope, and the reading of its content.

        While only the envelope's key is rotated, the signature does not show which key to use.
        """
        try:
            return secret, self.preset.reading(delivery, envelope.open(delivery, self.key(secret)))
        except MalformedBody:
            for key in in_configured_order(keys):
                if key.name != secret and self._wants is None:
                    with suppress(Rejected):
                        self._verify(delivery, (key,))
                        return key.name, self.preset.reading(delivery, envelope.open(delivery, key))
            raise

    def __repr__(self) -> str:
        return f"Verifier({self.preset.name!r}, {len(self._keys)} secrets, tolerance={self.tolerance})"


def warn_if_unconfirmed(preset: Preset) -> None:
    """Warn with UnconfirmedPresetWarning, for a constructor that ``hides_arguments``."""
    if not preset.confirmed:
        # The text is always the same, so that Python's own filter shows it once.
        warnings.warn(
            f"the preset {preset.name!r} is not confirmed by its provider: {preset.doubt}."
            " Try it with real deliveries before you rely on it.",
            UnconfirmedPresetWarning,
            stacklevel=4,
        )


def check_tenant_place(place: Place | None, preset: Preset, lookup: SecretLookup | None) -> None:
    """Raise ConfigurationError if a comparison with the tenant at this place would prove nothing."""
    if place is None:
        return
    need_place(place, "tenant_in")
    if lookup is None:
        raise ConfigurationError("tenant_in is compared with the tenant that a lookup returns: give a lookup function as secrets")
    if not preset.vouches_for(place):
        raise ConfigurationError(
            f"{preset.name} does not sign the place in tenant_in, so anybody could write another tenant there:"
            " give a signed place, or give each tenant a secret of its own and leave tenant_in out"
        )
