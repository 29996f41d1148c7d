"""``hookguard presets``: the facts of every provider, or of one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from hookguard import ConfigurationError, Preset
from hookguard.batch import Batch
from hookguard.cli.inputs import PRESET, example
from hookguard.cli.providers_page import checked, duration, habits, id_signed, identity, page, proof, size, why_tolerance, yes
from hookguard.facts import Fact, Facts
from hookguard.place import in_words
from hookguard.presets import get, names
from hookguard.presets.registry import loaded

__all__ = ["describe", "presets"]


@click.command(epilog=example("hookguard presets pay", "hookguard presets stripe", "hookguard presets --json"))
@click.argument("name", required=False, metavar="[NAME | WORD]")
@click.option("--json", "as_json", is_flag=True, help="Every fact as JSON, for programs; durations are seconds.")
@click.option("--markdown", is_flag=True, help="Every fact with its source, as a page.")
def presets(name: str | None, as_json: bool, markdown: bool) -> None:
    """List the presets, or those with WORD in their name or title, or show all facts of the preset NAME.

    NAME may be the dotted path of your own preset.
    """
    one = None
    if name is not None and ("." in name or name in names()):
        one = PRESET.convert(name, None, None)
    found, broken = ([one], {}) if one is not None else _filtered(name)
    if markdown:
        click.echo(page(found), nl=False)
    elif as_json:
        rows = [*map(describe, found), *({"name": each, "error": str(error)} for each, error in broken.items())]
        click.echo(json.dumps(rows if one is None else rows[0], indent=2))
        return
    elif one is None:
        _print_table(found, broken)
    else:
        for line in _all_of(one):
            click.echo(line)
    for error in broken.values():
        click.echo(str(error), err=True)


def _filtered(word: str | None) -> tuple[list[Preset], dict[str, ConfigurationError]]:
    """Return all presets, or those with the word in name or title. A ConfigurationError lists similar names if none fits."""
    found, broken = loaded()
    if word is None:
        return found, broken
    low = word.lower()
    found = [preset for preset in found if low in preset.name or low in preset.title.lower()]
    if not found:
        get(word)  # raises, and names near ones
    return found, {}


def _print_table(found: list[Preset], broken: Iterable[str]) -> None:
    table = Table(title="Presets", caption="hookguard presets NAME shows all that is known of one")
    for column in _SHOWN:
        # A name that is cut cannot be typed.
        table.add_column(column, no_wrap=column == "name", overflow="fold")
    for row in map(describe, found):
        table.add_row(*(str(row[key]) for key in _SHOWN.values()))
    for name in broken:
        table.add_row(name, "", "cannot be loaded")
    console = Console()
    if not console.is_terminal:
        # Nobody's window: what is piped on is searched, so each preset is whole and on one line.
        console.width = console.measure(table, options=console.options.update(max_width=10_000)).maximum
    console.print(table)


def _all_of(preset: Preset) -> Iterator[str]:
    """Return all facts of a preset, one line each, for people."""
    row, facts = describe(preset), preset.facts
    places = {"event id": preset.event_id, "event type": preset.event_type}
    signed = {"event id": preset.id_covered, "event type": preset.type_covered}
    rows = {
        "signature": row["where"],
        "signed": row["signed"],
        "secret": ", ".join((*preset.scheme.secret_fields, *(f"{field} (optional)" for field in preset.scheme.optional_fields))),
        "tolerance": f"{row['tolerance']} ({row['tolerance_reason']})",
        **{
            what: f"{in_words(place).replace('`', '')}{'' if signed[what] else ' (not signed)'}" if place else "-"
            for what, place in places.items()
        },
        "identity": identity(preset).replace("`", ""),
        "tries again": _told(facts.schedule) if facts else "-",
        "retries for": row["horizon"],
        "waits": "not stated" if row["timeout"] == "?" else row["timeout"],
        "re-signed": _yes_or_no(facts.resigned) if facts else "-",
        "same body": _yes_or_no(facts.stable_body) if facts else "-",
        "same id": _yes_or_no(facts.stable_id) if facts else "-",
        "answers": _told(facts.statuses) if facts else "-",
        "its networks": row["networks"] or "-",
        "challenge": row["challenge"],
        "batch": _most(preset.batch),
        "body limit": f"{size(preset.max_body)} ({_largest(facts)})",
        "lease": duration(preset.lease),
        "retention": row["retention"],
        "proved by": row["proof"],
        "confirmed": "yes" if preset.confirmed else f"no: {preset.doubt}",
        "checked": row["checked"],
        "see": preset.docs,
        "note": preset.note,
    }
    yield f"{preset.name}: {preset.title}" if preset.title else preset.name
    for what, text in rows.items():
        if text:
            yield f"  {what:<12}  {text}"
    if any(text.endswith(" *") for text in rows.values()):
        yield "  * not stated by the provider's own pages"


def _told(fact: Fact[str]) -> str:
    return fact.value + ("" if fact.confirmed else " *")


def _yes_or_no(fact: Fact[bool | None]) -> str:
    """Return the facts about retries, with their sources."""
    known = "not stated" if fact.value is None else yes(fact.value) + ("" if fact.confirmed else ", assumed")
    return f"{known} ({fact.source})" if fact.source else known


def _most(batch: Batch | None) -> str:
    if batch is None:
        return "-"
    largest = batch.largest
    return f"up to {batch.limit:,} events ({largest.source if largest.value else 'the largest batch is not stated'})"


def _largest(facts: Facts | None) -> str:
    fact = facts.largest_body if facts else None
    if fact is None or fact.value is None:
        return "the provider's largest is not stated"
    return f"the provider's largest is {size(fact.value)}{'' if fact.confirmed else ', assumed'}: {fact.source}"


#: The fact in each column, and the column's heading.
_SHOWN = {
    "name": "name",
    "provider": "title",
    "signed": "signed",
}


def describe(preset: Preset) -> dict[str, Any]:
    """Return a preset's facts as plain values."""
    scheme, facts = preset.scheme, preset.facts
    tolerance = preset.tolerance if scheme.signs_timestamp else None
    horizon, timeout, challenge, batch = habits(preset)
    return {
        "name": preset.name,
        "title": preset.title,
        "signed": scheme.what.replace("`", ""),
        "header": scheme.required_header,
        "where": scheme.where.replace("`", ""),
        "id_signed": id_signed(preset),
        "identity": preset.identity or "id",
        "tolerance": duration(preset.tolerance) if tolerance else "-",
        "tolerance_seconds": tolerance,
        "tolerance_reason": why_tolerance(preset) if tolerance else "no time is signed",
        "schedule": facts.schedule.value if facts else "-",
        "horizon": horizon,
        **_seconds("horizon", facts.horizon if facts else None),
        "timeout": timeout,
        **_seconds("timeout", facts.timeout if facts else None),
        "lease_seconds": preset.lease,
        "retention": duration(preset.retention(tolerance)),
        "retention_seconds": preset.retention(tolerance),
        **_stated("resigned", facts.resigned if facts else None),
        **_stated("stable_body", facts.stable_body if facts else None),
        **_stated("stable_id", facts.stable_id if facts else None),
        **_stated("largest_body", facts.largest_body if facts else None),
        "max_body": preset.max_body,
        "max_events": preset.batch.limit if preset.batch else 1,
        "statuses": facts.statuses.value if facts else "-",
        "networks": facts.networks.value if facts else None,
        "challenge": challenge,
        "batch": batch,
        "proof": proof(preset),
        "confirmed": "yes" if preset.confirmed else "no",
        "doubt": preset.doubt,
        "checked": checked(preset),
        "extras": preset.extras,
        "docs": preset.docs,
        "note": preset.note,
    }


def _stated(what: str, fact: Fact[Any] | None) -> dict[str, Any]:
    """Return a fact for programs: its value (None if unknown), whether it is assumed, and its source."""
    value = fact.value if fact else None
    assumed = fact is not None and value is not None and not fact.confirmed
    return {what: value, f"{what}_assumed": assumed, f"{what}_source": fact.source or None if fact else None}


def _seconds(what: str, fact: Fact[Any] | None) -> dict[str, Any]:
    """Return a duration for programs: its value (None if unknown), and whether it is assumed because no page states it."""
    value = fact.value if fact else None
    return {f"{what}_seconds": value, f"{what}_assumed": fact is not None and value is not None and not fact.confirmed}
