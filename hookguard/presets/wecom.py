"""WeCom (WeChat Work): callbacks that are signed and encrypted, in XML."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hookguard.bodies import Reading
from hookguard.challenge import TOKEN, Answer, Challenge
from hookguard.delivery import Delivery
from hookguard.envelope import FramedAes
from hookguard.errors import MalformedBody, MalformedDelivery
from hookguard.facts import HOUR, Facts, Source
from hookguard.place import Content, FirstOf, InQuery, InXml, Joined
from hookguard.preset import Preset
from hookguard.reply import Reply
from hookguard.schemes.base import Key
from hookguard.schemes.sorted_hash import SortedHashScheme

__all__ = ["WECOM", "WecomEcho"]

_DOCS = Source("https://developer.work.weixin.qq.com/document/path/90930", "2026-11-24")

_SCHEME = SortedHashScheme(
    signature=InQuery("msg_signature"), signed=InXml("Encrypt"), fields=("aes_key", "corp_id"), timestamp_unit="s"
)
# Events are XML. The URL check comes with GET; its text is signed in the same way.
_ENVELOPE = FramedAes(InXml("Encrypt"), "corp_id", no_event=re.compile(TOKEN.pattern.encode(), re.ASCII))
_ECHO = InQuery("echostr")


class WecomEcho(Challenge):
    """The first request, with GET. It carries a signed and encrypted text, and the answer is the plain text.

    The answer must have a token's form. Otherwise anyone who has seen a message could have it decrypted here.
    """

    __slots__ = ()

    methods = frozenset({"GET"})
    comes_unsigned = True
    needs_keys = True

    def unsigned(self, delivery: Delivery, keys: Sequence[Key]) -> Answer:
        """Check the signature over the text and decrypt it."""
        if delivery.method != "GET":
            return None
        text = _ECHO.find(Reading(delivery))
        if not text:
            return None
        name, _ = _SCHEME.check(delivery, keys, text)
        secret = next(key.secret for key in keys if key.name == name)
        try:
            token = _ENVELOPE.decrypt(text, secret).decode()
        except UnicodeDecodeError:
            raise MalformedBody("the decrypted text is not UTF-8") from None
        if not TOKEN.fullmatch(token):
            raise MalformedDelivery("the decrypted text does not have a token's form")
        return Reply.text(200, token, ("X-Content-Type-Options", "nosniff"))


WECOM = Preset(
    name="wecom",
    title="WeCom (WeChat Work)",
    scheme=_SCHEME,
    envelope=_ENVELOPE,
    # The whole event is encrypted and signed.
    # WeCom's own rule for duplicates. But one sender may cause several events of a kind within a second, and all changes to a
    # directory come from "sys": so the content counts too.
    event_id=FirstOf(InXml("MsgId"), Joined(InXml("FromUserName"), InXml("CreateTime"), InXml("Event")), Content()),
    event_type=FirstOf(InXml("Event"), InXml("MsgType"), InXml("InfoType")),
    identity="id+content",
    challenge=WecomEcho(),
    facts=Facts(
        schedule=_DOCS.silent("three times"),
        horizon=_DOCS.silent(HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(5.0),
        statuses=_DOCS.silent("200 succeeds, with an empty body or success"),
        networks=_DOCS.silent("https://developer.work.weixin.qq.com/document/path/90930"),
    ),
    proof=("vector",),
    docs=_DOCS.address,
    note=(
        "Give Secret.of(token=…, aes_key=…, corp_id=…), as the callback's settings show them; for a third-party suite the"
        " corp_id is the suite's id. The event holds the decrypted content: event.xml()."
    ),
)
