"""The relay: passes events of an inbox on to targets, signed again, with tries of its own for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from hookguard.errors import ConfigurationError

if TYPE_CHECKING:
    from hookguard.preset import Preset
    from hookguard.relay.settings import RelaySettings

__all__ = ["NO_VIEW", "need_relay", "relay_settings"]

#: The advice about a view that only relays and is called all the same.
NO_VIEW: Final = "set relay in its settings; and with handle=True write a guarded view in place of the relay's"


class _Relays(Protocol):
    """An endpoint, which this module must not import."""

    name: str
    relay: RelaySettings | None


def need_relay(endpoint: _Relays) -> None:
    """Raise ConfigurationError unless the endpoint passes its events on, and only that: its view would do nothing."""
    if endpoint.relay is None or endpoint.relay.handle:
        raise ConfigurationError(f"endpoint {endpoint.name!r} needs another view: {NO_VIEW}")


def relay_settings(given: object, endpoint: str, preset: Preset, inbox: object) -> RelaySettings | None:
    """Read an endpoint's setting ``relay``; None for an endpoint without one, which loads nothing of this package.

    ``inbox`` is its setting of that name. Raises ConfigurationError.
    """
    if given is None or given is False:
        return None
    from hookguard.relay.settings import RelaySettings  # noqa: PLC0415 - most applications have none

    try:
        settings = RelaySettings.of(given)
        if inbox is False:
            raise ConfigurationError("relay: events wait in the inbox for their targets: leave inbox out, or set it to True")
        settings.kept_headers(preset)
    except ConfigurationError as error:
        raise ConfigurationError(f"endpoint {endpoint!r}: {error}") from None
    return settings
