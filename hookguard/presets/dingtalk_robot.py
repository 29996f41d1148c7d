"""DingTalk's outgoing robots."""

from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.profile import HOUR, Profile, Source
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
    event_id=InBody("msgId"),
    event_type=InBody("msgtype"),
    # The body is not signed, so whoever has one signature can send anything while it is fresh.
    identity="id",
    profile=Profile(
        schedule=_DOCS.silent("not said"),
        horizon=_DOCS.silent(HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("200 succeeds"),
        networks=_DOCS.silent(None),
    ),
    docs="https://open.dingtalk.com/document/orgapp/receive-message",
    note=(
        "The secret is the robot's app secret. The signature covers the time and nothing else: whoever sees one delivery can send"
        " any body with its headers, here for five minutes (DingTalk itself speaks of an hour)."
    ),
)
