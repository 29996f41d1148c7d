"""What several commands are given: secrets, a body, a saved delivery."""

from __future__ import annotations

import base64
import binascii
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from hookguard import Delivery

__all__ = ["body_options", "dump_delivery", "load_delivery", "read_body", "read_secrets", "secret_options", "signing_options"]

F = TypeVar("F", bound=Callable[..., Any])


def _options(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


secret_options = _options(
    click.option(
        "--secret", "secrets", multiple=True, metavar="TEXT", help="A secret as the provider shows it; repeat for several."
    ),
    click.option(
        "--secret-env",
        "secret_names",
        multiple=True,
        metavar="NAME",
        help="Take a secret from this environment variable instead.",
    ),
)

body_options = _options(
    click.option("--body", metavar="TEXT", help="The body; without this and --body-file it is read from standard input."),
    click.option("--body-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file that holds the body."),
)

signing_options = _options(
    click.option("--id", "event_id", default="", help="The event's id, where the provider sends it in a header."),
    click.option("--type", "event_type", default="", help="The event's type, where the provider sends it in a header."),
    click.option("--timestamp", type=float, help="When it is signed, in seconds since 1970; now by default."),
    click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A further header; repeat for several."),
)


def read_secrets(secrets: tuple[str, ...], names: tuple[str, ...]) -> list[str]:
    """Return the secrets that were given, in order; a usage error when there are none."""
    found = list(secrets)
    for name in names:
        if not os.environ.get(name):
            raise click.UsageError(f"the environment variable {name} is not set")
        found.append(os.environ[name])
    if not found:
        raise click.UsageError("give a secret: --secret TEXT, or --secret-env NAME to keep it out of the shell's history")
    return found


def read_body(body: str | None, body_file: Path | None) -> bytes:
    """Return the body's bytes."""
    if body is not None and body_file is not None:
        raise click.UsageError("give --body or --body-file, not both")
    if body is not None:
        return body.encode()
    return body_file.read_bytes() if body_file is not None else sys.stdin.buffer.read()


def read_headers(headers: tuple[str, ...]) -> dict[str, str]:
    """Return ``Name: value`` texts as a mapping."""
    found = {}
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            raise click.UsageError(f"{header!r} is not a header: write 'Name: value'")
        found[name.strip()] = value.strip()
    return found


def dump_delivery(delivery: Delivery) -> str:
    """Write a delivery as JSON; a body that is not UTF-8 as base64."""
    saved: dict[str, Any] = {"method": delivery.method, "url": delivery.url, "headers": delivery.headers.items()}
    try:
        saved["body"] = delivery.body.decode()
    except UnicodeDecodeError:
        saved["body_base64"] = base64.b64encode(delivery.body).decode()
    return json.dumps(saved, indent=2)


def load_delivery(text: str) -> Delivery:
    """Read what ``dump_delivery`` wrote, or was written by hand in the same form; a usage error says what is wrong."""
    try:
        saved = json.loads(text)
        headers = saved["headers"]
        pairs = list(headers.items()) if isinstance(headers, dict) else [(name, value) for name, value in headers]
        body = base64.b64decode(saved["body_base64"], validate=True) if "body_base64" in saved else saved["body"].encode()
        return Delivery(body, pairs, str(saved.get("method", "POST")), str(saved.get("url", "")))
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise click.UsageError(
            'this is not a saved delivery: JSON with "headers" (pairs or an object), "body" or "body_base64", and perhaps'
            f' "method" and "url" ({type(error).__name__}: {error})'
        ) from None
