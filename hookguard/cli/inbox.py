"""``hookguard inbox STORE``: list the entries of an inbox, show one, rerun, drop and prune."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from itertools import islice
from typing import Any, TypeVar

import click

from hookguard.cli.inputs import example, json_option
from hookguard.cli.listing import (
    SPAN,
    Listing,
    instant,
    is_of_event,
    pass_opened,
    person,
    print_facts,
    print_table,
    reason_option,
    run_group,
    span,
)
from hookguard.cli.opened import opened_inbox
from hookguard.cli.store import find_store
from hookguard.inbox.contract import Count, Entry, EntryState, entry_key, split_key
from hookguard.inbox.kept import read_head

__all__ = ["inbox", "run_commands"]

F = TypeVar("F", bound=Callable[..., Any])

_STATES = {state.name.lower(): state for state in EntryState}

#: Characters of a key that a list shows, and the fewest that name an entry.
SHOWN, SHORTEST = 12, 6

#: Entries that are read at a time, and that one command may change.
PAGE, MOST = 500, 1000


@click.group(
    cls=Listing,
    epilog=example(
        "hookguard inbox sqlite:///hookguard.sqlite3",
        "hookguard inbox sqlite:///hookguard.sqlite3 --state dead --endpoint github",
        "hookguard inbox sqlite:///hookguard.sqlite3 show 4f1c2a9be0d7",
        'hookguard inbox sqlite:///hookguard.sqlite3 rerun --dead --since 2h --reason "the mail server was down"',
    ),
)
@click.argument("which", metavar="STORE")
@click.pass_context
def inbox(ctx: click.Context, which: str) -> None:
    """List the events in the inbox of STORE, a URL as in the settings or the dotted path of a store."""
    ctx.obj = lambda: ctx.with_resource(opened_inbox(find_store(which, ask_django=_ASK_DJANGO, setting="inbox")))


_ASK_DJANGO = "a Django store is made from its project's settings, so ask there: python manage.py hookguard_inbox"


def run_commands(store: Any, words: Sequence[str], name: str) -> None:
    """Run one of the commands on a store's inbox, as ``name``; ``list`` if none is named. Exits the process."""
    with opened_inbox(store) as box:
        run_group(inbox, box, words, name, "The events in the inbox.")


def _filters(command: F) -> F:
    command = click.option("--part", metavar="NAME", help="Only entries of this part: a relay's target.")(command)
    command = click.option("--type", "event_type", metavar="TYPE", help="Only events of this type.")(command)
    return click.option("--endpoint", metavar="NAME", help="Only events of this endpoint.")(command)


