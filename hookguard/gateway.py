"""Deliveries behind a gateway, which receives them for the application, stores, retries and signs them.

Two signatures may be checked: the gateway's, which every delivery must have, and the provider's. The provider's may be days
old when the gateway passes it on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from types import FunctionType
from typing import Any, Literal, cast

from hookguard.challenge import AnyOf, Computed
from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError, Rejected
from hookguard.event import Event
from hookguard.facts import LEAST_RETENTION, Facts
from hookguard.keys import Wanted
from hookguard.place import EachDelivery, Place
from hookguard.preset import Preset
from hookguard.presets import get
from hookguard.record import hides_arguments
from hookguard.schemes.base import Draft, Key, Scheme, Verified
from hookguard.secret import Secret, SecretLike
from hookguard.verifier import SecretLookup, Tenant, Verifier, check_tenant_place, warn_if_unconfirmed

__all__ = ["GatewayVerifier"]


class GatewayVerifier:
    """Checks the gateway's signature, then the provider's, and returns the provider's event. Guards use it like a Verifier.

    ``gateway`` is a Verifier of the gateway's preset and secrets. ``secrets`` are the provider's. With
    ``verify_provider=False`` there are no secrets, and only the gateway's signature is checked: then only the parts that the
    gateway signs count as covered.
    ``gateway_delay`` is the seconds a gateway may hold and retry a delivery, on top of ``tolerance``. By default it follows from
    the gateway's retries. Raises ConfigurationError.
    """

    __slots__ = ("_own", "_provider", "gateway", "gateway_delay", "preset")

    @hides_arguments
    def __init__(
        self,
        preset: str | Preset,
        secrets: SecretLike | Iterable[SecretLike] | SecretLookup | None = None,
        *,
        gateway: Verifier,
        verify_provider: bool = True,
        gateway_delay: float | None = None,
        tolerance: float | None | Literal["preset"] = "preset",
        allow_stale: bool = False,
        tenant_in: Place | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.gateway = gateway
        self._own = get(preset) if isinstance(preset, str) else preset
        # A setting of its own: a secret that is unset must never switch the check off.
        self._check(verifies_provider=verify_provider)
        if not verify_provider and (secrets is not None or tolerance != "preset" or allow_stale):
            raise ConfigurationError(
                f"verify_provider is False, so {self._own.name}'s secrets and timestamps are not checked: leave out secrets,"
                " tolerance and allow_stale"
            )
        #: Checks the provider's signature; None if the gateway checks it.
        self._provider: Verifier | None = None
        if verify_provider:
            given = cast("SecretLike", secrets)  # a Verifier rejects None with a good message
            self._provider = Verifier(self._own, given, tolerance=tolerance, allow_stale=allow_stale, clock=clock)
        else:
            warn_if_unconfirmed(self._own)
        facts = gateway.preset.facts
        if gateway_delay is None:
            gateway_delay = facts.horizon.value if facts else LEAST_RETENTION
        elif isinstance(gateway_delay, bool) or not isinstance(gateway_delay, (int, float)) or not 0 <= gateway_delay < 1e9:
            raise ConfigurationError(f"gateway_delay is {gateway_delay!r}; give seconds, 0 or more")
        self.gateway_delay = float(gateway_delay)
        self.preset = self._passed_on()
        # The gateway may sign a place that the provider does not sign.
        check_tenant_place(tenant_in, self.preset, self.lookup)
        if self._provider is not None:
            self._provider.gateway_delay = self.gateway_delay
            self._provider._tenant_in = tenant_in

    def _check(self, *, verifies_provider: bool) -> None:
        if not isinstance(self._own, Preset):
            raise ConfigurationError(f"preset is {type(self._own).__name__}: give the name of a preset, or a Preset")
        name, hop = self._own.name, self.gateway.preset
        if self.gateway.lookup is not None or self.gateway.fetches or hop.batch is not None or hop.envelope is not None:
            raise ConfigurationError(
                f"{hop.name} cannot be the gateway in front of {name}: a gateway needs secrets of its own, and must pass the"
                " provider's body on unchanged"
            )
        own = self._own.scheme.required_header
        if not verifies_provider:
            challenge = self._own.challenge
            asked = challenge.challenges if isinstance(challenge, AnyOf) else (challenge,)
            computes = any(isinstance(each, Computed) for each in asked)
            if self._own.envelope is not None or isinstance(self._own.acknowledge, FunctionType) or computes:
                raise ConfigurationError(
                    f"{name}'s secret is needed for more than its signature: give the secret, and leave verify_provider out"
                )
        elif own is not None and own in hop.scheme.covers | {hop.scheme.required_header}:
            raise ConfigurationError(
                f"{hop.name} replaces {name}'s header {own} by its own, so {name}'s signature cannot be checked: let the"
                " gateway check it, and set verify_provider=False"
            )

    def _passed_on(self) -> Preset:
        """Return the provider's preset with the checked signatures and the gateway's facts."""
        hop, alone = self.gateway.preset, self._provider is None
        covers = hop.scheme.covers if alone else hop.scheme.covers | self._own.scheme.covers
        # A gateway signs the body as it is. A provider's signature may fit several bodies, and does so behind a gateway as well.
        content = hop.scheme.content if alone else self._own.scheme.content
        scheme = _PassedOn(
            covers,
            hop.scheme.required_header,
            content,
            signs_timestamp=self._own.scheme.signs_timestamp,
            signature_headers=hop.scheme.signature_headers | self._own.scheme.signature_headers,
        )
        identity, place = self._own.identity, self._own.event_id
        if identity is None or (identity == "id" and alone and place is not None):
            # The id counts as signed only if a checked signature covers it.
            unsigned = not self._own.id_covered_by(covers | EachDelivery().parts)
            identity = "id+content" if unsigned else "id"
        return replace(self._own, scheme=scheme, identity=identity, facts=self._delivered(), networks_field=hop.networks_field)

    def _delivered(self) -> Facts | None:
        """Return the gateway's facts, with the size of the provider's bodies."""
        own, hop = self._own.facts, self.gateway.preset.facts
        return hop if hop is None or own is None else replace(hop, largest_body=own.largest_body)

    @property
    def provider(self) -> Verifier | None:
        """The verifier of the provider's signature; None if only the gateway's is checked."""
        return self._provider

    @property
    def lookup(self) -> SecretLookup | None:
        """The function that finds each delivery's tenant; None if the secrets are fixed."""
        return None if self._provider is None else self._provider.lookup

    @property
    def tolerance(self) -> float | None:
        """Seconds that the provider's timestamp may be off, besides ``gateway_delay``; None if it is not checked."""
        return None if self._provider is None else self._provider.tolerance

    @property
    def retention(self) -> float:
        """How long an event must be remembered: as long as the provider or the gateway may send it again."""
        tolerance = self.tolerance
        return max(self.preset.retention(tolerance), self._own.retention(tolerance), self.gateway_delay + 2 * (tolerance or 0.0))

    @property
    def oldest_retry(self) -> float:
        """How old the provider's signed timestamp may be when the gateway receives it."""
        return self._own.oldest_retry

    @property
    def fetches(self) -> bool:
        """Whether the provider's signature needs keys that the provider publishes."""
        return self._provider is not None and self._provider.fetches

    def for_tenant(self, tenant: Tenant) -> GatewayVerifier:
        """Return a copy of this verifier with the tenant's secrets."""
        verifier = copy(self)
        verifier._provider = self._checking().for_tenant(tenant)
        return verifier

    def keys(self) -> tuple[Key, ...]:
        """Return the provider's keys that are valid now; empty if only the gateway's signature is checked."""
        return () if self._provider is None else self._provider.keys()

    def key(self, name: str) -> Key:
        """Return the key of that name: the provider's, or the gateway's if only its signature is checked."""
        return (self.gateway if self._provider is None else self._provider).key(name)

    def configured(self) -> Iterator[tuple[Preset, Key]]:
        """Yield every configured key, the gateway's too, with the preset that it verifies."""
        yield from self.gateway.configured()
        if self._provider is not None:
            yield from self._provider.configured()

    @property
    def checks_provider(self) -> bool:
        """Whether the provider's own signature is checked, besides the gateway's."""
        return self._provider is not None

    def check_key_name(self, name: str) -> None:
        """Raise ConfigurationError unless the provider could have a published key of this name."""
        self._checking().check_key_name(name)

    def read_pinned_key(self, name: str, text: str | bytes) -> Any:
        """Return the key that is pinned under a name; ConfigurationError if it is not valid."""
        return self._checking().read_pinned_key(name, text)

    def _checking(self) -> Verifier:
        """Return the verifier of the provider's signature; ConfigurationError without one."""
        if self._provider is None:
            raise ConfigurationError(
                f"verify_provider is False, so {self._own.name}'s secrets and keys are not used: leave pinned_keys and known_keys"
                " out"
            )
        return self._provider

    def wants(self, delivery: Delivery) -> Wanted | None:
        """Return the key that must be fetched for the provider's signature. Checks the gateway's first."""
        self._verify_hop(delivery)
        return None if self._provider is None else self._provider.wants(delivery)

    def verify(self, delivery: Delivery, *, found: Any = None) -> Event:
        """Return the provider's event, or raise Rejected. The gateway's signature is checked before the provider's."""
        event = self._verify_hop(delivery)
        if self._provider is not None:
            event = self._provider.verify(delivery, found=found)
        return event.behind(self.preset)

    def _verify_hop(self, delivery: Delivery) -> Event:
        try:
            return self.gateway.verify(delivery)
        except Rejected as error:
            # The operator must know which of the two secrets may be wrong.
            raise error.with_reason(f"{self.gateway.preset.name}, the gateway in front: {error}") from None

    def __repr__(self) -> str:
        return f"GatewayVerifier({self._own.name if self._provider is None else self._provider!r}, behind {self.gateway!r})"


