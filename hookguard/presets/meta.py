"""Meta: Facebook, Instagram, Threads, Messenger and the WhatsApp Cloud interface."""

from hookguard.batch import Batch
from hookguard.challenge import Echo
from hookguard.place import Content, FirstOf, InBody, InQuery, Readable
from hookguard.preset import Preset
from hookguard.profile import DAY, HOUR, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["MESSENGER", "META", "WHATSAPP", "MessageId", "MetaScheme"]

_DOCS = Source("https://developers.facebook.com/docs/graph-api/webhooks/getting-started/", "2026-11-25")
_WHATSAPP = Source("https://developers.facebook.com/docs/whatsapp/cloud-api/guides/set-up-webhooks/", "2026-11-25")


class MetaScheme(HmacScheme):
    """The app's secret signs; the verify token, which the app's owner chose, answers the first request."""

    __slots__ = ()

    secret_fields = ("app_secret",)
    optional_fields = ("verify_token",)


class MessageId:
    """The id of a Messenger or Instagram message, and what has become of it: a message that is deleted keeps its id."""

    __slots__ = ()

    parts = frozenset({"body"})

    _PATH = "entry.0.messaging.0.message"
    _ID = InBody(f"{_PATH}.mid")
    _FATES = (("/is_deleted", InBody(f"{_PATH}.is_deleted")), ("/is_echo", InBody(f"{_PATH}.is_echo")))

    def find(self, event: Readable) -> str | None:
        """Return the id, followed by ``/is_deleted`` or ``/is_echo`` where the message says so; None for any other event."""
        mid = self._ID.find(event)
        return None if mid is None else mid + "".join(fate for fate, place in self._FATES if place.value(event) is True)

    def __repr__(self) -> str:
        return "MessageId()"

    def __str__(self) -> str:
        return f"body `{self._PATH}.mid`"


# Only the SHA-256 header: X-Hub-Signature (SHA-1) comes with it and is never a substitute.
_SCHEME = MetaScheme(signature=SignatureHeader("X-Hub-Signature-256", "sha256={hex}"))

_CHALLENGE = Echo(
    InQuery("hub.challenge"),
    method="GET",
    when={InQuery("hub.mode"): "subscribe"},
    comes_unsigned=True,
    proof=(InQuery("hub.verify_token"), "verify_token"),
)

# Up to 1,000 updates, each of which may list more than one message. Whatever has none of these lists is one event.
_BATCH = Batch(
    (
        "entry.changes.value.messages",
        "entry.changes.value.statuses",
        "entry.changes.value.message_echoes",
        "entry.messaging",
        "entry.standby",
    ),
    most=10_000,
    in_place=True,
)

# One message has many statuses, and in a group one for each reader: they and all that has no id are known by what they say,
# which has a time in it, their own or the entry's.
_WAMID = InBody("entry.0.changes.0.value.messages.0.id")

_NOTE = (
    "Give Secret.of(app_secret=…, verify_token=…): without the token the request that sets the URL up is refused. Each message,"
    " status and other change is handled by itself, and event.json() is the whole document with that one alone in its lists, so"
    " that the account, the phone number and the contacts are at hand. A message is known by its id, all else by what it says"
    " and the entry's time: where Meta dates a retry anew it runs again, and an error notice of WhatsApp, which has no time, is a"
    " duplicate of an equal one before."
)

META = Preset(
    name="meta",
    title="Meta (Facebook, Instagram, Threads)",
    scheme=_SCHEME,
    batch=_BATCH,
    event_id=FirstOf(MessageId(), _WAMID, Content()),
    event_type=InBody("object"),
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
    batch=_BATCH,
    event_id=FirstOf(MessageId(), Content()),
    event_type=InBody("object"),
    challenge=_CHALLENGE,
    profile=META.profile,
    docs="https://developers.facebook.com/docs/messenger-platform/webhooks",
    note=_NOTE,
)

WHATSAPP = Preset(
    name="whatsapp",
    title="WhatsApp Cloud API",
    scheme=_SCHEME,
    batch=_BATCH,
    event_id=FirstOf(_WAMID, Content()),
    event_type=InBody("entry.0.changes.0.field"),
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
