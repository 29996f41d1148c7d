"""HTML made of tags: every text is escaped and freed of unprintable characters, unless it is HTML already."""

from __future__ import annotations

import html
from datetime import datetime, timezone
from typing import Union

from hookguard.privacy.shown import printable

__all__ = ["Child", "Html", "duration", "join", "lines", "tag", "when"]


class Html(str):
    """Text that is HTML. Any other text is escaped when it is put into a tag."""

    __slots__ = ()


Child = Union[str, int, None]

#: Elements without an end. Those of SVG need one.
_EMPTY = frozenset(("input", "link", "meta"))


def tag(name: str, /, *children: Child, **attributes: Union[str, int, bool, None]) -> Html:
    """Return an element. ``class_`` is the attribute class, ``aria_label`` is aria-label; None and False leave one out."""
    found = []
    for key, value in attributes.items():
        if value is not None and value is not False:
            written = key.rstrip("_").replace("_", "-")
            found.append(f" {written}" if value is True else f' {written}="{_escaped(str(value))}"')
    start = f"<{name}{''.join(found)}>"
    return Html(start if name in _EMPTY else f"{start}{join(*children)}</{name}>")


def join(*children: Child) -> Html:
    """Return the children, one after the other."""
    return Html("".join(each if isinstance(each, Html) else _escaped(str(each)) for each in children if each is not None))


def lines(text: str) -> Html:
    """Return a text of several lines."""
    return Html("\n".join(_escaped(line) for line in text.split("\n")))


def when(seconds: float, now: float) -> Html:
    """Return an instant with its distance from now, as in "2026-11-30 14:05:00 UTC (3 min ago)"."""
    instant = datetime.fromtimestamp(seconds, timezone.utc)
    apart = duration(abs(now - seconds))
    distance = f"{apart} ago" if seconds <= now else f"in {apart}"
    return tag("time", f"{instant:%Y-%m-%d %H:%M:%S} UTC ({distance})", datetime=f"{instant:%Y-%m-%dT%H:%M:%SZ}")


def duration(seconds: float) -> str:
    """Return a span of time in its largest unit."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def _escaped(text: str) -> str:
    # Direction marks could turn a line around, so that it reads as another one.
    return html.escape(printable(text))
