"""Behind a gateway that receives in the application's place, keeps and retries what it received, and signs what it passes on.

Two signatures may be checked then: the gateway's, which every delivery must have, and the provider's own, which still has the
time at which it was made: the gateway may pass it on days later.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from types import FunctionType
from typing import Any, Literal, cast

from hookguard.challenge import AnyOf, Computed
from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError, Rejected
from hookguard.event import Event
from hookguard.keys import Wanted
from hookguard.place import EachDelivery
from hookguard.preset import Preset, make_keys
from hookguard.presets import get
from hookguard.profile import LEAST_RETENTION
from hookguard.schemes.base import Draft, Key, Scheme, Verified
from hookguard.secret import Secret, SecretLike
from hookguard.verifier import SecretLookup, Verifier

__all__ = ["GatewayVerifier"]


class GatewayVerifier(Verifier):
    """Checks the gateway's signature, then the provider's, and returns the provider's event.

    ``gateway`` is a Verifier of the gateway's preset and secrets. ``secrets`` are the provider's. With
    ``verify_provider=False`` there are none and the gateway alone vouches: what the provider's signature would cover counts
    as covered only where the gateway's covers it.
    ``held`` is seconds the gateway may keep a delivery and retry it: the provider's signed time may be that much older than
    ``tolerance`` allows. It follows from the gateway's retries. Raises ConfigurationError.
    """

    __slots__ = ("_alone", "_own", "gateway")

    _copied = (*Verifier._copied, "_alone", "_own", "gateway")

    def __init__(
        self,
        preset: str | Preset,
        secrets: SecretLike | Iterable[SecretLike] | SecretLookup | None = None,
        *,
        gateway: Verifier,
        verify_provider: bool = True,
        held: float | None = None,
        tolerance: float | None | Literal["preset"] = "preset",
        allow_stale: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.gateway = gateway
        # Not told by the secrets: one that is unset must never pass for the wish to check nothing.
        self._alone = not verify_provider
        self._own = get(preset) if isinstance(preset, str) else preset
        self._check()
        if self._alone and (secrets is not None or tolerance != "preset" or allow_stale):
            raise ConfigurationError(
                f"verify_provider is False, so {self._own.name}'s secrets and times are not looked at: leave secrets, tolerance"
                " and allow_stale out"
            )
        given = cast("SecretLike", () if self._alone else secrets)
        super().__init__(self._own, given, tolerance=tolerance, allow_stale=allow_stale, clock=clock)
        if self._alone:
            self.tolerance = self._wants = self._validity = None
        profile = gateway.preset.profile
        if held is None:
            held = profile.horizon.value if profile else LEAST_RETENTION
        elif isinstance(held, bool) or not isinstance(held, (int, float)) or not 0 <= held < 1e9:
            raise ConfigurationError(f"a gateway that holds deliveries for {held!r}: give seconds, 0 or more")
        self.held = float(held)
        self.preset = self._passed_on()

    def _check(self) -> None:
        name, hop = self._own.name, self.gateway.preset
        if self.gateway.lookup is not None or self.gateway.fetches or hop.batch is not None or hop.envelope is not None:
            raise ConfigurationError(
                f"{hop.name} is no gateway that can be checked in front of {name}: it needs secrets of its own, and must pass the"
                " provider's body on as it came"
            )
        own = self._own.scheme.required_header
        if self._alone:
            challenge = self._own.challenge
            asked = challenge.challenges if isinstance(challenge, AnyOf) else (challenge,)
            computes = any(isinstance(each, Computed) for each in asked)
            if self._own.envelope is not None or isinstance(self._own.acknowledge, FunctionType) or computes:
                raise ConfigurationError(
                    f"{name}'s secret is needed for more than its signature: give it, and verify_provider=True"
                )
        elif own is not None and own in hop.scheme.covers | {hop.scheme.required_header}:
            raise ConfigurationError(
                f"{hop.name} puts its own {own} in place of {name}'s, which cannot be checked then: let the gateway check it, and"
                " say verify_provider=False"
            )

    def _passed_on(self) -> Preset:
        """The provider's preset as it is here: signed by whoever is checked, and delivered as the gateway delivers."""
        hop = self.gateway.preset
        covers = hop.scheme.covers if self._alone else hop.scheme.covers | self._own.scheme.covers
        # Who alone vouches signs the body as it is; a provider's signature that fits several bodies does so here as well.
        content = hop.scheme.content if self._alone else self._own.scheme.content
        scheme = _PassedOn(covers, hop.scheme.required_header, content, signs_timestamp=self._own.scheme.signs_timestamp)
        identity, place = self._own.identity, self._own.event_id
        if identity is None or (identity == "id" and self._alone and place is not None):
            # What the provider's own signature vouched for counts here only where the gateway's does.
            unsigned = not self._own.id_covered_by(covers | EachDelivery().parts)
            identity = "id+content" if unsigned else "id"
        return replace(self._own, scheme=scheme, identity=identity, profile=hop.profile)

    def _take(self, secrets: SecretLike | Iterable[SecretLike]) -> None:
        if self._alone:
            self._use(())
        else:
            self._use(make_keys(self._own, secrets))

    @property
    def retention(self) -> float:
        """How long an event must be remembered: while the provider or the gateway may bring it again."""
        return max(super().retention, self._own.retention(self.tolerance), self.held + 2 * (self.tolerance or 0.0))

    def key(self, name: str) -> Key:
        """Return the key of that name: the provider's, or the gateway's where that alone vouches."""
        return self.gateway.key(name) if self._alone else super().key(name)

    def wants(self, delivery: Delivery) -> Wanted | None:
        """Return which key the provider's signature needs fetched; refuse what did not come through the gateway before."""
        self._verify_hop(delivery)
        return super().wants(delivery)

    def verify(self, delivery: Delivery, *, found: Any = None) -> Event:
        """Return the provider's event, or raise Rejected: first for the gateway's signature, then for the provider's."""
        hop = self._verify_hop(delivery)
        if self._alone:
            return Event(delivery, self.preset, hop.secret, hop.timestamp, self.tenant)
        return super().verify(delivery, found=found)

    def _verify_hop(self, delivery: Delivery) -> Event:
        try:
            return self.gateway.verify(delivery)
        except Rejected as error:
            # Two secrets could be the wrong one; the operator must know which.
            raise type(error)(f"{self.gateway.preset.name}, the gateway in front: {error}") from None

    def __repr__(self) -> str:
        return f"GatewayVerifier({self._own.name!r}, {len(self._keys)} secrets, behind {self.gateway!r})"


class _PassedOn(Scheme):
    """What the two signatures cover together. The verifier checks them; here is only what others ask of a scheme."""

    __slots__ = ("_content", "covers", "required_header", "signs_timestamp")

    def __init__(
        self,
        covers: frozenset[str],
        required_header: str | None,
        content: Callable[[Delivery], bytes],
        *,
        signs_timestamp: bool,
    ) -> None:
        self.covers = covers
        self.required_header = required_header
        self._content = content
        self.signs_timestamp = signs_timestamp

    def prepare(self, secret: Secret) -> Any:
        """Refuse: there are two schemes to prepare for."""
        raise ConfigurationError("behind a gateway, secrets are the GatewayVerifier's to prepare")

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Refuse: there are two sets of keys."""
        raise ConfigurationError("behind a gateway, deliveries are verified by the GatewayVerifier")

    def content(self, delivery: Delivery) -> bytes:
        """Return what is signed by whoever is checked last."""
        return self._content(delivery)

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Refuse: sign with the provider's preset, then with the gateway's."""
        raise ConfigurationError("behind a gateway, sign with the provider's preset first, then with the gateway's")
