"""``hookguard send``: sign a delivery and send it to a receiver."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from hookguard import Delivery, Preset
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
from hookguard.cli.resending import described, encoded, id_of, read_kept, with_query
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
@click.argument("preset", type=PRESET, required=False)
@secret_options
@body_options
@signing_options
@click.option(
    "--signed-url",
    metavar="URL",
    help="The URL that the provider was given, where it signs that and this is sent to another; URL by default.",
)
@click.option(
    "--saved",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="A saved delivery, as explain reads it: sent as it is, or signed once more if PRESET is given.",
)
@click.option("--timeout", default=30.0, show_default=True, help="Seconds to wait for the answer.")
@json_option
def send(
    url: str,
    preset: Preset | None,
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
    saved: Path | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Sign a body as PRESET, send it to URL and print the answer.

    PRESET is a name from `hookguard presets`, or the dotted path of your own. Without PRESET, the delivery of --saved is sent as
    it came. The exit status is 0 only if the answer is 2xx.
    """
    kept = None if saved is None else read_kept(saved)
    if kept is not None and (body is not None or body_file is not None):
        raise click.UsageError("give --saved or a body, not both")
    if preset is None:
        if kept is None:
            raise click.UsageError("give PRESET, or a delivery with --saved")
        given = (*secrets, *secret_names, *secret_files, *headers, event_id, event_type, timestamp, signed_url)
        if any(each not in ("", None) for each in given):
            raise click.UsageError("without PRESET the saved delivery is sent as it is: leave the other options out")
        delivery, target = kept, with_query(url, kept.url)
    else:
        if signed_url is not None and not signs_url(preset):
            raise click.UsageError(f"{preset.name} does not sign its URL, so --signed-url has no effect: leave it out")
        if kept is not None:
            headers, event_id = (*described(kept, preset), *headers), event_id or id_of(kept, preset)
        content = read_body(body, body_file) if kept is None else kept.body
        given_secrets = read_secrets(secrets, secret_names, secret_files)
        signed_for = signed_url or url
        delivery = signed(preset, content, given_secrets, event_id, event_type, timestamp, headers, signed_for)
        target = _target(url, signed_for, delivery.url)
    _show(_sent(delivery, target, timeout), as_json=as_json)


def _sent(delivery: Delivery, url: str, timeout: float) -> Any:
    """Send a delivery; return the answer of httpx."""
    import httpx  # noqa: PLC0415 - of the extra `demo`

    try:
        return httpx.request(
            delivery.method,
            url,
            content=delivery.body,
            headers=encoded(delivery),
            timeout=timeout,
            follow_redirects=False,
        )
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise click.UsageError(f"{url!r} is not a URL to send to ({error}): write http://… or https://…") from None
    except httpx.HTTPError as error:
        raise click.ClickException(f"{url} did not answer: {error}") from None


def _show(answer: Any, *, as_json: bool) -> None:
    """Print an answer; the exit status is 1 unless it is 2xx."""
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
