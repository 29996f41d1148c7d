"""``hookguard presets``: what is known of every provider, or of one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from hookguard import Preset
from hookguard.cli.providers_page import checked, duration, habits, id_signed, page, proof
from hookguard.place import in_words
from hookguard.presets import get
from hookguard.profile import Fact
from hookguard.registry import loaded

__all__ = ["describe", "presets"]


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="For machines; durations in seconds.")
@click.option("--markdown", is_flag=True, help="Every fact with its source, as a page.")
def presets(name: str | None, as_json: bool, markdown: bool) -> None:
    """List the presets and what is known of each, or all that is known of the one called NAME."""
    found, broken = loaded() if name is None else ([get(name)], {})
    if markdown:
        click.echo(page(found), nl=False)
    elif as_json:
        rows = [*map(describe, found), *({"name": each, "error": str(error)} for each, error in broken.items())]
        click.echo(json.dumps(rows if name is None else rows[0], indent=2))
        return
    elif name is None:
        _print_table(found, broken)
    else:
        for line in _all_of(found[0]):
            click.echo(line)
    for error in broken.values():
        click.echo(str(error), err=True)


def _print_table(found: list[Preset], broken: Iterable[str]) -> None:
    table = Table(title="Presets", caption="* not stated by the provider's own pages")
    for column in _SHOWN:
        # A name that is cut cannot be typed.
        table.add_column(column, no_wrap=column == "name", overflow="fold")
    for facts in map(describe, found):
        table.add_row(*(str(facts[key]) for key in _SHOWN.values()))
    for name in broken:
        table.add_row(name, "cannot be loaded")
    console = Console()
    if console.is_terminal:
        console.width = max(console.width, 150)
    else:
        # Nobody's window: what is piped on is searched, so each preset is whole and on one line.
        console.width = console.measure(table, options=console.options.update(max_width=10_000)).maximum
    console.print(table)


def _all_of(preset: Preset) -> Iterator[str]:
    """All that is known of a preset, a line each, for people."""
    facts, profile = describe(preset), preset.profile
    places = {"event id": preset.event_id, "event type": preset.event_type}
    signed = {"event id": preset.id_covered, "event type": preset.type_covered}
    rows = {
        "signature": facts["where"],
        "signed": facts["signed"],
        "secret": ", ".join((*preset.scheme.secret_fields, *(f"{field} (optional)" for field in preset.scheme.optional_fields))),
        "tolerance": facts["tolerance"] if preset.scheme.signs_timestamp else "- (no time is signed)",
        **{
            what: f"{in_words(place).replace('`', '')}{'' if signed[what] else ' (not signed)'}" if place else "-"
            for what, place in places.items()
        },
        "identity": facts["identity"],
        "tries again": _told(profile.schedule) if profile else "-",
        "retries for": facts["horizon"],
        "waits": "not stated" if facts["timeout"] == "?" else facts["timeout"],
        "answers": _told(profile.statuses) if profile else "-",
        "its networks": facts["networks"] or "-",
        "challenge": facts["challenge"],
        "batch": facts["batch"],
        "lease": duration(preset.lease),
        "retention": facts["retention"],
        "proved by": facts["proof"],
        "confirmed": "yes" if preset.confirmed else f"no: {preset.doubt}",
        "checked": facts["checked"],
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


#: What stands above a column, and which fact stands in it.
_SHOWN = {
    "name": "name",
    "signed": "signed",
    "id signed": "id_signed",
    "identity": "identity",
    "tolerance": "tolerance",
    "retries for": "horizon",
    "waits": "timeout",
    "retention": "retention",
    "challenge": "challenge",
    "batch": "batch",
    "proved by": "proof",
    "confirmed": "confirmed",
}


def describe(preset: Preset) -> dict[str, Any]:
    """Return a preset's facts as plain values."""
    scheme, profile = preset.scheme, preset.profile
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
        "schedule": profile.schedule.value if profile else "-",
        "horizon": horizon,
        **_seconds("horizon", profile.horizon if profile else None),
        "timeout": timeout,
        **_seconds("timeout", profile.timeout if profile else None),
        "lease_seconds": preset.lease,
        "retention": duration(preset.retention(tolerance)),
        "retention_seconds": preset.retention(tolerance),
        "statuses": profile.statuses.value if profile else "-",
        "networks": profile.networks.value if profile else None,
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


def _seconds(what: str, fact: Fact[Any] | None) -> dict[str, Any]:
    """A duration for machines: None where nobody says, and whether it is assumed because no page of the provider's says it."""
    value = fact.value if fact else None
    return {f"{what}_seconds": value, f"{what}_assumed": fact is not None and value is not None and not fact.confirmed}
