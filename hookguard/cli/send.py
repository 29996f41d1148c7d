"""``hookguard send``: sign a delivery and send it to a receiver."""

from __future__ import annotations

import json
from pathlib import Path

import click

from hookguard import Preset
from hookguard.cli.inputs import (
    PRESET,
    body_options,
    example,
    json_option,
    read_body,
    read_secrets,
    secret_options,
    signing_options,
    written_body,
)
from hookguard.cli.sign import signed, signs_url

__all__ = ["send"]

#: How much of an answer is printed: its first lines, and the width of each.
MAX_LINES = 12
MAX_WIDTH = 400


@click.command(
    epilog=example(
        "hookguard send http://127.0.0.1:8000/hooks/github github --secret-env GITHUB_SECRET \\",
        '    --type push --id 1 --body \'{"ref": "main"}\'',
    )
)
@click.argument("url")
@click.argument("preset", type=PRESET)
@secret_options
@body_options
@signing_options
@click.option(
    "--signed-url",
    metavar="URL",
    help="The URL that the provider was given, where it signs that and this is sent to another; URL by default.",
)
@click.option("--timeout", default=30.0, show_default=True, help="Seconds to wait for the answer.")
@json_option
def send(
    url: str,
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
    signed_url: str | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Sign a body as PRESET, send it to URL and print the answer.

    PRESET is a name from `hookguard presets`, or the dotted path of your own. The exit status is 0 only if the answer is 2xx.
    """
    import httpx  # noqa: PLC0415 - of the extra `demo`

    if signed_url is not None and not signs_url(preset):
        raise click.UsageError(f"{preset.name} does not sign its URL, so --signed-url has no effect: leave it out")
    content, given = read_body(body, body_file), signed_url or url
    given_secrets = read_secrets(secrets, secret_names, secret_files)
    delivery = signed(preset, content, given_secrets, event_id, event_type, timestamp, headers, given)
    try:
        answer = httpx.post(
            _target(url, given, delivery.url),
            content=delivery.body,
            headers=delivery.headers.items(),
            timeout=timeout,
            follow_redirects=False,
        )
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise click.UsageError(f"{url!r} is not a URL to send to ({error}): write http://… or https://…") from None
    except httpx.HTTPError as error:
        raise click.ClickException(f"{url} did not answer: {error}") from None
    if as_json:
        found = {"status": answer.status_code, "headers": answer.headers.multi_items(), **written_body(answer.content)}
        click.echo(json.dumps(found, indent=2))
    else:
        click.echo(f"{answer.status_code} {answer.reason_phrase}")
        for name, value in answer.headers.items():
            click.echo(f"{name}: {value}")
        if answer.text:
            click.echo(f"\n{_beginning(answer.text)}")
    if not answer.is_success:
        raise SystemExit(1)


def _beginning(text: str) -> str:
    """Return the first lines of an answer: a framework's debug page has thousands."""
    lines = text.splitlines()
    shown = [line if len(line) <= MAX_WIDTH else f"{line[:MAX_WIDTH]}…" for line in lines[:MAX_LINES]]
    if len(lines) > MAX_LINES:
        shown.append(f"… and {len(lines) - MAX_LINES} more lines; --json prints them all")
    return "\n".join(shown)


def _target(url: str, given: str, signed_url: str) -> str:
    """Where it is sent: to ``url``, with the query that a proxy would hand on from the URL that was signed.

    Some schemes sign by adding to the query of the URL they were given; a query that ``url`` has itself stays.
    """
    if url == given:
        return signed_url
    if "?" not in url:
        return url + "".join(signed_url.partition("?")[1:])
    added = signed_url[len(given) :] if signed_url.startswith(given) else ""
    return f"{url}&{added[1:]}" if added else url
