"""Deliveries saved in other formats than our own JSON: raw HTTP, a curl command, a HAR file."""

from __future__ import annotations

import base64
import binascii
import json
import re
import shlex
from typing import Any, NamedTuple
from urllib.parse import quote_plus, urlsplit

import click

from hookguard import Delivery
from hookguard.cli.inputs import delivery_of, load_delivery

__all__ = ["Saved", "read_saved"]

_REQUEST = re.compile(rb"([A-Z]{3,10}) (\S+) HTTP/[0-9.]+\r?\n")
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_END_OF_LINE = re.compile(r"\r?\n")
#: The shell's quoting, and (as a group) the quoting of bash and zsh that ``shlex`` does not know.
_QUOTING = re.compile(r"""'[^']*'|"(?:[^"\\]|\\.)*"|\\.|(\$')""", re.DOTALL)
#: The name of an option of curl, without a value that may stand directly behind it.
_OPTION = re.compile(r"--[a-z0-9.-]{1,30}|-.?", re.DOTALL)
#: Options of curl without a value, and those whose value says nothing of the request.
_FLAGS = frozenset(
    {
        "--compressed",
        "--fail",
        "--globoff",
        "--http1.1",
        "--http2",
        "--insecure",
        "--include",
        "--location",
        "--show-error",
        "--silent",
        "--verbose",
        "-L",
        "-S",
        "-f",
        "-g",
        "-i",
        "-k",
        "-s",
        "-sS",
        "-v",
    }
)
_IGNORED = frozenset({"--connect-timeout", "--max-time", "--output", "--retry", "--write-out", "-m", "-o", "-w"})
_DATA = frozenset({"--data", "--data-ascii", "--data-binary", "--data-raw", "--data-urlencode", "--json", "-d"})


class Saved(NamedTuple):
    """A delivery, and a warning if its format may have changed bytes of the body."""

    delivery: Delivery
    target: str = ""
    caution: str = ""


def read_saved(raw: bytes, entry: int = 1) -> Saved:
    """Read a delivery in any of the formats, which its first bytes show; a usage error says what is wrong.

    ``entry`` is the number of the request in a HAR file.
    """
    if _REQUEST.match(raw):
        return _raw_http(raw)
    text = _text(raw)
    if text.lstrip().startswith("curl "):
        return _curl(text.strip())
    document = _json(text)
    if isinstance(document, dict) and isinstance(document.get("log"), dict):
        return _har(document["log"], entry)
    return Saved(load_delivery(text))


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise click.UsageError(
            "the file is neither raw HTTP nor text: save the request as raw HTTP, or as JSON with body_base64"
        ) from None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _url(target: str, host: str) -> str:
    return target if "://" in target or not host else f"https://{host}{target}"


def _raw_http(raw: bytes) -> Saved:
    """Read a request as it came over the wire; its lines may end with CRLF or LF."""
    request = _REQUEST.match(raw)
    end = _END_OF_HEAD.search(raw)
    if request is None or end is None:
        raise click.UsageError("the raw HTTP has no empty line behind its headers")
    headers: list[tuple[str, str]] = []
    head = raw[request.end() : end.start()].decode("latin-1")
    for number, line in enumerate(_END_OF_LINE.split(head) if head else (), 2):
        name, colon, value = line.partition(":")
        if not colon:
            # Without the line itself, which may hold a secret.
            raise click.UsageError(f"line {number} of the raw HTTP is not a header: write 'Name: value' on one line")
        headers.append((name.strip(" \t"), value.strip(" \t")))
    target = request[2].decode("latin-1")
    host = next((value for name, value in headers if name.lower() == "host"), "")
    try:
        delivery = delivery_of(raw[end.end() :], headers, request[1].decode(), _url(target, host))
    except ValueError as error:
        raise click.UsageError(f"the raw HTTP cannot be read: {error}") from None
    return Saved(delivery, target)


def _curl(command: str) -> Saved:
    if any(found[1] for found in _QUOTING.finditer(command)):
        raise click.UsageError("the curl command quotes with $'…', which is not supported: save the request as raw HTTP")
    try:
        words = shlex.split(command.replace("\\\r\n", " ").replace("\\\n", " "))[1:]
    except ValueError as error:
        raise click.UsageError(f"the curl command cannot be read: {error}") from None
    method, url, headers, data = "", "", [], []
    while words:
        word = words.pop(0)
        if word.startswith("--") and "=" in word:
            word, _, value = word.partition("=")
            words.insert(0, value)
        if word in _FLAGS:
            continue
        if word.startswith("-") and not words:
            raise click.UsageError(f"the curl command has no value for {_option(word)}")
        if word in ("-X", "--request"):
            method = words.pop(0)
        elif word in ("-H", "--header"):
            name, _, value = words.pop(0).partition(":")
            headers.append((name.strip(), value.strip()))
        elif word in _DATA:
            data.append(_data(word, words.pop(0)))
            if word == "--json":
                headers.append(("Content-Type", "application/json"))
        elif word in ("-b", "--cookie", "-A", "--user-agent"):
            headers.append(("Cookie" if word in ("-b", "--cookie") else "User-Agent", words.pop(0)))
        elif word in _IGNORED:
            words.pop(0)
        elif word == "--url":
            url = words.pop(0)
        elif word.startswith("-"):
            raise click.UsageError(
                f"the curl command has the option {_option(word)}, which is not supported: save the request as raw HTTP"
            )
        else:
            url = word
    body = "&".join(data).encode("utf-8", "surrogateescape")
    if body and all(name.lower() != "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/x-www-form-urlencoded"))
    try:
        delivery = delivery_of(body, headers, method or ("POST" if data else "GET"), url)
    except ValueError as error:
        raise click.UsageError(f"the curl command cannot be read: {error}") from None
    target = urlsplit(url)
    caution = "a curl command holds text: line endings and bytes that are not UTF-8 may have changed" if body else ""
    path = target.path + (f"?{target.query}" if target.query else "")
    return Saved(delivery, path, caution)


def _option(word: str) -> str:
    """Return an option's name for an error message: a value behind it may be a secret."""
    found = _OPTION.match(word)
    return found[0] if found else ""


def _data(option: str, value: str) -> str:
    if value.startswith("@") and option != "--data-raw":
        raise click.UsageError("the curl command reads its body from a file: save the request as raw HTTP, with the body in it")
    if option == "--data-urlencode":
        name, equals, text = value.partition("=")
        return f"{name}={quote_plus(text)}" if equals else quote_plus(value)
    return value


def _har(log: dict[str, Any], number: int) -> Saved:
    entries = log.get("entries")
    if not isinstance(entries, list) or not 1 <= number <= len(entries):
        count = len(entries) if isinstance(entries, list) else 0
        raise click.UsageError(f"the HAR file has {count} entries: choose one with --entry")
    try:
        request = entries[number - 1]["request"]
        headers = [(each["name"], each["value"]) for each in request["headers"] if not each["name"].startswith(":")]
        posted = request.get("postData") or {}
        text = posted.get("text") or ""
        body = base64.b64decode(text, validate=True) if posted.get("encoding") == "base64" else text.encode()
        parts = urlsplit(request["url"])
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        delivery = delivery_of(body, headers, request["method"], request["url"])
    except (KeyError, TypeError, AttributeError, ValueError, binascii.Error) as error:
        raise click.UsageError(f"entry {number} of the HAR file cannot be read ({type(error).__name__})") from None
    caution = "" if posted.get("encoding") == "base64" else "a HAR file holds text: bytes that are not UTF-8 may have changed"
    return Saved(delivery, target, caution if body else "")
