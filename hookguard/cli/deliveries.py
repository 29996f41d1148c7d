"""``hookguard deliveries STORE``: list the records of deliveries, show one, prune them, and forget an event."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

import click

from hookguard import errors
from hookguard.autopsy.finding import CAUSES, advice
from hookguard.cli.inputs import example, json_option, written_body
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
from hookguard.cli.opened import opened_evidence
from hookguard.cli.store import find_store
from hookguard.evidence.contract import SHOWN, DeliveryRecord, Evidence
from hookguard.evidence.head import ALWAYS
from hookguard.evidence.notes import last_replay
from hookguard.guard.autopsies import explains
from hookguard.privacy.shown import printable
from hookguard.setting_names import similar

__all__ = ["deliveries", "run_commands"]

_log = logging.getLogger("hookguard.evidence")

#: The words for a rejected delivery that has no finding, and the seconds after which none comes any more.
NOT_EXAMINED: Final = "not examined"
EXAMINED_WITHIN: Final = 10.0

#: Records that are read at a time.
PAGE: Final = 500

_ASK_DJANGO = "a Django store is made from its project's settings, so ask there: python manage.py hookguard_deliveries"

#: A copy for others leaves these facts out, unless the word asks for them.
_PRIVATE: Final = {"ids": ("event_id",), "tenants": ("tenant",), "addresses": ("address",), "notes": ("note",), "bodies": ()}


@click.group(
    cls=Listing,
    epilog=example(
        "hookguard deliveries sqlite:///hookguard.sqlite3 --since 2h",
        "hookguard deliveries sqlite:///hookguard.sqlite3 --cause secret_retired --json",
        "hookguard deliveries sqlite:///hookguard.sqlite3 show 7f3a9c",
        'hookguard deliveries sqlite:///hookguard.sqlite3 forget --event evt_1 --reason "asked by mail"',
    ),
)
@click.argument("which", metavar="STORE")
@click.pass_context
def deliveries(ctx: click.Context, which: str) -> None:
    """List the records of deliveries in STORE, a URL as in the settings or the dotted path of a store."""
    ctx.obj = lambda: ctx.with_resource(opened_evidence(find_store(which, ask_django=_ASK_DJANGO, setting="evidence")))


def run_commands(evidence: Evidence, words: Sequence[str], name: str) -> None:
    """Run one of the commands on a store's records, as ``name``; ``list`` if none is named. Exits the process."""
    run_group(deliveries, evidence, words, name, "The records of deliveries.")


