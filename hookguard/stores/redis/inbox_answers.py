"""Reads the answers of the inbox's scripts. Does no input or output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote

from hookguard.inbox.contract import CRASHES, Count, Entry, EntryState, Held, Kept, Lane, Put, PutStatus, split_key
from hookguard.store import StoreKey

__all__ = ["Answers", "lane_name"]


def lane_name(lane: Lane) -> str:
    """Return a lane as the scripts name it. Both parts are escaped, so that no two lanes share a name."""
    return ":".join(quote(part, safe="", errors="surrogatepass") for part in lane)


def _lane(name: bytes) -> Lane:
    endpoint, part = name.decode().split(":")
    return Lane(unquote(endpoint, errors="surrogatepass"), unquote(part, errors="surrogatepass"))


class Answers:
    """Reads the answers. ``event`` returns the event of a claim's name."""

    def __init__(self, event: Callable[[bytes], StoreKey]) -> None:
        self._event = event

    def puts(self, rows: list[Any]) -> list[Put]:
        """Return the answers of a put."""
        return [Put(PutStatus(status), same == 1, left / 1e6) for status, same, left in rows]

    def taken(self, rows: list[Any]) -> list[Held]:
        """Return the answers of a take: those that died first, without a token."""
        died, held = rows
        return [*(replace(self._held(row), crashes=CRASHES) for row in died), *map(self._held, held)]

    def first(self, rows: list[Any]) -> Held | None:
        """Return the only entry of an answer; None for an empty answer."""
        return self._held(rows[0]) if rows else None

    def counts(self, rows: list[Any]) -> list[Count]:
        """Return the counts."""
        now, *counts = rows
        return [
            Count(
                _lane(lane),
                EntryState(state),
                number,
                _seconds(oldest) if oldest else None,
                max(0.0, _seconds(now) - _seconds(oldest)) if oldest else 0.0,
            )
            for lane, state, number, oldest in counts
        ]

    def page(self, rows: list[Any]) -> tuple[int, list[Entry]]:
        """Return the number before which the next page begins (0 for the last page), and the entries of this one."""
        last, *entries = rows
        return last, [self._entry(row) for row in entries]

    def _held(self, row: list[Any]) -> Held:
        key, claim, lane, event_type, token, attempt, crashes, received, retention, line, head, body, content = row
        where, named = _lane(lane), _text(key)
        kept = Kept(
            key=self._event(claim),
            endpoint=where.endpoint,
            event_type=_text(event_type),
            head=_text(head),
            body=body,
            content=content,
            retention=_seconds(retention),
            line=None if line is None else line.decode(),
            parts=(split_key(named)[1],),
        )
        return Held(
            key=named,
            lane=where,
            token=token or b"",
            attempt=int(attempt),
            crashes=int(crashes),
            received_at=_seconds(received),
            kept=kept,
        )

    def _entry(self, row: list[Any]) -> Entry:
        key, seq, lane, state, claim, event_type, attempt, crashes, received, changed, at, reason, size = row
        event, known = self._event(claim), EntryState(int(state))
        return Entry(
            key=_text(key),
            seq=int(seq),
            lane=_lane(lane),
            state=known,
            scope=event.scope,
            event_id=event.id,
            event_type=_text(event_type),
            attempt=int(attempt),
            crashes=int(crashes),
            received_at=_seconds(received),
            changed_at=_seconds(changed),
            due_at=_seconds(at) if known in (EntryState.WAITING, EntryState.HELD) else None,
            reason=_text(reason or b""),
            size=size,
        )


def _seconds(microseconds: bytes) -> float:
    return int(microseconds) / 1e6


def _text(given: bytes) -> str:
    return given.decode("utf-8", "surrogatepass")
