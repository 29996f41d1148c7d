"""Where each preset's deliveries carry the signature and what it covers by name, and how another text is put there.

A text is changed where it stands and as its carrier writes it: in JSON with its escapes, in a form or a query percent-encoded,
in XML as an element's text, in Basic authentication inside its base64. Undecodable bytes are put there as they are.
"""

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote_from_bytes
from xml.sax.saxutils import escape

from hookguard import Delivery, Preset
from hookguard.bodies import Reading
from hookguard.place import FirstOf, InBody, InForm, InHeader, InQuery, InXml

#: The places of the signature for each preset whose signature is in no header, which the scheme names; all of them, where
#: a delivery has several, and of alternatives the one that is there.
SIGNATURES = {
    "adyen": tuple(InBody(f"notificationItems.{item}.NotificationRequestItem.additionalData.hmacSignature") for item in (0, 1)),
    "alipay": (InForm("sign"),),
    "app-store": (InBody("signedPayload"),),
    "aws-sns": (InBody("Signature"),),
    "braintree": (InForm("bt_signature"),),
    "dingtalk": (FirstOf(InQuery("msg_signature"), InQuery("signature")),),
    "event-grid": (InQuery("code"),),
    "figma": (InBody("passcode"),),
    "lark-token": (InBody("header.token"),),
    "mailgun": (FirstOf(InBody("signature.signature"), InForm("signature")),),
    "microsoft-graph": (InBody("value.0.clientState"), InBody("value.1.clientState")),
    "paytm": (InForm("CHECKSUMHASH"),),
    "shopify": (FirstOf(InHeader("x-shopify-hmac-sha256"), InHeader("shopify-hmac-sha256")),),
    "signed-url": (InQuery("token"),),
    "wecom": (InQuery("msg_signature"),),
}

#: Signed places that no event is read from, so that ``scheme.covers`` does not name it.
COVERED = {"mercado-pago": (InQuery("data.id"),)}

_IN_WORDS = {"body": InBody, "form": InForm, "query": InQuery, "element": InXml}
_MARK = "@@here@@"


class InBasic(InHeader):
    """The ``user:password`` of HTTP Basic authentication, without its base64."""

    def find(self, event):
        word, _, coded = event.headers[self.name].partition(" ")
        return base64.b64decode(coded).decode() if word == "Basic" else None


def signatures(preset: Preset, delivery: Delivery) -> list:
    """The places where this delivery carries its signature."""
    named = preset.scheme.required_header
    places = [InHeader(named)] if named else [_present(place, preset, delivery) for place in SIGNATURES[preset.name]]
    if getattr(preset.scheme, "form", "") == "basic":
        places.append(InBasic(named))
    return places


def _present(place, preset: Preset, delivery: Delivery):
    if not isinstance(place, FirstOf):
        return place
    return next(each for each in place.places if text_at(each, preset, delivery))


def covered(preset: Preset, delivery: Delivery) -> list:
    """The places of this delivery whose text the signature covers by name."""
    places = list(COVERED.get(preset.name, ()))
    for part in sorted(preset.scheme.covers):
        for named in part.split(", else "):
            kind, _, name = named.partition(":")
            if kind == "token":
                continue  # what it holds is flipped with the token, which is the signature
            if name:
                places += [_IN_WORDS[kind](each) for each in dict.fromkeys(name.replace("[*]", f".{item}") for item in (0, 1))]
            elif named in delivery.headers:
                places.append(InHeader(named))
    # Some fields need not be there.
    return [place for place in places if text_at(place, preset, delivery)]


def text_at(place, preset: Preset, delivery: Delivery) -> str | None:
    if isinstance(place, InBasic):
        return place.find(delivery)
    if isinstance(place, InHeader):
        return delivery.headers.get(place.name)
    return place.find(Reading(delivery, preset.json_field))


def flips(text: str | bytes) -> Iterator[bytes]:
    """The text with one bit flipped, for every bit there is."""
    raw = text.encode() if isinstance(text, str) else text
    for bit in range(8 * len(raw)):
        flipped = bytearray(raw)
        flipped[bit >> 3] ^= 1 << (bit & 7)
        yield bytes(flipped)


