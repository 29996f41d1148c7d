"""``hookguard verify``: judge a saved delivery, and say what is wrong with it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from hookguard import Delivery, Preset, Rejected, Verifier
from hookguard.cli.inputs import load_delivery, read_secrets, secret_options
from hookguard.errors import SignatureRejected, TimestampOutOfTolerance
from hookguard.presets import get
from hookguard.registry import loaded

__all__ = ["hints", "verify"]


@click.command()
@click.argument("preset")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@secret_options
@click.option("--at", type=float, help="Judge as of this moment, in seconds since 1970; now by default.")
@click.option("--any-age", is_flag=True, help="Judge the signature alone, whatever the timestamp says.")
def verify(
    preset: str, file: Path, secrets: tuple[str, ...], secret_names: tuple[str, ...], at: float | None, any_age: bool
) -> None:
    """Judge the delivery saved in FILE (- for standard input) as PRESET.

    The exit status is 0 when it is genuine and fresh, 1 when it is not.
    """
    delivery = load_delivery(sys.stdin.read() if str(file) == "-" else file.read_text("utf-8"))
    chosen = get(preset)
    clock = time.time if at is None else (lambda: at)
    verifier = Verifier(chosen, read_secrets(secrets, secret_names), allow_stale=any_age, clock=clock)
    try:
        event = verifier.verify(delivery)
        found = [(each.type, each.id) for each in event.events()]
    except Rejected as refusal:
        click.echo(f"refused: {type(refusal).__name__} (a receiver answers {refusal.status})")
        click.echo(f"  {refusal}")
        for hint in hints(chosen, delivery, refusal):
            click.echo(f"  hint: {hint}")
        raise SystemExit(1) from None
    for kind, identifier in found or [("", "and empty")]:
        click.echo(f"genuine: {kind or 'event'} {identifier}")
    click.echo(f"  secret {event.secret} matched; identity is {chosen.identity or 'id'}")
    if event.timestamp is not None:
        click.echo(f"  signed at {event.timestamp:.0f}, {clock() - event.timestamp:.0f} s ago")


def hints(preset: Preset, delivery: Delivery, refusal: Rejected) -> list[str]:
    """Say what else the delivery tells about why it was refused."""
    found = []
    if isinstance(refusal, TimestampOutOfTolerance):
        found.append("the signature is right; --any-age judges it alone, --at judges as of another moment")
    if isinstance(refusal, SignatureRejected):
        others = [
            other.name
            for other in loaded()[0]
            if other.name != preset.name
            and (header := other.scheme.required_header)
            and header != preset.scheme.required_header
            and header in delivery.headers
        ]
        if others:
            found.append(f"it carries the signature header of {', '.join(others)}")
        if delivery.body.endswith((b"\n", b"\r")):
            found.append("the body ends with a line break, which an editor or a shell may have added")
        if preset.note:
            found.append(preset.note)
    return found
