"""Deliveries that only want an answer which proves the URL is ours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from hookguard.delivery import Delivery
from hookguard.errors import MalformedBody
from hookguard.event import Event
from hookguard.reply import Reply

__all__ = ["Challenge", "SignedEcho"]


class Challenge(Protocol):
    """A provider's handshake: some come signed, some before anything is signed."""

    @property
    def methods(self) -> frozenset[str]:
        """HTTP methods the handshake uses besides POST."""

    @property
    def comes_unsigned(self) -> bool:
        """Whether the handshake carries no signature, so that a delivery without one may still be answered."""

    def unsigned(self, delivery: Delivery) -> Reply | None:
        """Answer a handshake that carries no signature; None when the delivery is not one."""

    def signed(self, event: Event) -> Reply | None:
        """Answer a handshake that was verified like any event; None when the event is not one."""


# A token can only be echoed when it cannot be anything else: no signable bytes, no markup, no header break.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,256}", re.ASCII)


@dataclass(frozen=True, slots=True)
class SignedEcho:
    """A signed JSON body whose ``type`` field is ``value`` and whose ``echoed`` field is to be sent back as text."""

    value: str
    type: str = "type"
    echoed: str = "challenge"
    methods: frozenset[str] = frozenset()
    comes_unsigned: bool = False

    def unsigned(self, delivery: Delivery) -> Reply | None:
        """Nothing is answered before the signature was checked."""
        return None

    def signed(self, event: Event) -> Reply | None:
        """Send the token back; MalformedBody when it is not letters, digits, ``-`` and ``_``, at most 256 of them."""
        # Looking for the word first spares the parsing of every other event.
        if self.value.encode() not in event.body:
            return None
        document = event.document()
        if not isinstance(document, dict) or document.get(self.type) != self.value:
            return None
        token = document.get(self.echoed)
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise MalformedBody(f"the challenge's {self.echoed!r} is not a token of letters, digits, '-' and '_'")
        return Reply.text(200, token)