class _PassedOn(Scheme):
    """The scheme of both signatures together, as others see it. The verifier checks the signatures."""

    __slots__ = ("_content", "covers", "required_header", "signature_headers", "signs_timestamp")

    signature_headers: frozenset[str]

    def __init__(
        self,
        covers: frozenset[str],
        required_header: str | None,
        content: Callable[[Delivery], bytes],
        *,
        signs_timestamp: bool,
        signature_headers: frozenset[str],
    ) -> None:
        self.covers = covers
        self.required_header = required_header
        self._content = content
        self.signs_timestamp = signs_timestamp
        self.signature_headers = signature_headers  # pyright: ignore[reportIncompatibleMethodOverride]  # data, where others compute

    def prepare(self, secret: Secret) -> Any:
        """Raise ConfigurationError: there are two schemes."""
        raise ConfigurationError("behind a gateway, the GatewayVerifier prepares the secrets")

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Raise ConfigurationError: there are two sets of keys."""
        raise ConfigurationError("behind a gateway, the GatewayVerifier verifies deliveries")

    def content(self, delivery: Delivery) -> bytes:
        """Return the content that the last checked signature covers."""
        return self._content(delivery)

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Raise ConfigurationError: sign with the provider's preset, then with the gateway's."""
        raise ConfigurationError("behind a gateway, sign with the provider's preset first, then with the gateway's")
