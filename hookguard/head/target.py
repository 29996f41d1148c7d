"""The target of a delivery: the only module that splits a URL, and compares it with the path that the framework routed.

All code that signs or parses a URL uses it, so that no two readings differ. A URL that a framework could read differently is
rejected.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, unquote_plus

from hookguard.errors import MalformedDelivery
from hookguard.privacy.shown import shown_url

__all__ = ["MAX_QUERY", "Target", "add_to_query", "check_routed", "host_of", "put_parameter", "split_target"]

#: Longest query that is read, and the parameters it may have.
MAX_QUERY = 8192
MAX_PARAMETERS = 100

_URL = re.compile(r"(?P<origin>[A-Za-z][A-Za-z0-9+.-]*://[^/?]*)?(?P<path>(?:/[^?]*)?)(?:\?(?P<query>.*))?", re.DOTALL)
#: No sender puts these into a target. A fragment ends the URL for some parsers and not for others; some drop the rest.
#: A bare space within a query changes nothing; elsewhere it ends the target.
_NEVER = re.compile(r"[\x00-\x1f\x7f#]|\A[^?]* | \Z")
#: Spellings that some routers ignore and others do not.
_TWO_READINGS = re.compile(r"//|/\.\.?(/|\Z)|\\|[\x00-\x1f\x7f]")


def host_of(name: str, port: object) -> str:
    """Return what a Host header would say of a server, without a port that HTTP and HTTPS have by default."""
    return name if not name or port is None or str(port) in ("", "80", "443") else f"{name}:{port}"


class Target(NamedTuple):
    """A URL or a target, in three parts that make it again: nothing is decoded, and nothing is dropped."""

    origin: str  #: ``https://host:port``, or empty
    path: str  #: from the first slash, or empty
    query: str | None = None  #: the text after the first question mark; None without a question mark

    def __str__(self) -> str:
        return self.origin + self.path + ("" if self.query is None else f"?{self.query}")

    @property
    def decoded_path(self) -> str:
        """The decoded path, as frameworks route it."""
        return unquote(self.path) or "/"

    def parameters(self, errors: Literal["strict", "replace"] = "strict") -> list[tuple[str, str]]:
        """Return the query's parameters, decoded, the empty ones as well.

        MalformedDelivery if the query is longer than 8 KiB, has more than 100 parameters, or is not UTF-8 in a strict reading.
        """
        if self.query and len(self.query) > MAX_QUERY:
            raise MalformedDelivery(f"the URL's query is {len(self.query)} characters long; at most {MAX_QUERY} are read")
        try:
            return parse_qsl(self.query or "", keep_blank_values=True, errors=errors, max_num_fields=MAX_PARAMETERS)
        except ValueError:
            raise MalformedDelivery("the URL's query cannot be read") from None

    def parameter(self, name: str, errors: Literal["strict", "replace"] = "strict") -> str | None:
        """Return a parameter's value; None if it is missing or empty. MalformedDelivery if it came more than once.

        Of two values, the handler could read another than was checked.
        """
        values = [value for each, value in self.parameters(errors) if each == name]
        if len(values) > 1:
            raise MalformedDelivery(f"the URL carries {len(values)} {name!r} parameters")
        return (values[0] or None) if values else None


def split_target(url: str) -> Target:
    """Split a URL, or the target of a request, in either of its forms.

    MalformedDelivery for any other text, and for a ``#``, a control character, or a space outside of the query.
    """
    found = None if _NEVER.search(url) else _URL.fullmatch(url)
    if found is None:
        raise MalformedDelivery(f"the URL {shown_url(url)[:200]} can be read in more than one way")
    return Target(found["origin"] or "", found["path"], found["query"])


def check_routed(target: Target, routed: Collection[str]) -> None:
    """Compare the signed or looked-up path with the path that the framework routed, with and without its root path.

    MalformedDelivery if they differ, or if routers read the path in different ways. A slash at the end is ignored.
    """
    path = target.decoded_path
    if _TWO_READINGS.search(path) or path.rstrip("/") not in {each.rstrip("/") for each in routed}:
        raise MalformedDelivery(f"the path {path[:200]!r} is not the one that was routed: {min(routed)[:200]!r}")


def add_to_query(url: str, item: str) -> str:
    """Return the URL with one more item in its query."""
    target = split_target(url)
    return str(target._replace(query=item if target.query is None else f"{target.query}&{item}"))


def put_parameter(url: str, name: str, value: str) -> str:
    """Return the URL with this value of a parameter, in place of any other; the same URL if it has the value already.

    MalformedDelivery if the query cannot be read, or carries the parameter more than once.
    """
    target = split_target(url)
    came = target.parameter(name)
    if came == value:
        return url
    item = f"{quote(name, safe='')}={quote(value, safe='')}"
    others = [each for each in (target.query or "").split("&") if unquote_plus(each.partition("=")[0]) != name]
    if target.query is None or others == target.query.split("&"):
        return add_to_query(url, item)
    return str(target._replace(query="&".join([*others, item])))
