"""``hookguard sign``: a delivery just as the provider would send it."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from hookguard import Delivery
from hookguard.cli.inputs import (
    body_options,
    dump_delivery,
    read_body,
    read_headers,
    read_secrets,
    secret_options,
    signing_options,
)
from hookguard.presets import get

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
    """Return the signed delivery; its content type is JSON unless a header says otherwise."""
    carried = {"content-type": "application/json", **{name.lower(): value for name, value in read_headers(headers).items()}}
    return get(preset).sign(
        body, secrets, id=event_id, type=event_type, timestamp=timestamp, url=url, method=method, headers=carried
    )


def _curl(delivery: Delivery) -> str:
    words = ["curl", "-X", delivery.method, delivery.url or "URL", "--data-binary", delivery.body.decode("utf-8", "replace")]
    for name, value in delivery.headers.items():
        words += ["-H", f"{name}: {value}"]
    return shlex.join(words)
