"""Meta: Facebook, Instagram, Threads, Messenger and the WhatsApp Cloud interface."""

from hookguard.challenge import Echo
from hookguard.place import InBody, InQuery
from hookguard.preset import Preset
from hookguard.profile import DAY, HOUR, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["MESSENGER", "META", "WHATSAPP", "MetaScheme"]

_DOCS = Source("https://developers.facebook.com/docs/graph-api/webhooks/getting-started/", "2026-11-25")
_WHATSAPP = Source("https://developers.facebook.com/docs/whatsapp/cloud-api/guides/set-up-webhooks/", "2026-11-25")


class MetaScheme(HmacScheme):
    """The app's secret signs; the verify token, which the app's owner chose, answers the first request."""

    __slots__ = ()

    secret_fields = ("app_secret",)
    optional_fields = ("verify_token",)


# Only the SHA-256 header: X-Hub-Signature (SHA-1) comes with it and is never a substitute.
_SCHEME = MetaScheme(signature=SignatureHeader("X-Hub-Signature-256", "sha256={hex}"))

_CHALLENGE = Echo(
    InQuery("hub.challenge"),
    method="GET",
    when={InQuery("hub.mode"): "subscribe"},
    comes_unsigned=True,
    proof=(InQuery("hub.verify_token"), "verify_token"),
)

_NOTE = (
    "Give Secret.of(app_secret=…, verify_token=…): without the token the request that sets the URL up is refused. Several"
    " changes may come in one delivery; each names its own id (a message's, a status's), which is yours to look at."
)

META = Preset(
    name="meta",
    title="Meta (Facebook, Instagram, Threads)",
    scheme=_SCHEME,
    # The envelope has none. It carries times and the ids of what it tells of.
    event_id=None,
    event_type=InBody("object"),
    identity="content",
    challenge=_CHALLENGE,
    profile=Profile(
        schedule=_DOCS.says("at once, then ever less often for 36 hours"),
        horizon=_DOCS.says(36 * HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(20.0),
        statuses=_DOCS.silent("200 succeeds; anything else is tried again; failing for long disables the subscription"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://developers.facebook.com/docs/graph-api/webhooks/getting-started/",
    note=_NOTE,
)

MESSENGER = Preset(
    name="messenger",
    title="Messenger",
    scheme=_SCHEME,
    event_id=None,
    event_type=InBody("object"),
    identity="content",
    challenge=_CHALLENGE,
    profile=META.profile,
    docs="https://developers.facebook.com/docs/messenger-platform/webhooks",
    note=_NOTE,
)

WHATSAPP = Preset(
    name="whatsapp",
    title="WhatsApp Cloud API",
    scheme=_SCHEME,
    event_id=None,
    event_type=InBody("entry.0.changes.0.field"),
    identity="content",
    challenge=_CHALLENGE,
    profile=Profile(
        schedule=_WHATSAPP.says("ever less often for up to 7 days"),
        horizon=_WHATSAPP.says(7 * DAY),
        resigned=_WHATSAPP.silent(None),
        stable_body=_WHATSAPP.silent(None),
        timeout=_WHATSAPP.silent(20.0),
        statuses=_WHATSAPP.says("200 succeeds; anything else is tried again"),
        networks=_WHATSAPP.silent(None),
    ),
    proof=("vector",),
    docs="https://developers.facebook.com/docs/whatsapp/cloud-api/guides/set-up-webhooks/",
    note=_NOTE,
)
