"""``hookguard presets``: what is known of every provider."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from hookguard import Preset
from hookguard.cli.providers_page import checked, duration, habits, id_signed, page, proof
from hookguard.presets import get, names

__all__ = ["describe", "presets"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.option("--markdown", is_flag=True, help="Every fact with its source, as a page.")
def presets(as_json: bool, markdown: bool) -> None:
    """List the presets and what is known of each."""
    if markdown:
        click.echo(page([get(name) for name in names()]), nl=False)
        return
    rows = [describe(get(name)) for name in names()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    table = Table(title="Presets", caption="* not stated by the provider's own pages")
    for column in _SHOWN:
        # A name that is cut cannot be typed.
        table.add_column(column, no_wrap=column == "name")
    for row in rows:
        table.add_row(*(str(row[key]) for key in _SHOWN.values()))
    Console(width=max(Console().width, 150)).print(table)


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
    horizon, timeout, challenge, batch = habits(preset)
    return {
        "name": preset.name,
        "title": preset.title,
        "signed": scheme.what.replace("`", ""),
        "header": scheme.required_header,
        "where": scheme.where.replace("`", ""),
        "id_signed": id_signed(preset),
        "identity": preset.identity or "id",
        "tolerance": duration(preset.tolerance) if scheme.signs_timestamp else "-",
        "schedule": profile.schedule.value if profile else "-",
        "horizon": horizon,
        "timeout": timeout,
        "retention": duration(preset.retention(preset.tolerance if scheme.signs_timestamp else None)),
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
