"""URLs and methods that may have been signed: the one at the provider differs in a part from the one that came."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, quote_plus, unquote

from hookguard.headers import Headers
from hookguard.privacy.shown import shown_url

__all__ = ["Urls", "urls_changed"]

#: A code, a detail, and the URL.
Urls = Iterator[tuple[str, str, str]]

_URL = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(#.*)?", re.DOTALL)
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?", re.ASCII)
_FORWARDED = re.compile(r'host="?([^";, ]+)', re.IGNORECASE)
_HEX = re.compile(r"%[0-9A-Fa-f]{2}", re.ASCII)
MAX_PARAMETERS = 12


class _Parts(NamedTuple):
    scheme: str
    netloc: str
    path: str
    query: str | None
    fragment: str = ""

    def __str__(self) -> str:
        origin = f"{self.scheme}://{self.netloc}" if self.scheme else ""
        return f"{origin}{self.path}{'' if self.query is None else f'?{self.query}'}{self.fragment}"


def _split(url: str) -> _Parts | None:
    found = _URL.fullmatch(url) if len(url) <= 8192 else None
    return _Parts(found[1] or "", found[2] or "", found[3], found[4], found[5] or "") if found else None


def urls_changed(url: str, target: str, headers: Headers) -> Urls:
    """Yield URLs with one part changed, then with two. ``target`` is the raw path and query as the server saw them."""
    came = _split(url)
    if came is None:
        return
    single = list(dict.fromkeys((code, parts) for code, parts in _single(came, target, headers) if parts != came))
    for code, parts in single:
        yield code, _detail(code, parts), str(parts)
    by_code: dict[str, list[_Parts]] = {}
    for code, parts in single:
        by_code.setdefault(code, []).append(parts)
    for first, others in (
        ("url_scheme", ("url_host", "url_port", "url_path", "url_slash", "url_query", "url_escapes")),
        ("url_host", ("url_path", "url_slash", "url_query", "url_port")),
        ("url_query", ("url_slash", "url_path")),
    ):
        for one, other in itertools.product(by_code.get(first, ())[:3], others):
            for two in by_code.get(other, ())[:4]:
                both = _merged(came, one, two)
                yield f"{first}+{other}", f"{_detail(first, both)}; {_detail(other, both)}", str(both)


def _merged(came: _Parts, one: _Parts, two: _Parts) -> _Parts:
    """Return the URL with the parts that either of the two changed."""
    changed = {
        name: getattr(each, name) for each in (two, one) for name in came._fields if getattr(each, name) != getattr(came, name)
    }
    return came._replace(**changed)


def _detail(code: str, parts: _Parts) -> str:
    whole = shown_url(str(parts))
    if code in ("url_path", "url_slash"):
        return f"path {shown_url(parts.path)}, public_url {whole}"
    if code in ("url_query", "url_escapes"):
        return f"public_url {whole}"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}, public_url {whole}"


def _single(came: _Parts, target: str, headers: Headers) -> Iterator[tuple[str, _Parts]]:
    if came.fragment:
        yield "url_fragment", came._replace(fragment="")
    if came.scheme:
        for other in (
            ("https", "http") if came.scheme not in ("http", "https") else ("http" if came.scheme == "https" else "https",)
        ):
            yield "url_scheme", came._replace(scheme=other)
        yield from _netlocs(came, headers)
    yield from _paths(came, target, headers)
    yield from _queries(came, target)
    yield from _escapes(came)


def _netlocs(came: _Parts, headers: Headers) -> Iterator[tuple[str, _Parts]]:
    user, at, host = came.netloc.rpartition("@")
    if at:
        yield "url_credentials", came._replace(netloc=host)
    name, _, port = host.partition(":") if not host.startswith("[") else (host, "", "")
    kept = f"{user}{at}"
    usual = "443" if came.scheme == "https" else "80"
    if port:
        yield "url_port", came._replace(netloc=f"{kept}{name}")
    for other in (usual, headers.get("x-forwarded-port", ""), "443", "80", "8443", "8080"):
        if other.isdecimal() and other != port:
            yield "url_port", came._replace(netloc=f"{kept}{name}:{other}")
    for given in _hosts(headers):
        theirs, _, their_port = given.partition(":")
        code = "url_port" if theirs.lower() == name.lower() and their_port != port else "url_host"
        yield code, came._replace(netloc=f"{kept}{given}")
        if their_port and code == "url_host":
            yield "url_host", came._replace(netloc=f"{kept}{theirs}")
        elif port:
            yield "url_host", came._replace(netloc=f"{kept}{theirs}:{port}")
    www = name.removeprefix("www.") if name.startswith("www.") else f"www.{name}"
    yield "url_host", came._replace(netloc=f"{kept}{www}{f':{port}' if port else ''}")
    yield "url_host", came._replace(netloc=came.netloc.lower())


def _hosts(headers: Headers) -> Iterator[str]:
    """Return the hosts that the request names."""
    seen: list[str] = []
    for header in ("x-forwarded-host", "host", "x-original-host", "x-host", "x-forwarded-server", "forwarded"):
        for value in headers.all(header)[:4]:
            for item in _FORWARDED.findall(value) if header == "forwarded" else value.split(",")[:4]:
                if (host := item.strip()) not in seen and _HOST.fullmatch(host):
                    seen.append(host)
    yield from seen[:8]


def _paths(came: _Parts, target: str, headers: Headers) -> Iterator[tuple[str, _Parts]]:
    path = came.path
    slashed = path.rstrip("/") if path.endswith("/") and path != "/" else f"{path}/"
    yield "url_slash", came._replace(path=slashed)
    if path == "/":
        yield "url_slash", came._replace(path="")
    for given in (
        target,
        *(headers.get(name, "") for name in ("x-original-url", "x-original-uri", "x-rewrite-url", "x-forwarded-uri")),
    ):
        seen = _split(given) if given else None
        if seen is not None and seen.path:
            code = "url_slash" if seen.path.rstrip("/") == path.rstrip("/") else "url_path"
            yield code, came._replace(path=seen.path)
            if seen.query != came.query:
                yield "url_path" if seen.path != path else "url_query", came._replace(path=seen.path, query=seen.query)
    for prefix in (headers.get("x-forwarded-prefix", ""), headers.get("x-script-name", "")):
        if prefix.startswith("/"):
            yield "url_path", came._replace(path=prefix.rstrip("/") + path)
    steps = path.split("/")
    for cut in range(2, min(len(steps), 5)):
        yield "url_path", came._replace(path="/" + "/".join(steps[cut:]))
    yield "url_path", came._replace(path=re.sub("/{2,}", "/", path))
    yield "url_path", came._replace(path=path.lower())


def _queries(came: _Parts, target: str) -> Iterator[tuple[str, _Parts]]:
    seen = _split(target) if target else None
    if seen is not None and seen.query is not None:
        yield "url_query", came._replace(query=seen.query)
    if came.query is None:
        yield "url_query", came._replace(query="")
        return
    yield "url_query", came._replace(query=None)
    items = came.query.split("&")
    if len(items) > MAX_PARAMETERS:
        return
    for at in range(len(items)):
        yield "url_query", came._replace(query="&".join(items[:at] + items[at + 1 :]) or None)
    for count in range(2, len(items)):
        yield "url_query", came._replace(query="&".join(items[:-count]) or None)
        yield "url_query", came._replace(query="&".join(items[count:]) or None)
    yield "url_query", came._replace(query="&".join(item for item in items if item.partition("=")[2]))
    if 1 < len(items) <= 4:
        for order in itertools.permutations(items):
            yield "url_query", came._replace(query="&".join(order))
    elif len(items) > 4:
        yield "url_query", came._replace(query="&".join(sorted(items)))


def _escapes(came: _Parts) -> Iterator[tuple[str, _Parts]]:
    for change in _PATH_ESCAPES:
        yield "url_escapes", came._replace(path=change(came.path))
    if came.query:
        for rewrite in _QUERY_ESCAPES:
            query = rewrite(came.query)
            yield "url_escapes", came._replace(query=query)
            yield "url_escapes", came._replace(path=unquote(came.path), query=query)


def _requoted(spell: Callable[[str], str], *, blanks: bool = True) -> Callable[[str], str]:
    def rewrite(query: str) -> str:
        try:
            pairs = parse_qsl(query, keep_blank_values=blanks, max_num_fields=100, errors="surrogateescape")
            return "&".join(f"{spell(name)}={spell(value)}" for name, value in pairs)
        except ValueError:
            return query

    return rewrite


_PATH_ESCAPES: tuple[Callable[[str], str], ...] = (
    unquote,
    lambda path: quote(unquote(path, errors="surrogateescape"), errors="surrogateescape"),
    lambda path: quote(unquote(path, errors="surrogateescape"), safe="/:@!$&'()*+,;=", errors="surrogateescape"),
    lambda path: _HEX.sub(lambda found: found[0].lower(), path),
    lambda path: _HEX.sub(lambda found: found[0].upper(), path),
    lambda path: path.replace("+", "%20"),
)
_QUERY_ESCAPES: tuple[Callable[[str], str], ...] = (
    lambda query: query.replace("+", "%20"),
    lambda query: query.replace("%20", "+"),
    unquote,
    lambda query: unquote(query.replace("+", " ")),
    _requoted(lambda text: quote_plus(text, errors="surrogateescape")),
    _requoted(lambda text: quote(text, safe="", errors="surrogateescape")),
    _requoted(lambda text: quote(text, safe="/:@!$'()*,;?", errors="surrogateescape")),
    _requoted(lambda text: quote(text, safe="!'()*", errors="surrogateescape")),
    lambda query: _HEX.sub(lambda found: found[0].lower(), query),
    lambda query: _HEX.sub(lambda found: found[0].upper(), query),
    lambda query: query.replace("&amp;", "&"),
    lambda query: query.replace("[", "%5B").replace("]", "%5D"),
)
