"""``hookguard verify``: check a saved delivery, and report what is wrong with it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from hookguard import Preset, Rejected, Verifier
from hookguard.autopsy import COMMAND_LINE, Autopsy, Known, explain
from hookguard.cli.explain import as_data, print_findings
from hookguard.cli.inputs import PRESET, example, json_option, read_secrets, read_stdin, secret_options
from hookguard.cli.saved import read_saved
from hookguard.errors import TimestampOutOfTolerance

__all__ = ["verify"]


@click.command(epilog=example("hookguard verify stripe saved.json --secret-env STRIPE_SECRET --any-age"))
@click.argument("preset", type=PRESET)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@secret_options
@click.option("--at", type=float, help="Check as of this moment, in seconds since 1970; now by default.")
@click.option("--any-age", is_flag=True, help="Check the signature alone, whatever the timestamp says.")
@json_option
def verify(
    preset: Preset,
    file: Path,
    secrets: tuple[str, ...],
    secret_names: tuple[str, ...],
    secret_files: tuple[Path, ...],
    at: float | None,
    any_age: bool,
    as_json: bool,
) -> None:
    """Check the delivery saved in FILE (- for standard input) as PRESET.

    PRESET is a name from `hookguard presets`, or the dotted path of your own. FILE may have any format that `hookguard
    explain` reads. The exit status is 0 if the delivery is genuine and fresh, 1 if it is not.
    """
    given = read_secrets(secrets, secret_names, secret_files)
    saved = read_saved(read_stdin("FILE") if str(file) == "-" else file.read_bytes())
    delivery = saved.delivery
    clock = time.time if at is None else (lambda: at)
    verifier = Verifier(preset, given, allow_stale=any_age, clock=clock)
    try:
        event = verifier.verify(delivery)
        found = [(each.type, each.id) for each in event.events()]
    except Rejected as error:
        known = Known(name=preset.name, target=saved.target)
        found_out = explain(verifier, delivery, refusal=error, known=known, bounds=COMMAND_LINE)
        _print_rejection(error, found_out, preset.note, as_json=as_json)
        raise SystemExit(1) from None
    age = None if event.timestamp is None else clock() - event.timestamp
    if as_json:
        events = [{"type": kind, "id": identifier} for kind, identifier in found]
        facts = {"secret": event.secret, "identity": preset.identity or "id", "timestamp": event.timestamp, "age_seconds": age}
        click.echo(json.dumps({"genuine": True, "events": events, **facts}, indent=2))
        return
    for kind, identifier in found or [("", "and empty")]:
        click.echo(f"genuine: {kind or 'event'} {identifier}")
    click.echo(f"  secret {event.secret} matched; identity is {preset.identity or 'id'}")
    if age is not None:
        click.echo(f"  signed at {event.timestamp:.0f}, {age:.0f} s ago")


def _print_rejection(error: Rejected, autopsy: Autopsy, note: str, *, as_json: bool) -> None:
    if as_json:
        why = {"error": type(error).__name__, "code": error.code, "status": error.status, "reason": str(error)}
        click.echo(json.dumps({"genuine": False, **why, "findings": as_data(autopsy, error)["findings"]}, indent=2))
        return
    click.echo(f"rejected: {type(error).__name__} (a receiver answers {error.status})")
    click.echo(f"  {error}")
    print_findings(autopsy)
    if isinstance(error, TimestampOutOfTolerance):
        click.echo("  the signature is right; --any-age checks it alone, --at checks as of another moment")
    elif note and autopsy.codes == ("no_match",):
        click.echo(f"  note: {note}")
