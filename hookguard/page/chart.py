"""The charts of the page, as SVG made on the server: entries done and dead in each hour; deliveries rejected in each hour."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Final

from hookguard.evidence.contract import HOURLY
from hookguard.page.html import Child, Html, join, tag
from hookguard.page.look import COUNTED, Hour

__all__ = ["chart", "rejected_chart"]

#: In units of the picture, which is as wide as the page.
_BAR: Final = 20
_HEIGHT: Final = 96
_TEXT: Final = 20


def chart(hours: Sequence[Hour], *, complete: bool) -> Html:
    """Return the figure: done entries above the line, dead ones below it. The caption has the numbers, as text."""
    done, dead = sum(hour.done for hour in hours), sum(hour.dead for hour in hours)
    above = max(hour.done for hour in hours)
    title = f"Entries per hour in the last {len(hours)} hours: {done:,} done, at most {above:,} in an hour, and {dead:,} dead"
    key = (tag("span", "Done", class_="key done"), " is above the line, ", tag("span", "dead", class_="key dead"), " below. ")
    among = "Counted are the entries that the inbox still keeps" + (
        "." if complete else f", and of each state only the {COUNTED:,} that were stored last."
    )
    return _figure(hours, title, *key, f"{title}. {among} Hours are UTC.")


def rejected_chart(hours: Sequence[Hour], *, complete: bool) -> Html:
    """Return the figure of rejected deliveries."""
    number, highest = sum(hour.dead for hour in hours), max(hour.dead for hour in hours)
    title = f"Rejected deliveries per hour in the last {len(hours)} hours: {number:,}, at most {highest:,} in an hour"
    among = f"Of each endpoint at most {HOURLY} in an hour are recorded." + ("" if complete else " Only the newest are counted.")
    return _figure(
        [hour._replace(done=hour.dead, dead=0) for hour in hours], title, f"{title}. {among} Hours are UTC.", rejected=True
    )


def _figure(hours: Sequence[Hour], title: str, *caption: Child, rejected: bool = False) -> Html:
    above, below = max(hour.done for hour in hours), max(hour.dead for hour in hours)
    scale = _HEIGHT / max(1, above + below)
    ground = round(above * scale) if above or below else _HEIGHT
    bars = [_bar(number, hour, ground, scale) for number, hour in enumerate(hours)]
    marks = [_mark(number, hour) for number, hour in enumerate(hours) if number % 6 == 0]
    width = _BAR * len(hours)
    line = tag("line", x1=0, x2=width, y1=ground, y2=ground, class_="ground")
    picture = tag("svg", *bars, line, *marks, role="img", aria_label=title, viewBox=f"0 0 {width} {_HEIGHT + _TEXT}")
    return tag("figure", picture, tag("figcaption", *caption), class_="rejected" if rejected else None)


def _bar(number: int, hour: Hour, ground: int, scale: float) -> Html:
    x = number * _BAR + 2
    # One dead entry among thousands is a unit high.
    up, down = (max(1, round(count * scale)) if count else 0 for count in (hour.done, hour.dead))
    return join(
        tag("rect", x=x, y=ground - up, width=_BAR - 4, height=up, class_="done") if up else None,
        tag("rect", x=x, y=ground, width=_BAR - 4, height=down, class_="dead") if down else None,
    )


def _mark(number: int, hour: Hour) -> Html:
    text = f"{datetime.fromtimestamp(hour.begins, timezone.utc):%H:%M}"
    return tag("text", text, x=number * _BAR + 2, y=_HEIGHT + _TEXT - 4)