@inbox.command("list", epilog=example("hookguard inbox sqlite:///hookguard.sqlite3 --state waiting"))
@click.option("--state", type=click.Choice(list(_STATES)), help="Only entries in this state.")
@_filters
@click.option(
    "--event", metavar="ID", help="Only entries of this event: the provider's id. It reads all entries of the other options."
)
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="The most entries; the newest first.")
@json_option
@pass_opened
def list_entries(
    box: Any,
    state: str | None,
    endpoint: str | None,
    event_type: str | None,
    part: str | None,
    event: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List entries, the newest first: never a body."""
    counts: list[Count] = box.counts()
    chosen = _STATES[state] if state else None
    found = _find(box, chosen, endpoint, event_type, part, size=min(limit, PAGE) if event is None and part is None else PAGE)
    entries = list(islice((each for each in found if event is None or is_of_event(each.event_id, event)), limit))
    if as_json:
        click.echo(
            json.dumps({"counts": [_count_facts(count) for count in counts], "entries": list(map(_facts, entries))}, indent=2)
        )
        return
    for count in counts:
        click.echo(_count_line(count))
    if not entries:
        click.echo("no entry" if counts else "the inbox is empty")
        return
    now = time.time()
    columns = ("key", "state", "endpoint", "type", "id", "attempt", "received", "due", "reason")
    print_table(columns, (_row(entry, now) for entry in entries), folded=("id", "reason"))


@inbox.command(epilog=example("hookguard inbox sqlite:///hookguard.sqlite3 show 4f1c2a9be0d7 --body > body.json"))
@click.argument("key")
@click.option("--body", is_flag=True, help="Write the body, as it came, and nothing else.")
@json_option
@pass_opened
def show(box: Any, key: str, body: bool, as_json: bool) -> None:
    """Show an entry; its body only with --body. KEY may be the beginning of a key."""
    entry = _only(box, key)
    kept = box.open(entry.key)
    if kept is None:
        raise click.UsageError(f"the entry {entry.key} is gone by now")
    if body:
        sys.stdout.buffer.write(kept.body)
        sys.stdout.buffer.flush()
        return
    head = read_head(kept)
    facts = {**_facts(entry), "method": head.method, "target": head.target, "host": head.host, "headers": dict(head.headers)}
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    for name in ("received_at", "changed_at", "due_at"):
        facts[name] = "" if facts[name] is None else instant(facts[name])
    if entry.state is EntryState.HELD:
        facts["held_until"] = facts.pop("due_at")
    if not _is_failed(entry):
        facts["earlier_reason"] = facts.pop("reason")
    facts["size"] = f"{entry.size} bytes"
    del facts["seq"]
    headers = facts.pop("headers")
    lines = {name.replace("_", " "): str(value) for name, value in facts.items()}
    print_facts({**lines, "headers": [f"{name}: {value}" for name, value in headers.items()]})


@inbox.command(
    epilog=example(
        'hookguard inbox sqlite:///hookguard.sqlite3 rerun 4f1c2a9be0d7 --reason "the bug is mended"',
        'hookguard inbox sqlite:///hookguard.sqlite3 rerun --dead --endpoint github --since 2h --reason "the disk was full"',
    )
)
@click.argument("keys", nargs=-1)
@click.option("--dead", is_flag=True, help="Every dead entry that the options below choose, at most 1,000.")
@_filters
@click.option("--since", type=SPAN, metavar="SPAN", help="Only entries that died in this time: 30s, 10min, 2h, 3d.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@reason_option
@pass_opened
def rerun(
    box: Any,
    keys: tuple[str, ...],
    dead: bool,
    endpoint: str | None,
    event_type: str | None,
    part: str | None,
    since: float | None,
    yes: bool,
    reason: str,
) -> None:
    """Make done or dead entries due again, with fresh tries."""
    if bool(keys) == dead:
        raise click.UsageError("name the keys, or give --dead")
    chosen = [_only(box, key).key for key in keys]
    if dead:
        chosen = _dead(_find(box, EntryState.DEAD, endpoint, event_type, part), since)
        if chosen and not yes:
            click.confirm(f"rerun {len(chosen)} dead {'entry' if len(chosen) == 1 else 'entries'}?", abort=True)
    changed = box.rerun(chosen, reason=reason, by=person()) if chosen else 0
    click.echo(f"{changed} of {len(chosen)} entries are due again")
    if changed < len(chosen):
        click.echo("The others are waiting for their next try or being handled, or are not kept any more: see `show`.", err=True)
    raise SystemExit(0 if changed == len(chosen) else 1)


@inbox.command(epilog=example('hookguard inbox sqlite:///hookguard.sqlite3 drop 4f1c2a9be0d7 --reason "a test event"'))
@click.argument("keys", nargs=-1, required=True)
@reason_option
@pass_opened
def drop(box: Any, keys: tuple[str, ...], reason: str) -> None:
    """Delete entries for good. Their events are still known, so a retry of the provider is a duplicate."""
    chosen = [_only(box, key).key for key in keys]
    gone = box.drop(chosen, reason=reason, by=person())
    click.echo(f"{gone} of {len(chosen)} entries are gone" + ("" if gone == len(chosen) else "; a worker holds the rest"))
    raise SystemExit(0 if gone == len(chosen) else 1)


@inbox.command(epilog=example("hookguard inbox sqlite:///hookguard.sqlite3 prune"))
@click.option("--batch", type=click.IntRange(min=1), default=256, show_default=True, help="Entries in one transaction.")
@click.option("--pause", type=click.FloatRange(min=0), default=0.02, show_default=True, help="Seconds between two batches.")
@pass_opened
def prune(box: Any, batch: int, pause: float) -> None:
    """Delete entries that were kept long enough. Workers do it as well, a few at a time."""
    gone = 0
    while True:
        found = box.prune(limit=batch)
        gone += found
        if found < batch:
            break
        time.sleep(pause)
    click.echo(f"{gone} {'entry' if gone == 1 else 'entries'} deleted")


def _only(box: Any, key: str) -> Entry:
    """Return the entry whose key begins like this, and ends with this part if there is one."""
    start, part = split_key(key)
    if len(start) < SHORTEST:
        raise click.UsageError(f"{key!r} is too short: give at least {SHORTEST} characters of a key")
    begins: list[Entry] = box.find(key=start, limit=PAGE)
    found = [entry for entry in begins if not part or entry.lane.part == part]
    if not found:
        raise click.UsageError(f"no entry has a key that begins with {key!r}")
    if len(found) > 1 and (whole := [entry for entry in found if entry.key == key]):
        return whole[0]
    if len(found) > 1:
        ids = {split_key(entry.key)[0] for entry in found}
        advice = "give more characters" if len(ids) > 1 else f"add the part, as in {_short(found[0])}"
        raise click.UsageError(f"several keys begin with {key!r}: {advice}")
    return found[0]


def _short(entry: Entry) -> str:
    """Return an entry's key as a list shows it: its beginning, and its part."""
    return entry_key(entry.key[:SHOWN], entry.lane.part)


def _find(
    box: Any, state: EntryState | None, endpoint: str | None, event_type: str | None, part: str | None, *, size: int = PAGE
) -> Iterator[Entry]:
    """Yield entries, the newest first; so many are read at a time."""
    after: int | None = None
    while True:
        page: list[Entry] = box.find(state=state, endpoint=endpoint, type=event_type, after=after, limit=size)
        yield from (entry for entry in page if part is None or entry.lane.part == part)
        if len(page) < size:
            return
        after = page[-1].seq


def _dead(found: Iterator[Entry], since: float | None) -> list[str]:
    """Return the keys of the entries that died in this time, the oldest first."""
    earliest = time.time() - since if since is not None else 0.0
    return [entry.key for entry in islice((each for each in found if each.changed_at >= earliest), MOST)][::-1]


def _row(entry: Entry, now: float) -> list[str]:
    due = ""
    if entry.due_at is not None:
        wait = entry.due_at - now
        if entry.state is EntryState.HELD:
            due = f"held until {datetime.fromtimestamp(entry.due_at, timezone.utc):%H:%M:%S} UTC" if wait > 0 else "lease is over"
        else:
            due = f"in {span(wait)}" if wait > 0 else f"for {span(-wait)}"
    reason = entry.reason if _is_failed(entry) else ""
    age, state = f"{span(now - entry.received_at)} ago", entry.state.name.lower()
    return [_short(entry), state, entry.lane.endpoint, entry.event_type, entry.event_id, str(entry.attempt), age, due, reason]


def _is_failed(entry: Entry) -> bool:
    """Return whether the entry's reason is about the state that it is in now: a done or held one got over it, so far."""
    return entry.state in (EntryState.WAITING, EntryState.DEAD)


def _facts(entry: Entry) -> dict[str, Any]:
    facts = entry._asdict()
    lane = facts.pop("lane")
    return {**facts, "state": entry.state.name.lower(), "endpoint": lane.endpoint, "part": lane.part}


def _count_facts(count: Count) -> dict[str, Any]:
    return {
        "endpoint": count.lane.endpoint,
        "part": count.lane.part,
        "state": count.state.name.lower(),
        "number": count.number,
        "overdue": count.overdue,
    }


def _count_line(count: Count) -> str:
    late = f", the oldest due for {span(count.overdue)}" if count.overdue > 0 else ""
    part = f" ({count.lane.part})" if count.lane.part else ""
    return f"{count.lane.endpoint}{part}: {count.number} {count.state.name.lower()}{late}"
