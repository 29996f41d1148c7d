"""``hookguard sign``: print a delivery exactly as the provider would send it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from hookguard import Delivery, Preset
from hookguard.bodies import Reading
from hookguard.cli.inputs import (
    PRESET,
    body_options,
    dump_delivery,
    example,
    read_body,
    read_headers,
    read_secrets,
    secret_options,
    signing_options,
)
from hookguard.place import in_words
from hookguard.schemes.timestamp import read_timestamp

__all__ = ["sign", "signed", "signs_url"]


@click.command(
    epilog=example(
        "hookguard sign stripe --secret-env STRIPE_SECRET --body-file event.json --format json > saved.json",
        "hookguard verify stripe saved.json --secret-env STRIPE_SECRET",
    )
)
@click.argument("preset", type=PRESET)
@secret_options
@body_options
@signing_options
@click.option("--url", default="", help="The URL it is sent to; signed by some providers, used by --format curl.")
@click.option("--method", default="POST", show_default=True)
@click.option("--format", "fmt", type=click.Choice(["headers", "curl", "json"]), default="headers", show_default=True)
def sign(
    preset: Preset,
    secrets: tuple[str, ...],
    secret_names: tuple[str, ...],
    secret_files: tuple[Path, ...],
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

    PRESET is a name from `hookguard presets`, or the dotted path of your own. The formats: headers only, a curl command, or
    JSON that `hookguard verify` reads.
    """
    if not url and signs_url(preset):
        raise click.UsageError(f"{preset.name} signs the URL that it is sent to: give it with --url")
    content = read_body(body, body_file)
    given_secrets = read_secrets(secrets, secret_names, secret_files)
    delivery = signed(preset, content, given_secrets, event_id, event_type, timestamp, headers, url, method)
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
    preset: Preset,
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

    A usage error when an id, a type or a timestamp that was asked for would have no effect.
    """
    if timestamp is not None and not _signs_moment(preset):
        raise click.UsageError(f"{preset.name} signs no time, so --timestamp has no effect: leave it out")
    given = read_headers(headers)
    delivery = preset.sign(
        body, secrets, id=event_id, type=event_type, timestamp=timestamp, url=url, method=method, headers=given
    )
    if timestamp is not None:
        _check_timestamp(preset, delivery, timestamp)
    for option, value, place in (("--id", event_id, preset.event_id), ("--type", event_type, preset.event_type)):
        if value and value not in (carried for _, carried in delivery.headers.items()):
            readable = place is not None and not {"arrival"} & place.parts
            where = f"finds it at {in_words(place)}: write it there" if readable else "looks for none: leave it out"
            raise click.UsageError(f"{option} has no effect: {preset.name} {where}")
    return delivery


def signs_url(preset: Preset) -> bool:
    """Whether the URL goes into the signature, whole or in parts."""
    return any(part.partition(":")[0] in ("url", "query") for part in preset.scheme.covers)


def _signs_moment(preset: Preset) -> bool:
    # A token may say until when it holds without a timestamp that a verifier would check.
    claims = getattr(preset.scheme, "required", ())
    return preset.scheme.signs_timestamp or not {"exp", "nbf", "iat"}.isdisjoint(claims)


def _check_timestamp(preset: Preset, delivery: Delivery, timestamp: float) -> None:
    """Reject a body with another time than --timestamp, if the provider's time is in the body."""
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
