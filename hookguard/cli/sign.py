"""``hookguard sign``: a delivery just as the provider would send it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import click

from hookguard import Delivery, Preset
from hookguard.cli.inputs import (
    body_options,
    dump_delivery,
    read_body,
    read_headers,
    read_secrets,
    secret_options,
    signing_options,
)
from hookguard.documents import Reading
from hookguard.place import in_words
from hookguard.presets import get
from hookguard.timestamp import read_timestamp

__all__ = ["sign", "signed"]


@click.command()
@click.argument("preset")
@secret_options
@body_options
@signing_options
@click.option("--url", default="", help="The URL it is sent to; signed by some providers, used by --format curl.")
@click.option("--method", default="POST", show_default=True)
@click.option("--format", "fmt", type=click.Choice(["headers", "curl", "json"]), default="headers", show_default=True)
def sign(
    preset: str,
    secrets: tuple[str, ...],
    secret_names: tuple[str, ...],
    body: str | None,
    body_file: Path | None,
    event_id: str,
    event_type: str,
    timestamp: float | None,
    headers: tuple[str, ...],
    url: str,
    method: str,
    fmt: str,
) -> None:
    """Sign a body as PRESET and print the delivery.

    The formats: headers only, a curl command, or JSON that `hookguard verify` reads.
    """
    content = read_body(body, body_file)
    delivery = signed(preset, content, read_secrets(secrets, secret_names), event_id, event_type, timestamp, headers, url, method)
    if fmt == "json":
        click.echo(dump_delivery(delivery))
    elif fmt == "curl":
        click.echo(_curl(delivery))
    else:
        for name, value in delivery.headers.items():
            click.echo(f"{name}: {value}")
        if delivery.url != url:
            click.echo(f"url: {delivery.url}")


def signed(
    preset: str,
    body: bytes,
    secrets: list[str],
    event_id: str,
    event_type: str,
    timestamp: float | None,
    headers: tuple[str, ...],
    url: str,
    method: str = "POST",
) -> Delivery:
    """Return the signed delivery, with the content type that the preset and the body suggest unless a header says another.

    A usage error when the timestamp that was asked for would not be signed.
    """
    chosen = get(preset)
    if timestamp is not None and not _signs_moment(chosen):
        raise click.UsageError(f"{preset} signs no time, so --timestamp has no effect: leave it out")
    given = {name.lower(): value for name, value in read_headers(headers).items()}
    carried = {"content-type": _content_type(chosen, body), **given}
    delivery = chosen.sign(
        body, secrets, id=event_id, type=event_type, timestamp=timestamp, url=url, method=method, headers=carried
    )
    if timestamp is not None:
        _look_at_timestamp(chosen, delivery, timestamp)
    return delivery


def _content_type(preset: Preset, body: bytes) -> str:
    # What signs forms signs something else over any other body, so a form must not pass for JSON.
    if preset.sends_forms and body:
        try:
            json.loads(body)
        except (ValueError, RecursionError):
            return "application/x-www-form-urlencoded"
    return "application/json"


def _signs_moment(preset: Preset) -> bool:
    # A token may say until when it holds without a timestamp that a verifier would judge.
    claims = getattr(preset.scheme, "required", ())
    return preset.scheme.signs_timestamp or not {"exp", "nbf", "iat"}.isdisjoint(claims)


def _look_at_timestamp(preset: Preset, delivery: Delivery, timestamp: float) -> None:
    """Refuse what says another time: where the body holds it, it is whoever wrote the body who says it."""
    place: Any = getattr(preset.scheme, "timestamp", None)
    if "body" not in getattr(place, "parts", ()):
        return
    text = place.find(Reading(delivery, preset.json_field))
    if text is None or abs(read_timestamp(text, getattr(preset.scheme, "timestamp_unit", "s")) - timestamp) >= 1:
        raise click.UsageError(
            f"{preset.name} signs the time that the body says ({in_words(place)}): write it there, as --timestamp has no effect"
        )


def _curl(delivery: Delivery) -> str:
    words = ["curl", "-X", delivery.method, delivery.url or "URL", "--data-binary", delivery.body.decode("utf-8", "replace")]
    for name, value in delivery.headers.items():
        words += ["-H", f"{name}: {value}"]
    return shlex.join(words)
