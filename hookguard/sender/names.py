"""Looks up the addresses of a name, and checks them."""

from __future__ import annotations

import asyncio
import socket
from typing import Final

from hookguard.networks import Networks
from hookguard.privacy.shown import printable
from hookguard.sender.addresses import may_connect

__all__ = ["NotAnswered", "resolve"]

#: Addresses of one name that are tried.
MOST_ADDRESSES: Final = 4


class NotAnswered(Exception):
    """No answer came. ``again`` is False if another attempt cannot help: the address is not allowed."""

    def __init__(self, reason: str, *, again: bool = True) -> None:
        super().__init__(printable(reason)[:200])
        self.again = again


async def resolve(host: str, port: int, allowed: Networks | None) -> list[str]:
    """Return the addresses of a name, all of them checked; NotAnswered if there is no address, or one is not allowed."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotAnswered(f"the name {host} has no address: {error}") from None
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    if not addresses:
        raise NotAnswered(f"the name {host} has no address")
    for address in addresses:
        if not may_connect(address, allowed):
            raise NotAnswered(
                f"{host} has the address {address}, which is not public: set allow_networks if that is meant", again=False
            )
    return addresses[:MOST_ADDRESSES]
