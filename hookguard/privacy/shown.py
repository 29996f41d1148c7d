"""Text from the network, made safe to show: in log lines, error messages, metrics and ``repr``."""

from __future__ import annotations

import re

__all__ = ["printable", "shown_query", "shown_url", "without_user"]

_USER = re.compile(r"\A([A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*@")
_VALUE = re.compile(r"=[^&;#]*")


def printable(text: str) -> str:
    r"""Return the text with unprintable characters escaped: a line break as ``\n``.

    Terminals obey control characters, and a line break would start a log line that the sender wrote.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def shown_url(url: str) -> str:
    """Return a URL without user, password, the query's values and the fragment, which may be secret.

    The names of the parameters stay, in their order: they help to find a wrong URL.
    """
    whole, mark, query = url.partition("#")[0].partition("?")
    place = _USER.sub(lambda found: f"{found[1] or ''}//…@", whole, count=1)
    return printable(f"{place}{mark}{shown_query(query)}")


def without_user(url: str) -> str:
    """Return a URL without user and password; the rest stays as it is."""
    return _USER.sub(lambda found: f"{found[1] or ''}//", url, count=1)


def shown_query(query: str) -> str:
    """Return a URL's query without its values, which may be secret."""
    # Without an "=", the query may be a token.
    return _VALUE.sub("=…", query) if "=" in query else "…" if query else ""
