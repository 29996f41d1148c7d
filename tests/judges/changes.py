"""The changes to a genuine delivery before both verify it."""

import json
import re

from judge import FORM, Judge, form, write_form

from hookguard import Delivery
from hookguard.writing import put_json

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
URLSAFE = ALPHABET[:-2] + "-_"


def _stray(text: str) -> str:
    """The same bytes in base64 that ends in other bits."""
    bare = text.rstrip("=")
    alphabet = URLSAFE if not set(bare[-8:]) <= set(ALPHABET) else ALPHABET
    if not bare or bare[-1] not in alphabet:
        return text
    return bare[:-1] + alphabet[alphabet.index(bare[-1]) ^ 1] + text[len(bare) :]


def _flipped(position):
    def flip(text):
        at = int(position * (len(text) - 1))
        return text[:at] + ("1" if text[at : at + 1] == "0" else "0") + text[at + 1 :]

    return flip


#: Of a text: a header's value, or the field of a body that holds the signature.
TEXT = {
    "its first character": _flipped(0),
    "a character in it": _flipped(0.6),
    # Before what padding or stray bits leave free.
    "its last character but three": lambda text: text[:-4] + ("1" if text[-4:-3] == "0" else "0") + text[-3:],
    "upper case": str.upper,
    "cut": lambda text: text[:-1],
    "cut in half": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "twice": lambda text: text + text,
    "a comma behind": lambda text: text + ",",
    "a comma before": lambda text: "," + text,
    "a semicolon behind": lambda text: text + ";",
    "noise behind": lambda text: text + " zzz",
    "a zero before": lambda text: "0" + text,
    "a plus before": lambda text: "+" + text,
    "a fraction behind": lambda text: text + ".0",
    "a space behind its first separator": lambda text: re.sub(r"([,;])", r"\1 ", text, count=1),
    "a space in it": lambda text: text[:5] + " " + text[5:],
    "an underscore in it": lambda text: text[:5] + "_" + text[5:],
    "a line break in it": lambda text: text[:5] + "\n" + text[5:],
    "a NUL behind": lambda text: text + "\0",
    "a letter outside ASCII behind": lambda text: text + "é",
    "digits of another script": lambda text: text.translate({48 + digit: 0xFF10 + digit for digit in range(10)}),
    "no padding": lambda text: text.rstrip("="),
    "padding too many": lambda text: text + "=",
    "stray bits at the end": _stray,
    "the other base64": lambda text: text.translate(str.maketrans("+/-_", "-_+/")),
    "another version": lambda text: text.replace("v1", "v2").replace("v0", "v2").replace("sha256", "sha1").replace("h1", "h2"),
    "a further version behind": lambda text: text + {"t=": ",v9=00", "ts": ";h9=00", "v1": " v9,AA=="}.get(text[:2], ",v9=00"),
    "repeated with a comma": lambda text: text + "," + text,
    "repeated with a space": lambda text: text + " " + text,
    "a bad one before": lambda text: (
        text.replace("v1=", "v1=00,v1=").replace("h1=", "h1=00;h1=") if "1=" in text else "v1,AA== " + text
    ),
    "sixteen bad ones before": lambda text: ("v1=00," * 16 + text) if "v1=" in text else "v1,AA== " * 16 + text,
}

#: Of the body.
BODY = {
    "a byte in it": lambda body: body[: len(body) // 2] + bytes([body[len(body) // 2] ^ 1]) + body[len(body) // 2 + 1 :],
    "its last byte": lambda body: body[:-1] + bytes([body[-1] ^ 1]),
    "a line break behind": lambda body: body + b"\n",
    "a space before": lambda body: b" " + body,
    "a byte order mark before": lambda body: b"\xef\xbb\xbf" + body,
    "a byte outside UTF-8 behind": lambda body: body + b"\xff",
    "a NUL behind": lambda body: body + b"\0",
    "nothing": lambda body: b"",
    "twice": lambda body: body + body,
}

#: Of the URL.
ADDRESS = {
    "another path": lambda url: url.replace("/hooks", "/hook"),
    "another query": lambda url: url + "&more=1" if "?" in url else url + "?more=1",
    "another host": lambda url: url.replace("example.com", "example.org"),
    "plain HTTP": lambda url: url.replace("https:", "http:"),
    "upper case": lambda url: url.upper(),
    "a slash behind": lambda url: url + "/",
    "a fragment": lambda url: url + "#x",
}

#: Seconds that the provider's clock is off when it signs.
TIMES = {
    "a minute ahead": 60,
    "an hour ahead": 3600,
    "a month ahead": 30 * 86400,
    "a minute ago": -60,
    "eight minutes ago": -480,
    "an hour ago": -3600,
    "a month ago": -30 * 86400,
}

#: Headers that come twice, or not at all.
PRESENCE = ("missing", "twice in the request")


def sent(headers):
    """HTTP takes white space off both ends of a value (RFC 9110 section 5.5), so neither sees it."""
    return {name: value.strip(" \t") for name, value in headers.items()}


def parts(judge: type[Judge], delivery: Delivery) -> list[str]:
    """The headers that sign, or the field of the body."""
    carried = {"content-type", *(name.lower() for name in judge.carried)}
    headers = [name for name in delivery.headers if name.lower() not in carried]
    return [*headers, *([judge.signed_in] if judge.signed_in else [])]


def replaced(judge: type[Judge], delivery: Delivery, part: str, change) -> Delivery:
    """The delivery with another text in one place."""
    if part != judge.signed_in:
        headers = {**dict(delivery.headers.items()), part: change(delivery.headers[part])}
        return Delivery(delivery.body, sent(headers), delivery.method, delivery.url)
    if delivery.headers["content-type"].startswith(FORM["content-type"]):
        fields = form(delivery)
        fields[part] = change(fields[part])
        body = write_form(fields)
    else:
        value = json.loads(delivery.body)
        for step in part.split("."):
            value = value[int(step)] if isinstance(value, list) else value[step]
        body = put_json(delivery.body, part, change(value))
    return Delivery(body, delivery.headers, delivery.method, delivery.url)


def changed(judge: type[Judge], event_id: str):
    """Every change of an honest delivery: (where, what, delivery)."""
    honest = judge.ours(event_id=event_id)
    whole = dict(honest.headers.items())
    for part in parts(judge, honest):
        for name, change in TEXT.items():
            yield part, name, replaced(judge, honest, part, change)
        if part != judge.signed_in:
            rest = {name: value for name, value in whole.items() if name != part}
            yield part, "missing", Delivery(honest.body, rest, honest.method, honest.url)
            pairs = [*whole.items(), (part, whole[part])]
            yield part, "twice in the request", Delivery(honest.body, pairs, honest.method, honest.url)
    for name, change in BODY.items():
        yield "body", name, Delivery(change(honest.body), honest.headers, honest.method, honest.url)
    if honest.url:
        for name, change in ADDRESS.items():
            yield "url", name, Delivery(honest.body, honest.headers, honest.method, change(honest.url))
    if judge.preset.scheme.signs_timestamp:
        for name, off in TIMES.items():
            yield "time", name, judge.ours(off=off)
