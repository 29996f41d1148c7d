"""The page as a function from a request of no framework to a reply, written once as coroutines."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hookguard.errors import StoreError
from hookguard.inbox.contract import Entry, EntryState
from hookguard.page import draw
from hookguard.page.door import Door, Visitor, same_site, visitor
from hookguard.page.draw import LONGEST_REASON, SHORTEST_REASON, SPANS, Frame
from hookguard.page.look import MOST, Call, EntryFilter, InboxReader
from hookguard.page.opened import EndpointFacts, Provenance, open_entry, provenance
from hookguard.page.records import RecordFilter, RecordReader
from hookguard.privacy.shown import printable
from hookguard.record import Record
from hookguard.reply import Reply

__all__ = ["HEADERS", "LARGEST_FORM", "Page", "PageRequest"]

_log = logging.getLogger("hookguard.inbox")

#: On every answer, also of an error.
HEADERS: Final = (
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)

#: Bytes of a form.
LARGEST_FORM: Final = 64 * 1024

_HTML = "text/html; charset=utf-8"

_KEY = re.compile(r"[0-9a-f]{64}(\..{1,64})?")

_STYLE = Path(__file__).with_name("style.css").read_bytes()


@dataclass(frozen=True, slots=True, repr=False)
class PageRequest(Record):
    """A request to the page. Its ``repr`` shows no header and no form: a cookie signs a person in."""

    method: str
    base: str  #: the path that the page is mounted at, quoted, without a slash at the end
    path: str  #: the rest of the path, decoded, without a slash at the beginning
    query: Mapping[str, str]
    form: Mapping[str, str]
    headers: Mapping[str, str]  #: with names in lower case

    def __repr__(self) -> str:
        return f"PageRequest({self.method!r}, {self.base!r}, {self.path!r})"


class _Ended(Exception):
    """The request ends with this status, because of what the text says."""

    def __init__(self, status: int, title: str, text: str) -> None:
        super().__init__(text)
        self.status, self.title = status, title


class Page:
    """The page over one inbox. ``endpoints`` has the endpoints with an inbox; ``records`` calls the store's evidence, if any."""

    def __init__(self, call: Call, door: Door, endpoints: Mapping[str, EndpointFacts], records: Call | None = None) -> None:
        self._look = InboxReader(call)
        self._rejections = RecordReader(records) if records is not None else None
        self._door = door
        self._endpoints = endpoints

    async def answer(self, asked: PageRequest, allowed: object, *, records: bool = True) -> Reply:
        """Return the reply to a request; ``allowed`` is the answer of ``allow``, and None is answered 404.

        ``records``: whether this visitor may see the records of rejected deliveries.

        Raises ConfigurationError if ``allow`` returned something else than None or a name with a set of words.
        """
        who = visitor(allowed)
        if who is None:
            return nobody()
        frame = Frame(asked.base, who, time.time(), records and self._rejections is not None)
        try:
            status, kind, body = await self._answer(frame, asked)
        except _Ended as ended:
            status, kind, body = ended.status, _HTML, draw.message(frame, ended.title, str(ended))
        except StoreError as error:
            _log.error("the page could not read the inbox: %s", printable(str(error)))
            text = "The store could not answer. The log has the reason. Nothing was changed."
            status, kind, body = 503, _HTML, draw.message(frame, "The store is down", text)
        return Reply(status, (("Content-Type", kind), *HEADERS), b"" if asked.method == "HEAD" else body)

    async def _answer(self, frame: Frame, asked: PageRequest) -> tuple[int, str, bytes]:
        posts = asked.method == "POST"
        if not posts and asked.method not in ("GET", "HEAD"):
            raise _Ended(405, "Not possible", "The page takes GET and POST.")
        place, _, rest = asked.path.partition("/")
        if place == "entry" and rest:
            key, _, action = rest.rpartition("/") if posts else (rest, "", "")
            return 200, _HTML, await self._entry(frame, asked, key, action)
        if place == "rerun" and not rest:
            return 200, _HTML, await (self._rerun_these(frame, asked) if posts else self._preview(frame, asked))
        if not posts and not rest:
            if place == "":
                rejected = await self._rejections.hours(frame.now) if self._rejections is not None and frame.records else None
                return 200, _HTML, draw.overview(frame, await self._look.overview(frame.now), rejected)
            if place == "entries":
                wanted, span = _wanted(asked.query, frame.now)
                return 200, _HTML, draw.listing(frame, wanted, span, await self._look.listing(wanted))
            if place == "rejected" and self._rejections is not None and frame.records:
                sought, span = _sought(asked.query, frame.now)
                return 200, _HTML, draw.rejections(frame, sought, span, await self._rejections.listing(sought))
            if place == "style.css":
                return 200, "text/css; charset=utf-8", _STYLE
        raise _Ended(404, "Not found", "Nothing is here.")

    # --- one entry

    async def _entry(self, frame: Frame, asked: PageRequest, key: str, action: str) -> bytes:
        if not _KEY.fullmatch(key) or action not in ("", "body", "rerun", "drop"):
            raise _Ended(404, "Not found", "Nothing is here.")
        if action:
            self._check(frame.visitor, asked, "open" if action == "body" else action, f"{action} {key}")
        if action == "drop":
            # The page of an entry that is gone could not be drawn any more.
            return await self._drop(frame, asked, key)
        if action == "rerun" and (reason := _reason(asked.form)) is not None:
            count = await self._look.rerun([key], reason, frame.visitor.name)
            return _changed(frame, count, 1, "due again", back=f"entry/{key}")
        found = await self._need(key)
        return await self._draw(frame, found, opens=action == "body", wrong=_WHY if action == "rerun" else "")

    async def _drop(self, frame: Frame, asked: PageRequest, key: str) -> bytes:
        if (reason := _reason(asked.form)) is None:
            return await self._draw(frame, await self._need(key), wrong=_WHY)
        count = await self._look.drop([key], reason, frame.visitor.name)
        return _changed(frame, count, 1, "deleted")

    async def _draw(self, frame: Frame, found: Entry, *, opens: bool = False, wrong: str = "") -> bytes:
        def token(action: str) -> str:
            return self._door.token(frame.visitor, action)

        kept = await self._look.kept(found.key)
        if kept is None:
            raise _Ended(404, "Gone", "The entry is gone by now.")
        if opens:
            # WARNING, so that it is logged where nobody configured the log.
            _log.warning("the body of the inbox entry %s was shown to %s", found.key, frame.visitor.name)
        opened = open_entry(kept, self._endpoints) if opens else None
        proof: Provenance = provenance(kept, self._endpoints)
        return draw.entry(frame, found, proof, token, opened, wrong)

    async def _need(self, key: str) -> Entry:
        found = await self._look.entry(key)
        if found is None:
            raise _Ended(404, "Not found", "The inbox has no such entry: it was dropped, or kept for long enough.")
        return found

    # --- many entries

    async def _preview(self, frame: Frame, asked: PageRequest, wrong: str = "") -> bytes:
        if "rerun" not in frame.visitor.may:
            raise _Ended(403, "Not allowed", "You may not rerun entries.")
        wanted, _ = _wanted(asked.query, frame.now)
        found = (await self._look.dead(wanted))[:MOST]
        fields: dict[str, str] = {}
        if found:
            # The newest of those that were counted: an entry that dies from now on is not among them.
            latest = max(each.changed_at for each in found)
            oldest = min(each.changed_at for each in found)
            fields = {
                "endpoint": wanted.endpoint or "",
                "type": wanted.type or "",
                "earliest": repr(oldest),
                "latest": repr(latest),
                "number": str(len(found)),
            }
        return draw.preview(frame, found, fields, self._door.token(frame.visitor, _these(fields)), wrong)

    async def _rerun_these(self, frame: Frame, asked: PageRequest) -> bytes:
        fields = {name: asked.form.get(name, "") for name in ("endpoint", "type", "earliest", "latest", "number")}
        self._check(frame.visitor, asked, "rerun", _these(fields))
        # The page signed the fields, so they are as it wrote them.
        earliest, latest = float(fields["earliest"]), float(fields["latest"])
        wanted = EntryFilter(fields["endpoint"] or None, EntryState.DEAD, fields["type"] or None, earliest, latest)
        found = (await self._look.dead(wanted))[: int(fields["number"])]
        if (reason := _reason(asked.form)) is None:
            return draw.preview(frame, found, fields, self._door.token(frame.visitor, _these(fields)), _WHY)
        keys = [entry.key for entry in reversed(found)]  # the oldest first
        count = await self._look.rerun(keys, reason, frame.visitor.name) if keys else 0
        return _changed(frame, count, len(keys), "due again")

    def _check(self, who: Visitor, asked: PageRequest, may: str, action: str) -> None:
        """End the request unless the visitor may do this, and the form is one of this page, made for it."""
        if may not in who.may:
            raise _Ended(403, "Not allowed", f"You may not do this: it needs {may!r}.")
        if not same_site(asked.headers):
            _log.warning("a form from another site was rejected, which %s had opened", who.name)
            raise _Ended(403, "Not allowed", "The form came from another site.")
        if not self._door.admits(who, action, asked.form.get("token", "")):
            raise _Ended(403, "Not allowed", "The form is not valid any more. Load the page and try again.")


