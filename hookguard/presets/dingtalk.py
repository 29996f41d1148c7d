"""DingTalk's event callbacks, which are signed and encrypted and need an encrypted answer."""

from __future__ import annotations

import re
import secrets

from hookguard.challenge import Answer, Challenge
from hookguard.envelope import FramedAes
from hookguard.errors import MalformedBody
from hookguard.event import Event
from hookguard.facts import HOUR, Facts, Source
from hookguard.place import Content, FirstOf, InBody, InQuery
from hookguard.preset import Preset
from hookguard.reply import Reply
from hookguard.schemes.base import Key
from hookguard.schemes.sorted_hash import SortedHashScheme, sorted_hash

__all__ = ["DINGTALK", "CheckUrl", "dingtalk_answer"]

_SDK = Source("https://github.com/open-dingtalk/DingTalk-Callback-Crypto", "2026-11-24")
_DOCS = Source("https://open.dingtalk.com/document/orgapp/configure-event-subcription", "2026-11-24")

_SUCCESS = b"success"
_ENVELOPE = FramedAes(InBody("encrypt"), "owner_key", no_event=re.compile(_SUCCESS))


def dingtalk_answer(event: Event, key: Key) -> Reply:
    """Return the only answer that DingTalk accepts: the word success, encrypted and signed."""
    stamp = str(round((event.timestamp or 0.0) * 1000))
    nonce = secrets.token_hex(8)
    text = _ENVELOPE.encrypt(_SUCCESS, key.secret)
    return Reply.json(
        200,
        {"msg_signature": sorted_hash(key.prepared, stamp, nonce, text), "timeStamp": stamp, "nonce": nonce, "encrypt": text},
    )


class CheckUrl(Challenge):
    """The event that checks the URL. Its answer is the same as for every event."""

    __slots__ = ()

    def signed(self, event: Event, key: Key) -> Answer:
        """Answer it."""
        try:
            kind = InBody("EventType").find(event)
        except MalformedBody:
            return None
        return dingtalk_answer(event, key) if kind == "check_url" else None


DINGTALK = Preset(
    name="dingtalk",
    title="DingTalk (events)",
    scheme=SortedHashScheme(
        signature=FirstOf(InQuery("msg_signature"), InQuery("signature")),
        signed=InBody("encrypt"),
        fields=("aes_key", "owner_key"),
        timestamp_unit="ms",
    ),
    envelope=_ENVELOPE,
    acknowledge=dingtalk_answer,
    # The whole event is encrypted and signed.
    # Some kinds of events have no id, and no page says within what an id is unique. So the content counts too.
    event_id=FirstOf(InBody("eventId"), InBody("EventId"), Content()),
    event_type=InBody("EventType"),
    identity="id+content",
    challenge=CheckUrl(),
    facts=Facts(
        schedule=_DOCS.silent("several times for a while"),
        horizon=_DOCS.silent(HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(3.0),
        statuses=_SDK.silent("200 with the encrypted word success succeeds; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs=_SDK.address,
    note=(
        "Give Secret.of(token=…, aes_key=…, owner_key=…); the owner is the app key, the suite key or the corporation's id,"
        " depending on the kind of app. The event holds the decrypted content: event.json()."
    ),
)
