"""DingTalk's outgoing robots."""

from hookguard.facts import HOUR, Facts, Source
from hookguard.place import FirstOf, InBody, InHeader
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["DINGTALK_ROBOT"]

_DOCS = Source("https://open.dingtalk.com/document/orgapp/receive-message", "2026-11-24")

DINGTALK_ROBOT = Preset(
    name="dingtalk-robot",
    title="DingTalk (robot)",
    scheme=HmacScheme(
        signature=SignatureHeader("sign", "{base64}"),
        timestamp=InHeader("timestamp"),
        timestamp_unit="ms",
        signed="{timestamp}\n{secret}",
    ),
    # A message may be for several robots.
    event_id=InBody("msgId"),
    id_scope=(FirstOf(InBody("robotCode"), InBody("chatbotUserId")),),
    event_type=InBody("msgtype"),
    # The body is not signed, so anyone with one signature can send any body while it is fresh.
    identity="id",
    facts=Facts(
        schedule=_DOCS.silent("not stated"),
        horizon=_DOCS.silent(HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("200 succeeds"),
        networks=_DOCS.silent(None),
    ),
    docs="https://open.dingtalk.com/document/orgapp/receive-message",
    note=(
        "The secret is the robot's app secret. The signature covers the time only: anyone who sees one delivery can send any"
        " body with its headers until they are stale. DingTalk's page accepts them for an hour."
    ),
)
