"""Meta: Facebook, Instagram, Threads, Messenger and the WhatsApp Cloud API."""

from hookguard.batch import Batch
from hookguard.challenge import Echo
from hookguard.facts import DAY, HOUR, MIB, Facts, Source
from hookguard.place import Content, FirstOf, InBody, InQuery, Place, Readable
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["MESSENGER", "META", "WHATSAPP", "MessageId", "MetaScheme"]

_DOCS = Source("https://developers.facebook.com/docs/graph-api/webhooks/getting-started/", "2026-11-25")
_WHATSAPP = Source("https://developers.facebook.com/docs/whatsapp/cloud-api/guides/set-up-webhooks/", "2026-11-25")
_WHATSAPP_SIZE = Source("https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks", "2026-11-30")


class MetaScheme(HmacScheme):
    """The app secret signs. The verify token, which the app's owner chose, answers the first request."""

    __slots__ = ()

    secret_fields = ("app_secret",)
    optional_fields = ("verify_token",)


class MessageId(Place):
    """The id of a Messenger or Instagram message, and its state: a deleted message keeps its id."""

    __slots__ = ()

    parts = frozenset({"body"})

    _PATH = "entry.0.messaging.0.message"
    _ID = InBody(f"{_PATH}.mid")
    _FATES = (("/is_deleted", InBody(f"{_PATH}.is_deleted")), ("/is_echo", InBody(f"{_PATH}.is_echo")))

    def find(self, event: Readable) -> str | None:
        """Return the id, with ``/is_deleted`` or ``/is_echo`` if the message has that flag; None for any other event."""
        mid = self._ID.find(event)
        return None if mid is None else mid + "".join(fate for fate, place in self._FATES if place.value(event) is True)

    def __repr__(self) -> str:
        return "MessageId()"

    def __str__(self) -> str:
        return f"body `{self._PATH}.mid`"


# Only the SHA-256 header. X-Hub-Signature (SHA-1) comes with it and is never used instead.
_SCHEME = MetaScheme(signature=SignatureHeader("X-Hub-Signature-256", "sha256={hex}"))

_CHALLENGE = Echo(
    InQuery("hub.challenge"),
    method="GET",
    when={InQuery("hub.mode"): "subscribe"},
    comes_unsigned=True,
    proof=(InQuery("hub.verify_token"), "verify_token"),
)

# Up to 1,000 updates, each with one or more messages. An update without any of these lists is one event.
_BATCH = Batch(
    (
        "entry.changes.value.messages",
        "entry.changes.value.statuses",
        "entry.changes.value.message_echoes",
        "entry.messaging",
        "entry.standby",
    ),
    most=10_000,
    largest=_DOCS.says(1000),
    in_place=True,
)

# One message has many statuses, and in a group one for each reader. The content identifies them and all other events
# without an id. It holds a time: their own or the entry's.
_WAMID = InBody("entry.0.changes.0.value.messages.0.id")

# A message between two of our accounts reaches both.
_ID_SCOPE = (InBody("entry.0.id"), InBody("entry.0.changes.0.value.metadata.phone_number_id"))

_NOTE = (
    "Give Secret.of(app_secret=…, verify_token=…). Without the token the request that sets up the URL is rejected. Each"
    " message, status and other change is one event. event.json() is the whole document with only that event in its lists,"
    " so the account, the phone number and the contacts are available. A message's id identifies it; the content and the"
    " entry's time identify other events. If Meta gives a retry a new time, it runs again. WhatsApp's error notices have no"
    " time, so an equal one counts as a duplicate."
)

META = Preset(
    name="meta",
    title="Meta (Facebook, Instagram, Threads)",
    secret_shape="[0-9a-f]{32}",
    not_secrets=(("EAA[A-Za-z0-9]{20,}", "an access token"),),
    scheme=_SCHEME,
    batch=_BATCH,
    event_id=FirstOf(MessageId(), _WAMID, Content()),
    id_scope=_ID_SCOPE,
    event_type=InBody("object"),
    challenge=_CHALLENGE,
    facts=Facts(
        schedule=_DOCS.says("immediately, then with growing gaps for 36 hours"),
        horizon=_DOCS.says(36 * HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        # WhatsApp's page states this for WhatsApp.
        largest_body=_DOCS.silent(3 * MIB),
        timeout=_DOCS.silent(20.0),
        statuses=_DOCS.silent("200 succeeds; anything else is retried; long failure disables the subscription"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://developers.facebook.com/docs/graph-api/webhooks/getting-started/",
    note=_NOTE,
)

MESSENGER = Preset(
    name="messenger",
    title="Messenger",
    secret_shape="[0-9a-f]{32}",
    not_secrets=(("EAA[A-Za-z0-9]{20,}", "an access token"),),
    scheme=_SCHEME,
    batch=_BATCH,
    event_id=FirstOf(MessageId(), Content()),
    id_scope=_ID_SCOPE,
    event_type=InBody("object"),
    challenge=_CHALLENGE,
    facts=META.facts,
    docs="https://developers.facebook.com/docs/messenger-platform/webhooks",
    note=_NOTE,
)

WHATSAPP = Preset(
    name="whatsapp",
    title="WhatsApp Cloud API",
    secret_shape="[0-9a-f]{32}",
    not_secrets=(("EAA[A-Za-z0-9]{20,}", "an access token"),),
    scheme=_SCHEME,
    batch=_BATCH,
    event_id=FirstOf(_WAMID, Content()),
    id_scope=_ID_SCOPE,
    event_type=InBody("entry.0.changes.0.field"),
    challenge=_CHALLENGE,
    facts=Facts(
        schedule=_WHATSAPP.says("with growing gaps for up to 7 days"),
        horizon=_WHATSAPP.says(7 * DAY),
        resigned=_WHATSAPP.silent(None),
        stable_body=_WHATSAPP.silent(None),
        stable_id=_WHATSAPP.silent(True),
        largest_body=_WHATSAPP_SIZE.says(3 * MIB),
        timeout=_WHATSAPP.silent(20.0),
        statuses=_WHATSAPP.says("200 succeeds; anything else is retried"),
        networks=_WHATSAPP.silent(None),
    ),
    proof=("vector",),
    docs="https://developers.facebook.com/docs/whatsapp/cloud-api/guides/set-up-webhooks/",
    note=_NOTE,
)