@deliveries.command("list", epilog=example("hookguard deliveries sqlite:///hookguard.sqlite3 --endpoint github"))
@click.option("--rejected", is_flag=True, help="Only rejected deliveries.")
@click.option("--cause", metavar="CODE", help="Only those with this finding of the autopsy, or this reason code.")
@click.option("--endpoint", metavar="NAME", help="Only deliveries of this endpoint.")
@click.option("--event", metavar="ID", help="Only deliveries of this event: the provider's id. It reads the records one by one.")
@click.option("--since", type=SPAN, metavar="SPAN", help="Only deliveries of this time: 30s, 10min, 2h, 3d.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="The most records; the newest first.")
@json_option
@click.option("--export", is_flag=True, help="Print JSON for others: without bodies, ids, tenants, addresses, notes.")
@click.option(
    "--with", "include", multiple=True, type=click.Choice(list(_PRIVATE)), help="Add this to an export; repeat for several."
)
@pass_opened
def list_records(
    evidence: Evidence,
    rejected: bool,
    cause: str | None,
    endpoint: str | None,
    event: str | None,
    since: float | None,
    limit: int,
    as_json: bool,
    export: bool,
    include: tuple[str, ...],
) -> None:
    """List records, the newest first: never a body."""
    if include and not export:
        raise click.UsageError("--with is for --export")
    filters = {
        "rejected": rejected,
        "cause": cause,
        "endpoint": endpoint,
        "since": None if since is None else time.time() - since,
    }
    every = _pages(evidence, filters, PAGE if event is not None else min(limit, PAGE))
    found = list(islice((each for each in every if event is None or is_of_event(each.event_id, event)), limit))
    if not found and cause is not None:
        _check_cause(cause)
    if export:
        click.echo(json.dumps([_exported(evidence, record, include) for record in found], indent=2))
    elif as_json:
        click.echo(json.dumps([_facts(record) for record in found], indent=2))
    elif not found:
        click.echo(
            "no delivery is recorded" if not (rejected or cause or endpoint or event or since) else "no such delivery is recorded"
        )
    else:
        _print(found)


@deliveries.command(epilog=example("hookguard deliveries sqlite:///hookguard.sqlite3 show 7f3a9c"))
@click.argument("delivery", metavar="ID")
@click.option("--body", is_flag=True, help="Write the body, as it came, and nothing else. That is logged.")
@json_option
@pass_opened
def show(evidence: Evidence, delivery: str, body: bool, as_json: bool) -> None:
    """Show a record; its body only with --body. ID may be the beginning of a name, as the log shows it."""
    record = only(evidence, delivery)
    if body:
        kept = evidence.body(record.delivery)
        if kept is None:
            raise click.UsageError(f"no body is kept of the delivery {record.mark}")
        _log.warning("the body of the delivery %s was shown to %s", record.mark, person())
        sys.stdout.buffer.write(kept.body)
        sys.stdout.buffer.flush()
        return
    facts = _facts(record)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    facts["findings"] = [f"{code} ({kind})" for code, kind in record.findings]
    if _is_unexamined(record, time.time()):
        facts["findings"] = f"none: {NOT_EXAMINED} (autopsies are off, or more than three came, and then more than one a minute)"
    for name in ("at", "signed_at", "keep_until", "body_until"):
        facts[name] = "" if facts[name] is None else instant(facts[name])
    facts["duration"] = f"{record.duration * 1000:.1f} ms"
    facts["body_size"] = "" if record.size is None else f"{record.size} bytes"
    facts["status"] = "" if record.status is None else record.status
    lines = {name.replace("_", " "): value if isinstance(value, list) else str(value) for name, value in facts.items()}
    headers = [fact.name if fact.value is None else f"{fact.name}: {fact.value}" for fact in record.headers]
    print_facts({**lines, "headers": headers})
    if meaning := advice(finding.code for finding in record.findings):
        click.echo(f"\n{meaning}")


@deliveries.command(epilog=example("hookguard deliveries sqlite:///hookguard.sqlite3 prune"))
@click.option("--batch", type=click.IntRange(min=1), default=256, show_default=True, help="Records in one transaction.")
@click.option("--pause", type=click.FloatRange(min=0), default=0.02, show_default=True, help="Seconds between two batches.")
@pass_opened
def prune(evidence: Evidence, batch: int, pause: float) -> None:
    """Delete bodies and records whose time is over. The application does it as well, a few at a time."""
    gone = 0
    while found := evidence.prune(limit=batch):
        gone += found
        time.sleep(pause)
    click.echo(f"{gone} deleted")


@deliveries.command(
    epilog=example('hookguard deliveries sqlite:///hookguard.sqlite3 forget --event evt_1 --reason "asked by mail"')
)
@click.option("--event", required=True, metavar="ID", help="The event's id, as the list shows it.")
@reason_option
@pass_opened
def forget(evidence: Evidence, event: str, reason: str) -> None:
    """Empty every record of an event: body, id, tenant, digests and headers are gone, and the rest stays."""
    number = evidence.forget(event)
    _log.warning("%d records of an event were emptied by %s: %s", number, person(), printable(reason))
    click.echo(f"{number} {'record is' if number == 1 else 'records are'} emptied")
    raise SystemExit(0 if number else 1)


def only(evidence: Evidence, delivery: str) -> DeliveryRecord:
    """Return the record whose name begins like this."""
    if len(delivery) < SHOWN:
        raise click.UsageError(f"{delivery!r} is too short: give at least {SHOWN} characters")
    found = evidence.find(delivery=delivery, limit=2)
    if not found:
        raise click.UsageError(f"no recorded delivery has a name that begins with {delivery!r}")
    if len(found) > 1:
        raise click.UsageError(f"several names begin with {delivery!r}: give more characters")
    return found[0]


def _check_cause(code: str) -> None:
    """Raise BadParameter for a code that neither a finding nor an error of hookguard has."""
    reasons = (getattr(each, "code", None) for each in vars(errors).values())
    known = {*CAUSES, *(each for each in reasons if isinstance(each, str))}
    if code not in known:
        near = "".join(f"; did you mean {each}?" for each in similar(code, known))
        raise click.BadParameter(f"{code!r} is not the code of a finding or of a reason{near}", param_hint="'--cause'")


def _pages(evidence: Evidence, filters: dict[str, Any], size: int) -> Iterator[DeliveryRecord]:
    """Yield records, the newest first, so many at a time."""
    after: int | None = None
    while True:
        page = evidence.find(after=after, limit=size, **filters)
        yield from page
        if len(page) < size:
            return
        after = page[-1].seq


def _print(found: Sequence[DeliveryRecord]) -> None:
    now, rows = time.time(), []
    for record in found:
        unseen = f" ({NOT_EXAMINED})" if _is_unexamined(record, now) else ""
        why = ", ".join(finding.code for finding in record.findings) or f"{record.reason_code}{unseen}"
        age = f"{span(now - record.at)} ago"
        status = "" if record.status is None else str(record.status)
        replayed = last_replay(record.note)
        outcome = f"{record.outcome} (replayed: {replayed})" if replayed else record.outcome
        row = [record.mark, age, record.endpoint, outcome, status, why, record.event_type, record.event_id]
        rows.append(row)
    columns = ("delivery", "age", "endpoint", "outcome", "status", "why", "type", "event")
    print_table(columns, rows, folded=("outcome", "why", "event"))


def _is_unexamined(record: DeliveryRecord, now: float) -> bool:
    """Whether no autopsy was made of a rejected delivery, because of their limit or the settings."""
    rejected = record.outcome == "rejected" and not record.findings
    return rejected and now - record.at > EXAMINED_WITHIN and explains(record.reason_code)


def _facts(record: DeliveryRecord) -> dict[str, Any]:
    facts: dict[str, Any] = {name: getattr(record, name) for name in type(record).__dataclass_fields__ if name != "seq"}
    facts["body_size"] = record.size
    facts["findings"] = [finding._asdict() for finding in record.findings]
    facts["headers"] = [fact._asdict() for fact in record.headers]
    return facts


def _exported(evidence: Evidence, record: DeliveryRecord, include: Sequence[str]) -> dict[str, Any]:
    """Return the facts for others. Without ids only the values of headers are shown that every request has."""
    facts = _facts(record)
    for word, names in _PRIVATE.items():
        if word not in include:
            for name in names:
                del facts[name]
    if "tenants" not in include and record.tenant:
        del facts["secret"]  # the name of a tenant's secret may name the tenant
    if "ids" not in include:
        facts["headers"] = [{**fact, "value": fact["value"] if fact["name"] in ALWAYS else None} for fact in facts["headers"]]
    if "bodies" in include and (kept := evidence.body(record.delivery)) is not None:
        _log.warning("the body of the delivery %s was exported by %s", record.mark, person())
        facts |= written_body(kept.body)
    return facts
