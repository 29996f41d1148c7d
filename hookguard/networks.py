"""The networks that may send: given in the settings, or a provider's published list."""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Union

from hookguard.errors import ConfigurationError

__all__ = ["Networks"]

_Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


class Networks:
    """A set of networks in CIDR notation; a single address is a network of one.

    ConfigurationError if the set is empty, or an entry is not a network.
    """

    __slots__ = ("_networks",)

    def __init__(self, networks: Iterable[str]) -> None:
        if isinstance(networks, str) or not isinstance(networks, Iterable):
            kind = "text" if isinstance(networks, str) else type(networks).__name__
            raise ConfigurationError(f"give a list of networks, not the {kind} {networks!r}")
        self._networks: tuple[_Network, ...] = tuple(_network(text) for text in networks)
        if not self._networks:
            raise ConfigurationError(
                "the list of allowed networks is empty, which would reject every delivery: leave it out instead"
            )

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], *, field: str | None = None) -> Networks:
        """Read a provider's published list from a file.

        The file is text with one network a line and ``#`` comments, or JSON: a list, or an object whose ``field`` is a list
        (GitHub's is ``"hooks"``). It is read once; restart after the provider has changed its list.
        """
        try:
            text = Path(path).read_text("utf-8")
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"cannot read the list of networks {os.fspath(path)!r}: {error}") from None
        if not text.lstrip().startswith(("[", "{")):
            return cls(stripped for line in text.splitlines() if (stripped := line.partition("#")[0].strip()))
        try:
            found: Any = json.loads(text)
        except (ValueError, RecursionError):
            raise ConfigurationError(f"{os.fspath(path)!r} starts like JSON, and is not valid JSON") from None
        if isinstance(found, dict):
            if field is None or field not in found:
                raise ConfigurationError(f"{os.fspath(path)!r} is a JSON object: set field to one of its fields, {sorted(found)}")
            found = found[field]
        if not isinstance(found, list) or not all(isinstance(entry, str) for entry in found):
            raise ConfigurationError(f"{os.fspath(path)!r} has no list of networks at {field!r}")
        return cls(found)

    def __contains__(self, address: object) -> bool:
        """Whether one of the networks contains the address that the framework reports; False for any other text."""
        if not isinstance(address, str):
            return False
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
            # A dual-stack socket reports IPv4 peers as ::ffff:192.0.2.1.
            parsed = parsed.ipv4_mapped
        return any(parsed.version == network.version and parsed in network for network in self._networks)

    def missing(self, others: Networks) -> list[str]:
        """Return the networks of others that are not within these, as text."""
        return [str(each) for each in others._networks if not any(_within(each, network) for network in self._networks)]

    def __len__(self) -> int:
        return len(self._networks)

    def __repr__(self) -> str:
        return f"Networks({len(self._networks)} networks)"


def _network(text: str) -> _Network:
    try:
        return ipaddress.ip_network(text)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{text!r} is not a network in CIDR notation ({error})") from None


def _within(inner: _Network, outer: _Network) -> bool:
    if isinstance(inner, ipaddress.IPv4Network) and isinstance(outer, ipaddress.IPv4Network):
        return inner.subnet_of(outer)
    return isinstance(inner, ipaddress.IPv6Network) and isinstance(outer, ipaddress.IPv6Network) and inner.subnet_of(outer)