def put(place, delivery: Delivery, raw: bytes) -> Delivery:
    """The delivery with these bytes as the text at a place."""
    if isinstance(place, InBasic):
        return put(InHeader(place.name), delivery, b"Basic " + base64.b64encode(raw))
    if isinstance(place, InHeader):
        value = raw.decode("latin-1")
        return with_headers(delivery, [(n, value if n == place.name else v) for n, v in delivery.headers.items()])
    if isinstance(place, InBody):
        return _marked_json(delivery, place.path, lambda inner, last: inner.__setitem__(last, _MARK), _in_json(raw))
    if isinstance(place, InXml):
        begin, _, rest = delivery.body.partition(f"<{place.path}>".encode())
        end = rest[rest.index(f"</{place.path}>".encode()) :]
        text = raw if not is_text(raw) else escape(raw.decode()).encode()
        return delivery._replace(body=begin + f"<{place.path}>".encode() + text + end)
    return _with_pairs(
        place, delivery, lambda name, pair: [f"{name}={quote_from_bytes(raw, safe='')}" if pair.startswith(f"{name}=") else pair]
    )


def doubled(place, delivery: Delivery, text: str, other: str) -> list[Delivery]:
    """The delivery with a second one at the place: another before, another behind, and the same again."""
    if isinstance(place, InHeader):
        pairs = list(delivery.headers.items())
        second = [[(place.name, other), *pairs], [*pairs, (place.name, other)], [*pairs, (place.name, text)]]
        return [with_headers(delivery, each) for each in second]
    if isinstance(place, InXml):
        name, body = place.path, delivery.body
        one, two = (f"<{name}>{escape(each)}</{name}>".encode() for each in (other, text))
        begin, end = f"<{name}>".encode(), f"</{name}>".encode()
        return [
            delivery._replace(body=body.replace(begin, one + begin)),
            *(delivery._replace(body=body.replace(end, end + each)) for each in (one, two)),
        ]
    if isinstance(place, InBody):

        def insert(inner, last, *, before):
            pairs = []
            for name, value in inner.items():
                pair = (name, value)
                pairs += [pair] if name != last else [(_MARK, ""), pair] if before else [pair, (_MARK, "")]
            inner.clear()
            inner.update(pairs)

        key = json.dumps(place.path.rpartition(".")[2])
        made = []
        for value, before in ((other, True), (other, False), (text, False)):
            marked = _marked_json(
                delivery, place.path, lambda inner, last, before=before: insert(inner, last, before=before), b""
            )
            made.append(
                marked._replace(body=marked.body.replace(b'"": ""', f"{key}: ".encode() + b'"' + _in_json(value.encode()) + b'"'))
            )
        return made

    def written(name, value):
        return f"{name}={quote_from_bytes(value.encode(), safe='')}"

    return [
        _with_pairs(
            place,
            delivery,
            lambda name, pair, value=value, before=before: (
                [pair] if not pair.startswith(f"{name}=") else [written(name, value), pair][:: 1 if before else -1]
            ),
        )
        for value, before in ((other, True), (other, False), (text, False))
    ]


def with_headers(delivery: Delivery, pairs) -> Delivery:
    return Delivery(delivery.body, pairs, delivery.method, delivery.url)


def is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _in_json(raw: bytes) -> bytes:
    return json.dumps(raw.decode())[1:-1].encode() if is_text(raw) else raw


def _marked_json(delivery: Delivery, path: str, mark, replacement: bytes) -> Delivery:
    """The JSON body with what ``mark`` put at a path, and the mark's place taken by bytes that JSON may be unable to hold."""
    document = json.loads(delivery.body)
    inner = document
    *steps, last = path.split(".")
    for step in steps:
        inner = inner[int(step)] if isinstance(inner, list) else inner[step]
    mark(inner, last)
    return delivery._replace(body=json.dumps(document).encode().replace(_MARK.encode(), replacement))


def _with_pairs(place, delivery: Delivery, change) -> Delivery:
    """The delivery with the pairs of its query or its form changed, and other text as it came."""
    if isinstance(place, InForm):
        pairs = [new for pair in delivery.body.decode().split("&") for new in change(place.field, pair)]
        return delivery._replace(body="&".join(pairs).encode())
    path, _, query = delivery.url.partition("?")
    pairs = [new for pair in query.split("&") for new in change(place.parameter, pair)]
    return delivery._replace(url=f"{path}?{'&'.join(pairs)}")