_WHY: Final = f"Give a reason of {SHORTEST_REASON} to {LONGEST_REASON} characters. Nothing was changed."


def nobody() -> Reply:
    """Return the reply to a person whom ``allow`` did not let in: the page does not say that it is there."""
    return Reply.text(404, "Not Found", *HEADERS)


def _reason(form: Mapping[str, str]) -> str | None:
    """Return the reason, safe to log and to show; None if it is missing, too short or too long."""
    reason = form.get("reason", "").strip()
    return printable(reason) if SHORTEST_REASON <= len(reason) <= LONGEST_REASON else None


def _these(fields: Mapping[str, str]) -> str:
    """Return the action of a rerun of many, for its token."""
    return f"rerun these {json.dumps(dict(fields), sort_keys=True)}"


def _wanted(query: Mapping[str, str], now: float) -> tuple[EntryFilter, str]:
    """Return the filter of a query, and the choice of its age. Anything that is not a choice is left out."""
    state = query.get("state", "").upper()
    chosen = EntryState[state] if state in EntryState.__members__ else None
    span, since = _since(query, now)
    return EntryFilter(_text(query, "endpoint"), chosen, _text(query, "type"), since or 0.0, None, _after(query)), span


def _sought(query: Mapping[str, str], now: float) -> tuple[RecordFilter, str]:
    """Return the filter of rejected deliveries, and the choice of its age."""
    span, since = _since(query, now)
    return RecordFilter(_text(query, "endpoint"), _text(query, "cause"), since, _after(query)), span


def _text(query: Mapping[str, str], name: str) -> str | None:
    return query.get(name, "").strip()[:255] or None


def _since(query: Mapping[str, str], now: float) -> tuple[str, float | None]:
    span = query.get("since", "")
    return (span, now - SPANS[span]) if span in SPANS else ("", None)


def _after(query: Mapping[str, str]) -> int | None:
    after = query.get("after", "")
    return int(after) if after.isascii() and after.isdecimal() and len(after) < 19 else None


def _changed(frame: Frame, count: int, of: int, what: str, back: str = "entries") -> bytes:
    others = "is held by a worker, waits for its next try, or is not kept any more."
    if not count:
        texts = [f"{'The entry' if of == 1 else 'Each entry'} {others}"]
    else:
        texts = [f"{count:,} of {of:,} {'entry is' if of == 1 else 'entries are'} {what}."]
        texts += [f"Each of the others {others}"] if count < of else []
    return draw.message(frame, "Done" if count else "Nothing was changed", *texts, back=(back, "Go on"))
