"""The pages as HTML: one function for each, from what is shown to its bytes. No script, no inline style."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode

from hookguard.autopsy.finding import CAUSES
from hookguard.evidence.contract import DeliveryRecord
from hookguard.inbox.contract import Entry, EntryState, entry_key
from hookguard.page.chart import chart, rejected_chart
from hookguard.page.door import Visitor
from hookguard.page.html import Child, Html, duration, lines, tag, when
from hookguard.page.look import MOST, EntryFilter, EntryListing, LaneRow, Overview
from hookguard.page.opened import OpenedEntry, Provenance
from hookguard.page.records import RecordFilter, RecordListing, RejectedHours

__all__ = [
    "LONGEST_REASON",
    "SHORTEST_REASON",
    "SPANS",
    "Frame",
    "entry",
    "listing",
    "message",
    "overview",
    "preview",
    "rejections",
]

#: Letters of a reason.
SHORTEST_REASON: Final = 3
LONGEST_REASON: Final = 500

#: The choices of the filter by age, in seconds.
SPANS: Final = {"1h": 3600, "24h": 86_400, "7d": 604_800, "30d": 2_592_000}

#: Characters of a key, and of a reason in a list.
_KEY: Final = 12
_REASON: Final = 100

#: Makes the token of a form for an action.
Token = Callable[[str], str]

_STATES: Final = {state.name.lower(): state for state in EntryState}


class Frame(NamedTuple):
    """The facts around every page: where the page is mounted, the visitor, and the time."""

    base: str  #: the path, without a slash at the end
    visitor: Visitor
    now: float
    records: bool = False  #: whether there is a page of rejected deliveries

    def link(self, path: str, text: Child, **attributes: str | None) -> Html:
        """Return a link to another page."""
        return tag("a", text, href=f"{self.base}/{path}", **attributes)

    def page(self, title: str, *main: Child) -> bytes:
        """Return the whole page."""
        head = tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="color-scheme", content="light dark"),
            tag("title", f"{title} · hookguard"),
            tag("link", rel="stylesheet", href=f"{self.base}/style.css"),
        )
        links = [("", "Overview"), ("entries", "Entries"), ("entries?state=dead", "Dead")]
        links += [("rejected", "Rejected")] if self.records else []
        body = tag(
            "body",
            tag("a", "Skip to the content", href="#main", class_="skip"),
            tag(
                "header",
                tag("nav", tag("ul", *(tag("li", self.link(*each)) for each in links)), aria_label="Pages"),
                tag("p", f"signed in as {self.visitor.name}", class_="who"),
            ),
            tag("main", tag("h1", title), *main, id="main", tabindex=-1),
        )
        return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n".encode()


def overview(frame: Frame, found: Overview, rejected: RejectedHours | None) -> bytes:
    """The first page: a row for each endpoint and part, and the charts."""
    head = ("endpoint", "waiting", "oldest due for", "held", "dead", "done and kept")
    rows = [_lane_row(frame, row) for row in found.rows]
    table = _table("Entries of each endpoint", head, rows) if rows else tag("p", "The inbox is empty.")
    charts = [tag("h2", "The last day"), chart(found.hours, complete=found.complete)]
    if rejected is not None:
        charts += [tag("h2", "Rejected in the last day"), rejected_chart(rejected.hours, complete=rejected.complete)]
    return frame.page("Inbox", table, *charts)


def _lane_row(frame: Frame, row: LaneRow) -> list[Child]:
    endpoint, part = row.lane

    def number(state: EntryState) -> Child:
        count = row.numbers.get(state, 0)
        these = urlencode({"endpoint": endpoint, "state": state.name.lower()})
        return frame.link(f"entries?{these}", f"{count:,}") if count else 0

    oldest = duration(row.overdue) if row.numbers.get(EntryState.WAITING) else ""
    name = f"{endpoint} → {part}" if part else endpoint
    waiting, held, done, dead = map(number, EntryState)
    return [name, waiting, oldest, held, dead, done]


def listing(frame: Frame, wanted: EntryFilter, span: str, found: EntryListing) -> bytes:
    """The newest entries that a filter takes: never a body."""
    title = f"{wanted.state.name.capitalize()} entries" if wanted.state is not None else "Entries"
    head = ("event", "state", "endpoint", "type", "received", "in this state since", "attempts", "reason")
    rows = [_entry_row(frame, each) for each in found.entries]
    more = []
    if found.after is not None:
        older = urlencode({**_query(wanted, span), "after": found.after})
        more.append(tag("p", frame.link(f"entries?{older}", "Older entries", rel="next")))
    if wanted.state is EntryState.DEAD and found.entries and "rerun" in frame.visitor.may:
        these = urlencode({name: value for name, value in _query(wanted, span).items() if name != "state"})
        more.append(tag("p", frame.link(f"rerun?{these}", "Rerun the dead entries of this filter …")))
    table = _table(title, head, rows) if rows else tag("p", "No entry is here." if found.after is None else "Older ones only.")
    return frame.page(title, _filter(frame, wanted, span), table, *more)


def _entry_row(frame: Frame, entry: Entry) -> list[Child]:
    reason = entry.reason if _is_failed(entry) else ""
    reason = reason if len(reason) <= _REASON else f"{reason[:_REASON]}…"
    state = entry.state.name.lower()
    return [
        frame.link(f"entry/{quote(entry.key, safe='')}", entry.event_id or entry.key[:_KEY]),
        tag("span", state, class_=f"state {state}"),
        _place(entry),
        entry.event_type,
        when(entry.received_at, frame.now),
        when(entry.changed_at, frame.now),
        _attempts(entry),
        reason,
    ]


def _filter(frame: Frame, wanted: EntryFilter, span: str) -> Html:
    return _search(
        frame,
        "entries",
        _choice("state", "State", ["", *_STATES], wanted.state.name.lower() if wanted.state is not None else ""),
        _choice("since", "In this state for at most", ["", *SPANS], span),
        _text("endpoint", "Endpoint", wanted.endpoint or "", maxlength=255),
        _text("type", "Event type", wanted.type or "", maxlength=255),
    )


def _search(frame: Frame, path: str, *fields: Html) -> Html:
    attributes = {"method": "get", "action": f"{frame.base}/{path}", "class_": "filter", "role": "search", "aria_label": "Filter"}
    return tag("form", *fields, tag("button", "Filter"), **attributes)


def rejections(frame: Frame, sought: RecordFilter, span: str, found: RecordListing) -> bytes:
    """The newest rejected deliveries that a filter takes: never a body, nor the value of a header."""
    fields = (
        _choice("since", "In the last", ["", *SPANS], span),
        _text("endpoint", "Endpoint", sought.endpoint or "", maxlength=255),
        _text("cause", "Cause or reason", sought.cause or "", maxlength=80),
    )
    head = ("delivery", "when", "endpoint", "status", "reason", "cause", "type", "bytes")
    rows = [_rejected_row(frame, record) for record in found.records]
    more = []
    if found.after is not None:
        every = {"endpoint": sought.endpoint, "cause": sought.cause, "since": span, "after": found.after}
        older = urlencode({name: value for name, value in every.items() if value})
        more.append(tag("p", frame.link(f"rejected?{older}", "Older deliveries", rel="next")))
    table = _table("Rejected deliveries", head, rows) if rows else tag("p", "No rejected delivery is recorded here.")
    note = "Anybody may have sent them: their types were not verified."
    return frame.page("Rejected deliveries", _search(frame, "rejected", *fields), tag("p", note), table, *more, *_causes(found))


def _rejected_row(frame: Frame, record: DeliveryRecord) -> list[Child]:
    cause = ", ".join(f"{finding.code} ({finding.kind})" for finding in record.findings)
    status = "" if record.status is None else str(record.status)
    size = "" if record.size is None else f"{record.size:,}"
    return [record.mark, when(record.at, frame.now), record.endpoint, status, record.reason_code, cause, record.event_type, size]


def _causes(found: RecordListing) -> list[Html]:
    """A table of the causes in the list, each with its meaning and the next step: a record has its code only."""
    codes = dict.fromkeys(finding.code for record in found.records for finding in record.findings)
    rows: list[list[Child]] = [[code, CAUSES[code].sentence, CAUSES[code].todo] for code in codes if code in CAUSES]
    return [_table("Causes", ("cause", "means", "do this"), rows)] if rows else []


def entry(
    frame: Frame, found: Entry, proof: Provenance, token: Token, opened: OpenedEntry | None = None, wrong: str = ""
) -> bytes:
    """One entry: its facts, how it was verified, the actions that the visitor may take, and its body after a click."""
    facts: list[tuple[str, Child]] = [
        ("event", found.event_id or "without an id"),
        ("type", found.event_type or "without a type"),
        ("state", tag("span", found.state.name.lower(), class_=f"state {found.state.name.lower()}")),
        ("endpoint", _place(found)),
        ("attempts", _attempts(found)),
        (_reason_name(found), found.reason or "none"),
        ("received", when(found.received_at, frame.now)),
        ("in this state since", when(found.changed_at, frame.now)),
    ]
    if found.due_at is not None:
        facts.append(("held until" if found.state is EntryState.HELD else "due", when(found.due_at, frame.now)))
    facts += [("body", f"{found.size:,} bytes"), ("scope", found.scope), ("key", found.key)]
    parts: list[Child] = [tag("p", wrong, class_="wrong", role="alert")] if wrong else []
    parts += [_facts(facts), tag("h2", "How it was verified"), _facts(list(proof.facts(frame.now)))]
    if opened is not None:
        parts += [tag("h2", "The delivery"), *_opened(opened)]
    if actions := _actions(frame, found, token, with_body=opened is None):
        parts += [tag("h2", "Actions"), *actions]
    return frame.page(f"Entry {entry_key(found.key[:_KEY], found.lane.part)}", *parts)


def _actions(frame: Frame, entry: Entry, token: Token, *, with_body: bool) -> list[Html]:
    path = f"entry/{quote(entry.key, safe='')}"
    actions = []
    may, state = frame.visitor.may, entry.state
    if "open" in may and with_body:
        note = tag("p", "Your name and the key are written to the log.")
        actions.append(_form(frame, f"{path}/body", token(f"body {entry.key}"), note, tag("button", "Show the body")))
    if "rerun" in may and state in (EntryState.DONE, EntryState.DEAD):
        note = tag("p", "It is due again now, with all of its tries.")
        fields = (note, _reason("rerun"), tag("button", "Rerun"))
        actions.append(_form(frame, f"{path}/rerun", token(f"rerun {entry.key}"), *fields))
    if "drop" in may and state is not EntryState.HELD:
        note = tag("p", "It is deleted for good. Its event is still known: if the provider sends it again, it is a duplicate.")
        fields = (note, _reason("drop"), tag("button", "Drop", class_="danger"))
        actions.append(_form(frame, f"{path}/drop", token(f"drop {entry.key}"), *fields))
    return actions


def _opened(opened: OpenedEntry) -> list[Child]:
    shown: list[Child] = []
    for title, text in opened.parts:
        shown += [tag("h3", title), tag("pre", lines(text), tabindex=0, role="region", aria_label=title)]
    return shown


def preview(frame: Frame, found: Sequence[Entry], fields: dict[str, str], token: str, wrong: str = "") -> bytes:
    """The number of dead entries that a rerun would take, and the form that asks for the reason."""
    if not found:
        return frame.page("Rerun", tag("p", "No dead entry fits the filter."))
    number = f"{len(found):,} dead {'entry' if len(found) == 1 else 'entries'}"
    lanes: dict[str, int] = {}
    for each in found:
        lanes[_place(each)] = lanes.get(_place(each), 0) + 1
    table = _table("Of these endpoints", ("endpoint", "entries"), [[name, f"{count:,}"] for name, count in sorted(lanes.items())])
    note = "They are due again now, with all of their tries."
    if len(found) == MOST:
        note += f" {MOST:,} is the most at a time: the newest of the filter."
    hidden = [tag("input", type="hidden", name=name, value=value) for name, value in fields.items()]
    form = _form(frame, "rerun", token, *hidden, _reason("rerun"), tag("button", f"Rerun {number}"))
    said = tag("p", wrong, class_="wrong", role="alert") if wrong else None
    return frame.page(f"Rerun {number}", said, tag("p", note), table, form)


def message(frame: Frame, title: str, *texts: str, back: tuple[str, str] = ("", "To the overview")) -> bytes:
    """A page with a few sentences, and a link to go on."""
    return frame.page(title, *(tag("p", text) for text in texts), tag("p", frame.link(*back)))


def _place(entry: Entry) -> str:
    return f"{entry.lane.endpoint} → {entry.lane.part}" if entry.lane.part else entry.lane.endpoint


def _is_failed(entry: Entry) -> bool:
    """Return whether the entry's reason is about the state that it is in now."""
    return entry.state in (EntryState.WAITING, EntryState.DEAD)


