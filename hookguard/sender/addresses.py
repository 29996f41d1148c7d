"""Which addresses a webhook may be sent to: public ones, and those that the settings allow. No I/O.

``ipaddress.is_global`` is not used: it calls multicast, ``::127.0.0.1`` and ``64:ff9b::7f00:1`` public, and its answers differ
between Python's versions.
"""

from __future__ import annotations

import ipaddress
from typing import Final, Union

from hookguard.networks import Networks

__all__ = ["is_address", "is_public", "may_connect"]

_Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

#: IPv4 networks that are not public: https://www.iana.org/assignments/iana-ipv4-special-registry/ (2026-11-30), multicast,
#: and one address of a cloud.
_NOT_PUBLIC_4: Final = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        # Azure's platform, as its virtual machines reach it, in all regions:
        # https://learn.microsoft.com/en-us/azure/virtual-network/what-is-ip-address-168-63-129-16.
        "168.63.129.16/32",
    )
)

#: All public IPv6 addresses are in here: https://www.iana.org/assignments/ipv6-address-space/ (2026-11-30).
_PUBLIC_6: Final = ipaddress.IPv6Network("2000::/3")

#: IPv6 networks in it that are not: https://www.iana.org/assignments/iana-ipv6-special-registry/ (2026-11-30). 2002::/16 (6to4)
#: and 2001::/32 (Teredo) hold an IPv4 address that a relay would connect to.
_NOT_PUBLIC_6: Final = tuple(
    ipaddress.IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3ffe::/16", "3fff::/20")
)

#: An address in here is another spelling of the IPv4 address in its last 32 bits, which a translator connects to.
_TRANSLATED: Final = ipaddress.IPv6Network("64:ff9b::/96")


def is_address(host: str) -> bool:
    """Whether a host in a URL is an address, and not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_public(address: str) -> bool:
    """Whether an address, as a resolver returns it, is public; False for any other text."""
    try:
        parsed: _Address = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.scope_id is not None:
            return False  # it means one of this machine's own networks
        if parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        elif parsed in _TRANSLATED:
            parsed = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
    if isinstance(parsed, ipaddress.IPv6Address):
        return parsed in _PUBLIC_6 and not any(parsed in network for network in _NOT_PUBLIC_6)
    return not any(parsed in network for network in _NOT_PUBLIC_4)


def may_connect(address: str, allowed: Networks | None) -> bool:
    """Whether an address is public, or in one of the allowed networks."""
    return is_public(address) or (allowed is not None and address in allowed)
