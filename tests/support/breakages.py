"""Ways in which deliveries break on their way, each with the causes that may be named for it.

A breakage takes a genuine delivery and returns the broken one, or None where it would change nothing.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
import unicodedata
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode

from hookguard import Delivery, Preset
from hookguard.headers import Headers

__all__ = ["BODIES", "HEADERS", "URLS", "Breakage", "with_headers"]

Broken = "Delivery | None"


class Breakage(NamedTuple):
    name: str
    accept: frozenset[str]
    do: Callable[[Delivery, Preset], Delivery | None]


def breakage(*accept: str, into: list[Breakage]) -> Callable[[Callable[[Delivery, Preset], Delivery | None]], Breakage]:
    def wrap(do: Callable[[Delivery, Preset], Delivery | None]) -> Breakage:
        made = Breakage(do.__name__, frozenset(accept), do)
        into.append(made)
        return made

    return wrap


BODIES: list[Breakage] = []
HEADERS: list[Breakage] = []
URLS: list[Breakage] = []


def with_headers(delivery: Delivery, change: dict[str, str | None]) -> Delivery:
    kept = [(name, value) for name, value in delivery.headers.items() if name.lower() not in change]
    return delivery._replace(headers=Headers([*kept, *((name, value) for name, value in change.items() if value is not None)]))


def is_json(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), (dict, list))
    except ValueError:
        return False


def lossless(body: bytes) -> bool:
    """Whether reading and writing this JSON loses nothing: no number changes, no key is repeated."""
    document = json.loads(body)
    return json.loads(json.dumps(document)) == document and sum(map(body.count, (b"1.0", b"e+", b"E+", b".00"))) == 0


def rewritten(write: Callable[[object], str]) -> Callable[[Delivery, Preset], Delivery | None]:
    def do(delivery: Delivery, preset: Preset) -> Delivery | None:
        if not is_json(delivery.body) or not lossless(delivery.body):
            return None
        try:
            return delivery._replace(body=write(json.loads(delivery.body)).encode())
        except UnicodeEncodeError:
            return None

    return do


for name, write in {
    "python_dumps": json.dumps,
    "javascript_stringify": lambda document: json.dumps(document, separators=(",", ":"), ensure_ascii=False),
    "indented_by_two": lambda document: json.dumps(document, indent=2, ensure_ascii=False),
    "indented_by_four": lambda document: json.dumps(document, indent=4),
    "php_json_encode": lambda document: json.dumps(document, separators=(",", ":")).replace("/", "\\/"),
    "go_marshal": lambda document: (
        json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
    ),
    "saved_with_line_break": lambda document: json.dumps(document, indent=2) + "\n",
}.items():
    BODIES.append(
        Breakage(name, frozenset({"body_reserialized", "body_whitespace_added", "body_whitespace_removed"}), rewritten(write))
    )


@breakage("body_whitespace_added", "body_line_endings", into=BODIES)
def line_break_at_the_end(delivery: Delivery, preset: Preset) -> Delivery | None:
    return delivery._replace(body=delivery.body + b"\n")


@breakage("body_whitespace_added", "body_line_endings", into=BODIES)
def windows_line_break_at_the_end(delivery: Delivery, preset: Preset) -> Delivery | None:
    return delivery._replace(body=delivery.body + b"\r\n")


@breakage("body_whitespace_added", into=BODIES)
def spaces_around(delivery: Delivery, preset: Preset) -> Delivery | None:
    return delivery._replace(body=b"  " + delivery.body + b" ") if delivery.body == delivery.body.strip() else None


@breakage("body_whitespace_removed", "body_reserialized", into=BODIES)
def trimmed(delivery: Delivery, preset: Preset) -> Delivery | None:
    return delivery._replace(body=delivery.body.rstrip()) if delivery.body != delivery.body.rstrip() else None


@breakage("body_line_endings", "body_reserialized", into=BODIES)
def windows_line_endings(delivery: Delivery, preset: Preset) -> Delivery | None:
    body = delivery.body
    return delivery._replace(body=body.replace(b"\n", b"\r\n")) if b"\n" in body and b"\r" not in body else None


@breakage("body_bom_added", into=BODIES)
def byte_order_mark(delivery: Delivery, preset: Preset) -> Delivery | None:
    return delivery._replace(body=b"\xef\xbb\xbf" + delivery.body)


@breakage("body_charset", into=BODIES)
def read_as_latin_1(delivery: Delivery, preset: Preset) -> Delivery | None:
    body = delivery.body
    return None if body.isascii() else delivery._replace(body=body.decode("latin-1").encode())


@breakage("body_charset", into=BODIES)
def written_in_utf_16(delivery: Delivery, preset: Preset) -> Delivery | None:
    try:
        return delivery._replace(body=delivery.body.decode().encode("utf-16"))
    except UnicodeDecodeError:
        return None


@breakage("body_normalized", into=BODIES)
def decomposed(delivery: Delivery, preset: Preset) -> Delivery | None:
    try:
        text = delivery.body.decode()
    except UnicodeDecodeError:
        return None
    changed = unicodedata.normalize("NFD", text)
    return delivery._replace(body=changed.encode()) if changed != text and unicodedata.normalize("NFC", changed) == text else None


@breakage("body_compressed", into=BODIES)
def compressed(delivery: Delivery, preset: Preset) -> Delivery | None:
    return with_headers(delivery._replace(body=gzip.compress(delivery.body, mtime=0)), {"content-encoding": "gzip"})


@breakage("body_base64", into=BODIES)
def in_base64(delivery: Delivery, preset: Preset) -> Delivery | None:
    return delivery._replace(body=base64.b64encode(delivery.body)) if len(delivery.body) > 12 else None


@breakage("body_escaped", into=BODIES)
def as_json_string(delivery: Delivery, preset: Preset) -> Delivery | None:
    try:
        return delivery._replace(body=json.dumps(delivery.body.decode()).encode()) if is_json(delivery.body) else None
    except UnicodeDecodeError:
        return None


@breakage("body_escaped", into=BODIES)
def quotes_escaped(delivery: Delivery, preset: Preset) -> Delivery | None:
    body = delivery.body
    return delivery._replace(body=body.replace(b'"', b'\\"')) if is_json(body) and b"\\" not in body else None


@breakage("body_repr", into=BODIES)
def printed_bytes(delivery: Delivery, preset: Preset) -> Delivery | None:
    return delivery._replace(body=repr(delivery.body).encode()) if delivery.body else None


@breakage("body_repr", into=BODIES)
def printed_dictionary(delivery: Delivery, preset: Preset) -> Delivery | None:
    if not is_json(delivery.body) or not lossless(delivery.body):
        return None
    document = json.loads(delivery.body)
    printed = str(document)
    return delivery._replace(body=printed.encode("utf-8", "surrogatepass")) if "'" in printed else None


@breakage("body_html_escaped", into=BODIES)
def escaped_for_html(delivery: Delivery, preset: Preset) -> Delivery | None:
    try:
        text = delivery.body.decode()
    except UnicodeDecodeError:
        return None
    changed = html.escape(text)
    return delivery._replace(body=changed.encode()) if changed != text and "&" not in text else None


@breakage("body_chunked", into=BODIES)
def chunk_sizes_left(delivery: Delivery, preset: Preset) -> Delivery | None:
    body, half = delivery.body, len(delivery.body) // 2
    parts = [part for part in (body[:half], body[half:]) if part]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return delivery._replace(body=chunks + b"0\r\n\r\n") if body else None


@breakage("body_wrapped", into=BODIES)
def event_of_a_gateway(delivery: Delivery, preset: Preset) -> Delivery | None:
    try:
        inner = delivery.body.decode()
    except UnicodeDecodeError:
        return None
    event = {"version": "2.0", "headers": dict(delivery.headers.items()), "body": inner, "isBase64Encoded": False}
    if not delivery.body or not preset.scheme.carriers.signature or not preset.scheme.covers:
        return None
    return Delivery(json.dumps(event).encode(), {"content-type": "application/json"}, delivery.method, delivery.url)


@breakage("body_wrapped", into=BODIES)
def event_of_a_gateway_in_base64(delivery: Delivery, preset: Preset) -> Delivery | None:
    event = {"body": base64.b64encode(delivery.body).decode(), "isBase64Encoded": True}
    return delivery._replace(body=json.dumps(event).encode()) if len(delivery.body) > 12 else None


@breakage("body_repeated", into=BODIES)
def there_twice(delivery: Delivery, preset: Preset) -> Delivery | None:
    return delivery._replace(body=delivery.body * 2) if len(delivery.body) > 4 else None


def is_form(delivery: Delivery) -> bool:
    return "urlencoded" in delivery.headers.get("content-type", "") and b"=" in delivery.body


@breakage("body_form_field_added", into=BODIES)
def form_field_added(delivery: Delivery, preset: Preset) -> Delivery | None:
    return delivery._replace(body=delivery.body + b"&csrf_token=abc") if is_form(delivery) else None


@breakage("body_form_rewritten", into=BODIES)
def form_written_with_percent_twenty(delivery: Delivery, preset: Preset) -> Delivery | None:
    if not is_form(delivery) or b"+" not in delivery.body:
        return None
    return delivery._replace(body=urlencode(parse_qsl(delivery.body.decode(), keep_blank_values=True), quote_via=quote).encode())


def signature_of(delivery: Delivery, preset: Preset) -> tuple[str, str] | None:
    for name in preset.scheme.carriers.signature:
        if delivery.headers.get(name):
            return name, delivery.headers[name]
    return None


@breakage("header_renamed", "other_preset", into=HEADERS)
def underscores(delivery: Delivery, preset: Preset) -> Delivery | None:
    found = signature_of(delivery, preset)
    if found is None or "-" not in found[0]:
        return None
    return with_headers(delivery, {found[0]: None, found[0].replace("-", "_"): found[1]})


@breakage("header_renamed", "other_preset", into=HEADERS)
def original_prefix(delivery: Delivery, preset: Preset) -> Delivery | None:
    found = signature_of(delivery, preset)
    return found and with_headers(delivery, {found[0]: None, f"x-original-{found[0].removeprefix('x-')}": found[1]})


@breakage("header_duplicated", into=HEADERS)
def two_lines(delivery: Delivery, preset: Preset) -> Delivery | None:
    found = signature_of(delivery, preset)
    if found is None or preset.scheme.covers == frozenset():
        return None
    return delivery._replace(headers=Headers([*delivery.headers.items(), found]))


@breakage("header_duplicated", "signature_spelling", into=HEADERS)
def joined_with_itself(delivery: Delivery, preset: Preset) -> Delivery | None:
    found = signature_of(delivery, preset)
    return found and with_headers(delivery, {found[0]: f"{found[1]}, {found[1]}"})


@breakage("signature_spelling", into=HEADERS)
def in_quotation_marks(delivery: Delivery, preset: Preset) -> Delivery | None:
    found = signature_of(delivery, preset)
    return found and with_headers(delivery, {found[0]: f'"{found[1]}"'})


@breakage("signature_spelling", "header_duplicated", into=HEADERS)
def percent_encoded(delivery: Delivery, preset: Preset) -> Delivery | None:
    found = signature_of(delivery, preset)
    changed = found and quote(found[1], safe="")
    return with_headers(delivery, {found[0]: changed}) if found and changed and changed != found[1] else None


@breakage("signature_altered", "secret_cut", into=HEADERS)
def cut_by_three(delivery: Delivery, preset: Preset) -> Delivery | None:
    found = signature_of(delivery, preset)
    if found is None or preset.scheme.signs_privately or hasattr(preset.scheme, "wants") or len(found[1]) < 24:
        return None
    return with_headers(delivery, {found[0]: found[1][:-3]})


@breakage("timestamp_missing", into=HEADERS)
def timestamp_stripped(delivery: Delivery, preset: Preset) -> Delivery | None:
    name = preset.scheme.carriers.timestamp
    return with_headers(delivery, {name: None}) if name and name in delivery.headers else None


@breakage("timestamp_spelling", into=HEADERS)
def timestamp_with_fraction(delivery: Delivery, preset: Preset) -> Delivery | None:
    name = preset.scheme.carriers.timestamp
    value = delivery.headers.get(name) if name else None
    return with_headers(delivery, {name: f"{value}.0"}) if value and value.isdecimal() and len(value) == 10 else None


@breakage("header_missing", "other_provider", into=HEADERS)
def signature_stripped(delivery: Delivery, preset: Preset) -> Delivery | None:
    found = signature_of(delivery, preset)
    return found and with_headers(delivery, dict.fromkeys(preset.scheme.carriers.signature))


def signs_url(preset: Preset) -> bool:
    return "url" in preset.scheme.covers


@breakage("url_scheme", into=URLS)
def plain_http(delivery: Delivery, preset: Preset) -> Delivery | None:
    changed = delivery.url.replace("https://", "http://", 1)
    return delivery._replace(url=changed) if signs_url(preset) and changed != delivery.url else None


@breakage("url_host", into=URLS)
def internal_host(delivery: Delivery, preset: Preset) -> Delivery | None:
    scheme, colon, rest = delivery.url.partition("://")
    host, slash, path = rest.partition("/")
    if not signs_url(preset) or not colon:
        return None
    broken = delivery._replace(url=f"{scheme}://app.internal:8000{slash}{path}")
    return with_headers(broken, {"host": "app.internal:8000", "x-forwarded-host": host})


@breakage("url_slash", "url_path", into=URLS)
def slash_at_the_end(delivery: Delivery, preset: Preset) -> Delivery | None:
    path, mark, query = delivery.url.partition("?")
    changed = path.rstrip("/") if path.endswith("/") else f"{path}/"
    return delivery._replace(url=changed + mark + query) if signs_url(preset) and path.count("/") > 2 else None


@breakage("url_query", into=URLS)
def query_added(delivery: Delivery, preset: Preset) -> Delivery | None:
    if not signs_url(preset) or not delivery.url or "bodySHA256" in delivery.url:
        return None
    return delivery._replace(url=delivery.url + ("&" if "?" in delivery.url else "?") + "utm=1")


@breakage("url_escapes", "url_query", into=URLS)
def escapes_undone(delivery: Delivery, preset: Preset) -> Delivery | None:
    changed = unquote(delivery.url)
    return delivery._replace(url=changed) if signs_url(preset) and changed != delivery.url and " " not in changed else None