def _reason_name(entry: Entry) -> str:
    return "reason" if _is_failed(entry) else "earlier reason"


def _attempts(entry: Entry) -> str:
    return f"{entry.attempt} ({entry.crashes} crashed)" if entry.crashes else str(entry.attempt)


def _query(wanted: EntryFilter, span: str) -> dict[str, str]:
    state = wanted.state.name.lower() if wanted.state is not None else ""
    every = {"state": state, "endpoint": wanted.endpoint or "", "type": wanted.type or "", "since": span}
    return {name: value for name, value in every.items() if value}


def _facts(facts: list[tuple[str, Child]]) -> Html:
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts))


def _table(caption: str, head: Sequence[str], rows: list[list[Child]]) -> Html:
    """A table whose rows are blocks on a narrow screen. The roles are named, because such a style takes them from the tags."""
    titles = [tag("th", name, scope="col", role="columnheader") for name in head]
    body = []
    for first, *others in rows:
        cells = [tag("th", first, scope="row", role="rowheader")]
        cells += [tag("td", value, role="cell", data_label=name) for name, value in zip(head[1:], others, strict=True)]
        body.append(tag("tr", *cells, role="row"))
    return tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", *titles, role="row"), role="rowgroup"),
        tag("tbody", *body, role="rowgroup"),
        role="table",
    )


def _form(frame: Frame, path: str, token: str, *fields: Child) -> Html:
    signed = tag("input", type="hidden", name="token", value=token)
    return tag("form", signed, *fields, method="post", action=f"{frame.base}/{path}", class_="action")


def _reason(action: str) -> Html:
    return _text(
        "reason",
        "Why? It is stored and logged." if action == "rerun" else "Why? It is logged.",
        "",
        name_of=f"{action}-reason",
        required=True,
        minlength=SHORTEST_REASON,
        maxlength=LONGEST_REASON,
        autocomplete="off",
    )


def _text(name: str, label: str, value: str, name_of: str = "", **attributes: str | int | bool) -> Html:
    id_ = name_of or name
    return tag("p", tag("label", label, for_=id_), tag("input", type="text", id=id_, name=name, value=value, **attributes))


def _choice(name: str, label: str, choices: Sequence[str], chosen: str) -> Html:
    options = (tag("option", each or "any", value=each, selected=each == chosen) for each in choices)
    return tag("p", tag("label", label, for_=name), tag("select", *options, id=name, name=name))
