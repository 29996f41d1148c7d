"""The inputs that several commands share: secrets, a body, a saved delivery."""

from __future__ import annotations

import base64
import binascii
import json
import os
import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from hookguard import Delivery, Preset
from hookguard.config import preset_from

__all__ = [
    "PRESET",
    "body_options",
    "delivery_of",
    "dump_delivery",
    "example",
    "json_option",
    "load_delivery",
    "read_body",
    "read_headers",
    "read_secrets",
    "read_stdin",
    "secret_options",
    "signing_options",
    "with_working_directory",
    "written_body",
]

F = TypeVar("F", bound=Callable[..., Any])


def _options(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


class _PresetType(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions of click alone
    """A preset's name, or the dotted path of one in a module that is installed or in the working directory."""

    name = "preset"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Preset:
        if "." in value:
            # An installed command looks for modules beside itself; flask and uvicorn look where they are run, and so do we.
            with_working_directory()
        return preset_from(value)


PRESET = _PresetType()

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def with_working_directory() -> None:
    """Let modules of the working directory be imported."""
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))


def example(*lines: str) -> str:
    """Return the end of a command's help: how it is called."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


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
    click.option(
        "--secret-file",
        "secret_files",
        multiple=True,
        type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
        help="Take a secret from this file; - for standard input.",
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


def read_secrets(secrets: tuple[str, ...], names: tuple[str, ...], files: tuple[Path, ...] = ()) -> list[str]:
    """Return the given secrets, in order; a usage error without any."""
    found = list(secrets)
    for name in names:
        if not os.environ.get(name):
            raise click.UsageError(f"the environment variable {name} is not set")
        found.append(os.environ[name])
    found += [_read_secret(file) for file in files]
    if not found:
        raise click.UsageError(
            "give a secret: --secret TEXT; or --secret-env NAME or --secret-file FILE, which keep it out of the shell's history"
        )
    return found


def _read_secret(file: Path) -> str:
    """The text of a file, without the line break that editors and echo put at its end."""
    try:
        raw = read_stdin("--secret-file") if str(file) == "-" else file.read_bytes()
        return raw.decode().removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"the secret in {file} cannot be read ({type(error).__name__})") from None


def read_stdin(reader: str) -> bytes:
    """Return standard input for an option or argument; a usage error if another one has read it already."""
    taken = click.get_current_context().meta.setdefault("hookguard.stdin", reader)
    if taken != reader:
        raise click.UsageError(f"{taken} and {reader} both read standard input: give one of them in another way")
    return sys.stdin.buffer.read()


def read_body(body: str | None, body_file: Path | None) -> bytes:
    """Return the body's bytes."""
    if body is not None and body_file is not None:
        raise click.UsageError("give --body or --body-file, not both")
    if body is not None:
        return body.encode()
    return body_file.read_bytes() if body_file is not None else read_stdin("the body")


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
    saved = {"method": delivery.method, "url": delivery.url, "headers": delivery.headers.items()}
    return json.dumps({**saved, **written_body(delivery.body)}, indent=2)


def written_body(body: bytes) -> dict[str, str]:
    """Return a body as an entry of a JSON object: as text, or as base64 if it is not UTF-8."""
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}


def delivery_of(body: bytes, headers: list[tuple[str, str]], method: str, url: str) -> Delivery:
    """Return a delivery of parts from a file; ValueError for an invalid URL, TypeError for a part that is not text."""
    if not all(isinstance(text, str) for text in (method, url, *chain.from_iterable(headers))):
        raise TypeError("the method, the URL, and each name and value of a header must be strings")
    try:
        urlsplit(url)
    except ValueError:
        raise ValueError("the URL is not valid") from None  # the message could show a password in it
    return Delivery(body, headers, method, url)


def load_delivery(text: str) -> Delivery:
    """Read what ``dump_delivery`` wrote, or was written by hand in the same form; a usage error says what is wrong."""
    try:
        saved = json.loads(text)
        headers = saved["headers"]
        pairs = list(headers.items()) if isinstance(headers, dict) else [(name, value) for name, value in headers]
        body = base64.b64decode(saved["body_base64"], validate=True) if "body_base64" in saved else saved["body"].encode()
        return delivery_of(body, pairs, str(saved.get("method", "POST")), str(saved.get("url", "")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error) as error:
        raise click.UsageError(
            'this is not a saved delivery: JSON with "headers" (pairs or an object), "body" or "body_base64", and perhaps'
            f' "method" and "url" ({type(error).__name__}: {error})'
        ) from None
